//! Answers with their judgments: the first are plain text, the rest is data that the page's script filters.

use std::collections::BTreeMap;

use serde::Serialize;

use super::markup::{escape, link_below, prose};
use crate::report::answers::{ReportAnswers, ShownAnswer, Spread};
use crate::report::number::{self, MISSING};
use crate::report::table::Cell;

/// Answers on a page; the script has the same number.
const PAGE: usize = 20;
/// Answers longer than this many characters fold; the script has the same number.
const FOLDED: usize = 600;
/// Most values of a condition, and most questions, that a menu offers. Others are found by search.
const MENU: usize = 60;

/// All tables of answers.
pub fn section(out: &mut String, tables: &[ReportAnswers]) {
    if tables.is_empty() {
        return;
    }
    out.push_str("<section id=\"answers\">\n<h2>Answers</h2>\n");
    for answers in tables {
        write_answers(out, answers);
    }
    out.push_str("</section>\n");
}

fn write_answers(out: &mut String, answers: &ReportAnswers) {
    let data = Data::of(answers);
    out.push_str(&format!(
        "<div class=\"answers\" data-rows=\"{}\">\n<h3><span class=\"number\">Table</span> <code>{}</code></h3>\n<p class=\"caption\">{}</p>\n<p class=\"caption\">{}</p>\n",
        answers.rows.len(),
        escape(&answers.note.table),
        prose(&answers.note.caption),
        chosen(answers)
    ));
    if !answers.rows.is_empty() {
        data.write_filters(out);
        out.push_str("<p class=\"matches\" role=\"status\" hidden></p>\n<ol>\n");
        for row in answers.rows.iter().take(PAGE) {
            data.write_card(out, row);
        }
        out.push_str("</ol>\n<p class=\"pager\" hidden><button type=\"button\" data-turn=\"-1\">Previous</button> <span class=\"where\"></span> <button type=\"button\" data-turn=\"1\">Next</button></p>\n");
        out.push_str(&format!(
            "<noscript><p class=\"caption\">Without scripts: the first {} of the sample.</p></noscript>\n",
            number::count(answers.rows.len().min(PAGE) as u64)
        ));
        out.push_str(&format!("<script type=\"application/json\">{}</script>\n", data.json()));
    }
    out.push_str("</div>\n");
}

/// How many of how many are here, how they were chosen, and where the whole is.
fn chosen(answers: &ReportAnswers) -> String {
    let n = |n: usize| number::count(n as u64);
    let whole = if answers.href.is_empty() {
        String::new()
    } else {
        format!(" Whole table: {}.", link_below(&answers.href, &answers.href))
    };
    let (shown, total) = (answers.rows.len(), answers.total_rows);
    if shown >= total {
        return format!("All {} answers are on this page.{whole}", n(total));
    }
    let spread = match answers.spread {
        Spread::ConditionsAndQuestions => "about as many of every condition and question",
        Spread::Conditions => "about as many of every condition (there are too many questions to show each)",
        Spread::Table => "from all over the table (there are too many conditions to show each)",
    };
    let extremes = match answers.note.scores.is_empty() {
        true => String::new(),
        false => ", among them the lowest and the highest of every score".into(),
    };
    format!(
        "{} of {} answers are on this page: {spread}, taken without a look at their text{extremes}. They are here to be read; rates come from the whole table.{whole}",
        n(shown),
        n(total)
    )
}

/// Place in the table from 1, question, answer, values of conditions, scores.
type Row<'a> = (usize, usize, Option<&'a str>, Vec<usize>, Vec<Option<f64>>);

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    questions: Vec<&'a str>,
    conditions: Vec<Condition<'a>>,
    scores: Vec<Score<'a>>,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Condition<'a> {
    name: &'a str,
    values: Vec<String>,
}

#[derive(Serialize)]
struct Score<'a> {
    name: &'a str,
    /// Decimals that suit all; none where they span too much.
    decimals: Option<usize>,
}

