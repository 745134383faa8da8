// Filters, orders and pages through answers. Their text is data: it reaches the page by textContent alone.
for (const root of document.querySelectorAll(".answers")) {
  const PAGE = 20;
  const FOLDED = 600;
  const one = (selector) => root.querySelector(selector);
  const all = (selector) => Array.from(root.querySelectorAll(selector));
  const number = (n) => (n < 10000 ? String(n) : n.toLocaleString("en"));
  const part = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  let data = null;
  const load = () => {
    data = JSON.parse(one("script").textContent);
    data.search = data.rows.map(([, question, answer, conditions]) =>
      [data.questions[question], answer ?? "", ...conditions.map((v, i) => data.conditions[i].values[v])].join("\n").toLowerCase());
  };

  const shown = (value, decimals) => (decimals === null ? String(value) : value.toFixed(decimals)).replace("-", "\u2212");
  const answerOf = (text) => {
    if (text === null) return part("p", "answer missing", "no answer");
    const letters = Array.from(text);
    if (letters.length <= FOLDED) return part("div", "answer", text);
    const fold = part("details", "answer");
    const head = part("summary");
    const start = part("span", "start", letters.slice(0, FOLDED / 2).join("").trimEnd() + "\u2026");
    head.append(start, " ", part("span", "more", `all ${number(letters.length)} characters`));
    fold.append(head, text);
    return fold;
  };
  const card = ([row, question, answer, conditions, scores]) => {
    const item = part("li");
    const facts = part("dl", "facts");
    const fact = (kind, name, text) => {
      const pair = part("div", kind);
      pair.append(part("dt", "", name), part("dd", "", text));
      facts.append(pair);
    };
    scores.forEach((v, i) => fact(v === null ? "score missing" : "score", data.scores[i].name, v === null ? "\u2013" : shown(v, data.scores[i].decimals)));
    conditions.forEach((v, i) => fact("condition", data.conditions[i].name, data.conditions[i].values[v] || "\u2013"));
    fact("condition", "row", number(row));
    item.append(part("p", "asked", data.questions[question]), answerOf(answer), facts);
    return item;
  };

  const wanted = () => {
    const choices = all("select[data-condition]").map((s) => [Number(s.dataset.condition), s.value]).filter(([, v]) => v !== "");
    const asked = one("select[data-question]")?.value ?? "";
    const column = Number(one("select[data-score]")?.value ?? 0);
    const bound = (end) => {
      const text = one(`input[data-bound=${end}]`)?.value.trim().replace(",", ".").replace("\u2212", "-") ?? "";
      return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
    };
    const [least, most] = [bound("least"), bound("most")];
    const words = one("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    return data.rows.map((row, i) => i).filter((i) => {
      const [, question, , conditions, scores] = data.rows[i];
      if (choices.some(([c, v]) => conditions[c] !== Number(v))) return false;
      if (asked !== "" && question !== Number(asked)) return false;
      const score = scores[column];
      if ((least !== null || most !== null) && (score ?? null) === null) return false;
      if ((least !== null && score < least) || (most !== null && score > most)) return false;
      return words.every((word) => data.search[i].includes(word));
    });
  };
  const ordered = (found) => {
    const [how, column] = one("select[data-order]").value.split(" ");
    if (how === "mixed") return found;
    if (how === "row") return found.sort((a, b) => data.rows[a][0] - data.rows[b][0]);
    const turn = how === "down" ? -1 : 1;
    const score = (i) => data.rows[i][4][Number(column)];
    return found.sort((a, b) => (score(a) === null || score(b) === null ? (score(a) === null) - (score(b) === null) : turn * (score(a) - score(b))));
  };

  let found = null;
  let page = 0;
  const draw = () => {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    one("ol").replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map((i) => card(data.rows[i])));
    one("ol").start = page * PAGE + 1;
    label(found.length, data.rows.length, pages);
  };
  const label = (matches, total, pages) => {
    one(".matches").textContent = matches === total ? `${number(total)} answers` : `${number(matches)} of ${number(total)} answers match`;
    one(".where").textContent = `Page ${page + 1} of ${number(pages)}`;
    one("[data-turn='-1']").disabled = page === 0;
    one("[data-turn='1']").disabled = page >= pages - 1;
    one(".pager").hidden = pages < 2;
  };
  const filter = () => {
    if (!data) load();
    found = ordered(wanted());
    page = 0;
    draw();
  };

  one(".filters").hidden = false;
  one(".matches").hidden = false;
  label(Number(root.dataset.rows), Number(root.dataset.rows), Math.max(1, Math.ceil(Number(root.dataset.rows) / PAGE)));
  // Menus speak when a choice is made, fields at every letter: a field's own "change" comes late and would turn back the page.
  for (const field of all(".filters select")) field.addEventListener("change", filter);
  for (const field of all(".filters input")) field.addEventListener("input", filter);
  one("button.clear").addEventListener("click", () => {
    for (const field of all(".filters select, .filters input")) field.tagName === "SELECT" ? (field.selectedIndex = 0) : (field.value = "");
    filter();
  });
  for (const button of all(".pager button")) {
    button.addEventListener("click", () => {
      if (!found) { if (!data) load(); found = ordered(wanted()); }
      page += Number(button.dataset.turn);
      draw();
      root.querySelector("ol").scrollIntoView({ block: "start" });
    });
  }
}
