// A table's column heading sorts it: up, then down. Equal rows keep their order; missing values come last.
{
  const words = new Intl.Collator("en", { numeric: true });
  const key = (cell) => {
    if (!cell || cell.classList.contains("missing")) return null;
    return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent;
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : words.compare(a, b));
  const sort = (head) => {
    const body = head.closest("table").tBodies[0];
    const turn = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of head.parentNode.cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
    const rows = Array.from(body.rows, (row) => [key(row.cells[head.cellIndex]), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : turn * order(a, b)));
    body.append(...rows.map(([, row]) => row));
  };
  for (const button of document.querySelectorAll("th[aria-sort] button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }
}