impl<'a> Data<'a> {
    fn of(answers: &'a ReportAnswers) -> Self {
        let mut questions: Vec<&str> = answers.rows.iter().map(|row| row.question.as_str()).collect();
        questions.sort_unstable();
        questions.dedup();
        let conditions = answers.note.conditions.iter().enumerate().map(|(c, name)| Condition {
            name,
            values: values(answers.rows.iter().filter_map(|row| row.conditions.get(c))),
        });
        let conditions: Vec<Condition> = conditions.collect();
        let places: Vec<BTreeMap<&str, usize>> =
            conditions.iter().map(|c| c.values.iter().enumerate().map(|(i, v)| (v.as_str(), i)).collect()).collect();
        let row = |row: &'a ShownAnswer| {
            let place = |(cell, places): (&Cell, &BTreeMap<&str, usize>)| {
                places.get(cell.to_string().as_str()).copied().unwrap_or(0)
            };
            let question = questions.binary_search(&row.question.as_str()).unwrap_or(0);
            let conditions = row.conditions.iter().zip(&places).map(place).collect();
            (row.row + 1, question, row.answer.as_deref(), conditions, row.scores.clone())
        };
        let rows = answers.rows.iter().map(row).collect();
        let score = |(s, name): (usize, &'a String)| {
            let values: Vec<f64> = answers.rows.iter().filter_map(|row| row.scores.get(s).copied().flatten()).collect();
            Score { name, decimals: number::column_decimals(values.iter().copied()) }
        };
        let scores = answers.note.scores.iter().enumerate().map(score).collect();
        Self { questions, conditions, scores, rows }
    }

    /// The data as JSON in which nothing can end the script element: `<` only stands inside strings.
    fn json(&self) -> String {
        serde_json::to_string(self).expect("texts, places and finite numbers are JSON").replace('<', "\\u003c")
    }

    fn write_filters(&self, out: &mut String) {
        out.push_str("<div class=\"filters\" role=\"search\" aria-label=\"Filter answers\" hidden>\n");
        for (c, condition) in self.conditions.iter().enumerate().filter(|(_, c)| (2..=MENU).contains(&c.values.len())) {
            let values: Vec<(String, &str)> = condition
                .values
                .iter()
                .enumerate()
                .map(|(i, v)| (i.to_string(), if v.is_empty() { MISSING } else { v }))
                .collect();
            menu(out, condition.name, &format!("data-condition=\"{c}\""), Some("all"), &values);
        }
        if (2..=MENU).contains(&self.questions.len()) {
            let questions: Vec<(String, &str)> =
                self.questions.iter().enumerate().map(|(i, q)| (i.to_string(), *q)).collect();
            menu(out, "question", "data-question", Some("all"), &questions);
        }
        if !self.scores.is_empty() {
            let names: Vec<(String, &str)> =
                self.scores.iter().enumerate().map(|(i, s)| (i.to_string(), s.name)).collect();
            out.push_str("<span class=\"range\">");
            menu(out, "score", "data-score", None, &names);
            for (end, name) in [("least", "at least"), ("most", "at most")] {
                out.push_str(&format!("<label><span>{name}</span><input inputmode=\"decimal\" size=\"5\" autocomplete=\"off\" data-bound=\"{end}\"></label>\n"));
            }
            out.push_str("</span>\n");
        }
        out.push_str("<label class=\"words\"><span>words</span><input type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label>\n");
        let mut orders = vec![("mixed".to_string(), "mixed".to_string()), ("row".into(), "as in the table".into())];
        for (i, score) in self.scores.iter().enumerate() {
            orders.push((format!("up {i}"), format!("{}, low first", score.name)));
            orders.push((format!("down {i}"), format!("{}, high first", score.name)));
        }
        let orders: Vec<(String, &str)> = orders.iter().map(|(value, name)| (value.clone(), name.as_str())).collect();
        menu(out, "order", "data-order", None, &orders);
        out.push_str("<button type=\"button\" class=\"clear\">Clear</button>\n</div>\n");
    }

    /// One answer as the script would write it.
    fn write_card(&self, out: &mut String, row: &ShownAnswer) {
        out.push_str(&format!("<li><p class=\"asked\">{}</p>", escape(&row.question)));
        match &row.answer {
            None => out.push_str("<p class=\"answer missing\">no answer</p>"),
            Some(text) if text.chars().nth(FOLDED).is_some() => {
                let start: String = text.chars().take(FOLDED / 2).collect();
                out.push_str(&format!(
                    "<details class=\"answer\"><summary><span class=\"start\">{}…</span> <span class=\"more\">all {} characters</span></summary>{}</details>",
                    escape(start.trim_end()),
                    number::count(text.chars().count() as u64),
                    escape(text)
                ));
            }
            Some(text) => out.push_str(&format!("<div class=\"answer\">{}</div>", escape(text))),
        }
        out.push_str("<dl class=\"facts\">");
        let mut fact = |class: &str, name: &str, value: &str| {
            out.push_str(&format!("<div class=\"{class}\"><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)));
        };
        for (score, value) in self.scores.iter().zip(&row.scores) {
            match value {
                Some(v) => fact(
                    "score",
                    score.name,
                    &score.decimals.map_or_else(|| v.to_string(), |d| format!("{v:.d$}")).replace('-', "\u{2212}"),
                ),
                None => fact("score missing", score.name, MISSING),
            }
        }
        for (condition, cell) in self.conditions.iter().zip(&row.conditions) {
            let value = cell.to_string();
            fact("condition", condition.name, if value.is_empty() { MISSING } else { &value });
        }
        fact("condition", "row", &number::count(row.row as u64 + 1));
        out.push_str("</dl></li>\n");
    }
}

/// Distinct values, numbers by size and before words.
fn values<'a>(cells: impl Iterator<Item = &'a Cell>) -> Vec<String> {
    let number = |cell: &Cell| match cell {
        Cell::Integer(v) => *v as f64,
        Cell::Number(v) => *v,
        Cell::Missing | Cell::Text(_) => f64::INFINITY,
    };
    let mut all: Vec<(f64, String)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for cell in cells {
        let text = cell.to_string();
        if seen.insert(text.clone()) {
            all.push((number(cell), text));
        }
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    all.into_iter().map(|(_, text)| text).collect()
}

fn menu(out: &mut String, name: &str, data: &str, all: Option<&str>, options: &[(String, &str)]) {
    const LONGEST: usize = 90;
    out.push_str(&format!("<label><span>{}</span><select {data}>", escape(name)));
    out.extend(all.map(|all| format!("<option value=\"\">{all}</option>")));
    for (value, text) in options {
        let short: String = text.chars().take(LONGEST).collect();
        let dots = if short.len() < text.len() { "…" } else { "" };
        out.push_str(&format!("<option value=\"{}\">{}{dots}</option>", escape(value), escape(&short)));
    }
    out.push_str("</select></label>\n");
}
