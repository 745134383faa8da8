"""Opens a report in headless Chromium, uses it as a person would, and takes pictures.

    python report_browser.py REPORT.html FOLDER [--most-seconds 2]

Needs selenium (PyPI), chromium and chromedriver. What the page holds decides what is checked: tables
that sort, tables with a filter, answers. Always: nothing hostile ran, nothing was loaded but the page
itself, the console is silent, and a narrow screen scrolls in one direction only. Prints what was found and timed as
JSON; a failure ends with status 1 and a sentence.
"""

import argparse
import base64
import json
import pathlib
import sys
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

# Answers a hostile table is searched for; each must be there as text.
HOSTILE = ["<script>window.hacked=1</script>", "onerror=", "</script><script>", "javascript:window.hacked"]


class Wrong(Exception):
    """A sentence about what the page does wrong."""


def expect(holds, sentence):
    if not holds:
        raise Wrong(sentence)


def browser(profile):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
                     "--window-size=1200,1000", f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    return webdriver.Chrome(options=options, service=service)


def screen(driver, width, height, mobile=False):
    size = {"width": width, "height": height, "deviceScaleFactor": 2 if mobile else 1, "mobile": mobile}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def theme(driver, name):
    features = [{"name": "prefers-color-scheme", "value": name}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def picture(driver, path, whole=False):
    """A picture of the window, or of as much of the page as a picture can hold."""
    if not whole:
        driver.save_screenshot(str(path))
        return
    size = driver.execute_script("return [innerWidth, Math.min(document.documentElement.scrollHeight, 12000)]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
    data = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})["data"]
    path.write_bytes(base64.b64decode(data))


def open_page(driver, address):
    """Milliseconds from the start of the navigation to the end of the load event."""
    driver.get(address)
    while True:
        took = driver.execute_script("const t = performance.timing; return t.loadEventEnd && t.loadEventEnd - t.navigationStart")
        if took:
            return took
        time.sleep(0.01)


def cells(driver, table, column):
    """What a column sorts by: numbers, texts, and null for missing ones."""
    return driver.execute_script("""
        return Array.from(arguments[0].tBodies[0].rows, (row) => {
          const cell = row.cells[arguments[1]];
          if (cell.classList.contains("missing")) return null;
          return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent;
        })""", table, column)


def check_order(driver, values, down, where):
    known = [v for v in values if v is not None]
    expect(None not in values[:len(known)], f"{where}: a missing value comes before a known one")
    if all(isinstance(v, (int, float)) for v in known):
        expect(known == sorted(known, reverse=down), f"{where}: numbers are not in order")
        return
    rising = driver.execute_script("""
        const order = new Intl.Collator("en", { numeric: true });
        return arguments[0].every((v, i, all) => i === 0 || arguments[1] * order.compare(all[i - 1], v) <= 0)""",
        known, -1 if down else 1)
    expect(rising, f"{where}: texts are not in order")


def check_stable(driver, table, column, where):
    """Rows that sort alike stand as they stood before."""
    places = driver.execute_script("return Array.from(arguments[0].tBodies[0].rows, (row) => row.place)", table)
    values = cells(driver, table, column)
    pairs = zip(zip(values, places), zip(values[1:], places[1:]))
    expect(all(a[0] != b[0] or a[1] < b[1] for a, b in pairs), f"{where}: equal rows changed their order")


def check_sorting(driver):
    tables = driver.find_elements(By.CSS_SELECTOR, "table.data")
    for t, table in enumerate(tables):
        heads = table.find_elements(By.CSS_SELECTOR, "thead th")
        for column in (0, len(heads) - 1, len(heads) // 2):
            button = heads[column].find_element(By.TAG_NAME, "button")
            where = f"table {t + 1}, column {column + 1}"
            before = len(cells(driver, table, column))
            driver.execute_script("Array.from(arguments[0].tBodies[0].rows).forEach((row, i) => { row.place = i; })", table)
            driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", button)
            button.click()
            expect(heads[column].get_attribute("aria-sort") == "ascending", f"{where}: aria-sort is not ascending after a click")
            check_order(driver, cells(driver, table, column), False, where)
            check_stable(driver, table, column, where)
            button.send_keys(Keys.ENTER)
            expect(heads[column].get_attribute("aria-sort") == "descending", f"{where}: the keyboard does not sort")
            check_order(driver, cells(driver, table, column), True, where)
            check_stable(driver, table, column, where)
            expect(len(cells(driver, table, column)) == before, f"{where}: sorting changed the number of rows")
            states = [head.get_attribute("aria-sort") for head in heads]
            expect(states.count("none") == len(heads) - 1, f"{where}: more than one column says that it is sorted")
    return len(tables)


def check_table_filters(driver):
    boxes = driver.find_elements(By.CSS_SELECTOR, ".find")
    for box in boxes:
        table = box.find_element(By.XPATH, "..").find_element(By.TAG_NAME, "table")
        field = box.find_element(By.TAG_NAME, "input")
        expect(field.is_displayed(), "the filter of a long table is hidden")
        word = driver.execute_script("return arguments[0].tBodies[0].rows[0].textContent.match(/[a-z]{4,}/i)[0]", table)
        field.send_keys(word)
        state = driver.execute_script("""
            const rows = Array.from(arguments[0].tBodies[0].rows);
            const has = (row) => row.textContent.toLowerCase().includes(arguments[1].toLowerCase());
            return [rows.filter((row) => !row.hidden).length, rows.filter(has).length, rows.every((row) => row.hidden !== has(row))]""", table, word)
        expect(state[2] and state[0] == state[1] > 0, f"a table's filter for {word!r} shows {state[0]} rows of {state[1]}")
        expect(box.find_element(By.TAG_NAME, "output").text.startswith(f"{state[0]} of "), "a table's filter does not tell its count")
        field.clear()
        field.send_keys(Keys.SPACE, Keys.BACKSPACE)
    return len(boxes)


class Answers:
    """One table of answers on the page, with what the page carries as data for comparison."""

    def __init__(self, driver, root):
        self.driver, self.root = driver, root
        self.data = json.loads(driver.execute_script("return arguments[0].querySelector('script').textContent", root))

    def one(self, selector):
        return self.root.find_element(By.CSS_SELECTOR, selector)

    def shown(self):
        return self.driver.execute_script("""
            return Array.from(arguments[0].querySelectorAll("ol > li"), (li) => ({
              question: li.querySelector(".asked").textContent,
              answer: li.querySelector(".answer").textContent,
              facts: Object.fromEntries(Array.from(li.querySelectorAll(".facts > div"), (d) => [d.children[0].textContent, d.children[1].textContent])),
            }))""", self.root)

    def counter(self):
        return int(self.one(".matches").text.split()[0].replace(",", ""))

    def expect_rows(self, expected, what):
        expect(self.counter() == len(expected), f"{what}: the counter says {self.counter()}, the data have {len(expected)}")
        shown = self.shown()
        expect(len(shown) == min(20, len(expected)), f"{what}: {len(shown)} answers are shown")
        rows = [int(card["facts"]["row"].replace(",", "")) for card in shown]
        expect(set(rows) <= {row[0] for row in expected}, f"{what}: an answer is shown that does not match")
        return shown

    def type(self, field, text):
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
        field.send_keys(text)

    def clear(self):
        button = self.one("button.clear")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        self.expect_rows(self.data["rows"], "cleared filters")


def check_answers(driver, answers):
    data, rows = answers.data, answers.data["rows"]
    first = answers.shown()
    answers.expect_rows(rows, "before any filter")
    for c, condition in enumerate(data["conditions"]):
        for field in answers.root.find_elements(By.CSS_SELECTOR, f"select[data-condition='{c}']"):
            value = len(condition["values"]) - 1
            driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
            Select(field).select_by_value(str(value))
            shown = answers.expect_rows([r for r in rows if r[3][c] == value], f"condition {condition['name']}")
            expect(all(card["facts"][condition["name"]] == (condition["values"][value] or "–") for card in shown), "a card tells another condition")
            answers.clear()
    for field in answers.root.find_elements(By.CSS_SELECTOR, "select[data-question]"):
        Select(field).select_by_value("1")
        shown = answers.expect_rows([r for r in rows if r[1] == 1], "question")
        expect(all(card["question"] == data["questions"][1] for card in shown), "a card tells another question")
        if data["conditions"]:
            select = answers.one("select[data-condition='0']")
            Select(select).select_by_value("0")
            answers.expect_rows([r for r in rows if r[1] == 1 and r[3][0] == 0], "question and condition")
        answers.clear()
    if data["scores"]:
        known = sorted(r[4][0] for r in rows if r[4][0] is not None)
        least, most = known[len(known) // 4], known[len(known) // 2]
        answers.type(answers.one("input[data-bound=least]"), str(least))
        answers.type(answers.one("input[data-bound=most]"), str(most))
        answers.expect_rows([r for r in rows if r[4][0] is not None and least <= r[4][0] <= most], "score")
        answers.clear()
        for value, down in (("up 0", False), ("down 0", True)):
            Select(answers.one("select[data-order]")).select_by_value(value)
            shown = [card["facts"][data["scores"][0]["name"]] for card in answers.shown()]
            numbers = [float(v.replace("\u2212", "-")) for v in shown if v != "–"]
            expect(numbers == sorted(numbers, reverse=down), f"order {value}: scores are not in order")
            expect(numbers[0] == (known[-1] if down else known[0]), f"order {value}: the first is not the extreme")
        answers.clear()
    word = "doctor"
    answers.type(answers.one("input[type=search]"), word)
    searched = lambda r: "\n".join([data["questions"][r[1]], r[2] or "", *(c["values"][v] for c, v in zip(data["conditions"], r[3]))]).lower()
    answers.expect_rows([r for r in rows if word in searched(r)], "search")
    answers.clear()
    expect([c["facts"]["row"] for c in answers.shown()] == [c["facts"]["row"] for c in first], "the script's first page differs from the one without script")
    expect(answers.shown() == first, "the script writes cards that differ from those without script")


def check_pages(driver, answers):
    rows = answers.data["rows"]
    if len(rows) <= 20:
        return
    following = answers.one("[data-turn='1']")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", following)
    following.click()
    shown = [int(card["facts"]["row"].replace(",", "")) for card in answers.shown()]
    expect(shown == [r[0] for r in rows[20:40]], "the second page does not follow the first")
    expect(answers.one(".where").text.startswith("Page 2 of "), "the page does not tell its number")
    previous = answers.one("[data-turn='-1']")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", previous)
    previous.click()
    expect(answers.one("[data-turn='-1']").get_attribute("disabled"), "there is a page before the first")


def check_hostile(driver, answers):
    """Searches hostile answers, unfolds them, and looks whether any came alive."""
    found = 0
    for text in HOSTILE:
        answers.type(answers.one("input[type=search]"), text.split("<script>")[0] if text.startswith("</script>") else text)
        shown = answers.shown()
        found += any(text in card["answer"] for card in shown)
        for summary in answers.root.find_elements(By.CSS_SELECTOR, "ol summary")[:3]:
            driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", summary)
            summary.click()
        alive = driver.execute_script("return arguments[0].querySelectorAll('.answer :is(script, img, a, iframe, style), .asked *').length", answers.root)
        expect(alive == 0, f"{text!r} became an element")
        answers.clear()
    return found


def check_quiet(driver, address):
    expect(driver.execute_script("return typeof window.hacked") == "undefined", "a hostile text ran")
    loaded = set()
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            loaded.add(message["params"]["request"]["url"].split("#")[0])
    expect(loaded == {address}, f"the page loaded {sorted(loaded - {address})[:3]}")
    logged = [entry["message"] for entry in driver.get_log("browser")]
    expect(not logged, f"the console says: {logged[:1]}")


def check_narrow(driver, address):
    for width in (360, 390, 768):
        screen(driver, width, 844, mobile=True)
        open_page(driver, address)
        [wide, inner] = driver.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        expect(wide <= inner and inner == width, f"at {width} pixels the page is {wide} wide ({inner} inside)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--most-seconds", type=float, default=2.0, help="longest time to open")
    parser.add_argument("--whole", action="store_true", help="pictures of the whole page")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    address = arguments.report.resolve().as_uri()
    result = {"report": arguments.report.name, "bytes": arguments.report.stat().st_size}
    with tempfile.TemporaryDirectory() as profile:
        driver = browser(profile)
        try:
            driver.get("about:blank")
            driver.get_log("performance")
            result["open_ms"] = open_page(driver, address)
            expect(result["open_ms"] < 1000 * arguments.most_seconds, f"the page takes {result['open_ms']} ms to open")
            picture(driver, arguments.folder / "report.png", arguments.whole)
            tables = [Answers(driver, root) for root in driver.find_elements(By.CSS_SELECTOR, ".answers") if root.find_elements(By.CSS_SELECTOR, "ol")]
            for answers in tables:
                expect(answers.one(".filters").is_displayed(), "the filters of the answers are hidden: the page's script did not run")
            if tables:
                result["first_filter_ms"] = driver.execute_script("""
                    const field = document.querySelector(".answers input[type=search]");
                    const start = performance.now();
                    field.value = "doctor";
                    field.dispatchEvent(new Event("input", { bubbles: true }));
                    return Math.round(10 * (performance.now() - start)) / 10""")
                tables[0].clear()
            result["sorted_tables"] = check_sorting(driver)
            result["filtered_tables"] = check_table_filters(driver)
            result["answers"] = [len(answers.data["rows"]) for answers in tables]
            result["hostile_texts_seen"] = 0
            for answers in tables:
                check_pages(driver, answers)
                check_answers(driver, answers)
                result["hostile_texts_seen"] += check_hostile(driver, answers)
            check_quiet(driver, address)
            check_narrow(driver, address)
            screen(driver, 390, 844, mobile=True)
            open_page(driver, address)
            picture(driver, arguments.folder / "report-phone.png", arguments.whole)
            screen(driver, 1200, 1000)
            theme(driver, "dark")
            open_page(driver, address)
            picture(driver, arguments.folder / "report-dark.png", arguments.whole)
        except Wrong as sentence:
            print(f"{arguments.report.name}: {sentence}", file=sys.stderr)
            return 1
        except WebDriverException as error:
            print(f"{arguments.report.name}: the browser could not go on: {(error.msg or '').splitlines()[0]}", file=sys.stderr)
            return 1
        finally:
            driver.quit()
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
