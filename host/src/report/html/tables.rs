//! Tables that sort by a click, cut to an excerpt with a link to the whole.

use super::markup::{escape, find_box, link_below, open_box, prose, sortable};
use crate::report::number::{self, MISSING};
use crate::report::table::{Cell, ReportTable};

/// Texts longer than this many characters fold away behind their beginning.
const FOLDED: usize = 220;
/// Tables with more rows than this have a box that filters them.
pub const FOUND: usize = 30;

/// All tables.
pub fn section(out: &mut String, tables: &[ReportTable]) {
    if tables.is_empty() {
        return;
    }
    out.push_str("<section id=\"tables\">\n<h2>Tables</h2>\n");
    for (i, table) in tables.iter().enumerate() {
        write_table(out, table, i + 1);
    }
    out.push_str("</section>\n");
}

fn write_table(out: &mut String, table: &ReportTable, number: usize) {
    let name = escape(&table.note.table);
    out.push_str(&format!(
        "<div class=\"table\">\n<h3><span class=\"number\">Table {number}</span> <code>{name}</code></h3>\n<p class=\"caption\">{}</p>\n",
        prose(&table.note.caption)
    ));
    if table.rows.len() > FOUND {
        find_box(out, &table.note.table);
    }
    open_box(out, &format!("Table {}", table.note.table));
    out.push_str("<table class=\"data\">\n<thead><tr>");
    let kinds: Vec<Kind> = (0..table.columns.len()).map(|c| Kind::of(table, c)).collect();
    for (column, kind) in table.columns.iter().zip(&kinds) {
        out.push_str(&sortable(kind.class(), column));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (cell, kind) in row.iter().zip(&kinds) {
            write_cell(out, cell, kind);
        }
        out.push_str("</tr>\n");
    }
    out.push_str(&format!("</tbody>\n</table>\n</div>\n<p class=\"count\">{}</p>\n</div>\n", count(table)));
}

enum Kind {
    /// Numbers, with the decimals that suit the whole column.
    Numbers(Option<usize>),
    Words,
}

impl Kind {
    fn of(table: &ReportTable, column: usize) -> Self {
        let cells = || table.rows.iter().filter_map(|row| row.get(column)).filter(|cell| **cell != Cell::Missing);
        if cells().count() == 0 || !cells().all(|cell| matches!(cell, Cell::Integer(_) | Cell::Number(_))) {
            return Kind::Words;
        }
        let numbers = cells().filter_map(|cell| if let Cell::Number(v) = cell { Some(*v) } else { None });
        Kind::Numbers(number::column_decimals(numbers))
    }

    fn class(&self) -> &'static str {
        if matches!(self, Kind::Words) { "word" } else { "num" }
    }
}

fn write_cell(out: &mut String, cell: &Cell, kind: &Kind) {
    let class = kind.class();
    match cell {
        Cell::Missing => out.push_str(&format!("<td class=\"{class} missing\">{MISSING}</td>")),
        Cell::Integer(v) => out
            .push_str(&format!("<td class=\"{class}\" data-v=\"{v}\">{}</td>", v.to_string().replace('-', "\u{2212}"))),
        Cell::Number(v) if v.is_nan() => out.push_str(&format!("<td class=\"{class} missing\">NaN</td>")),
        Cell::Number(v) => {
            let shown = match kind {
                Kind::Numbers(Some(decimals)) if v.is_finite() => number::fixed(*v, *decimals),
                _ => number::value(*v),
            };
            let exact = if v.is_finite() {
                format!("{v:?}")
            } else if *v > 0.0 {
                "Infinity".into()
            } else {
                "-Infinity".into()
            };
            out.push_str(&format!("<td class=\"{class}\" data-v=\"{exact}\" title=\"{exact}\">{shown}</td>"));
        }
        Cell::Text(text) => match text.chars().nth(FOLDED) {
            Some(_) => {
                let start: String = text.chars().take(FOLDED / 2).collect();
                out.push_str(&format!(
                    "<td class=\"word long\"><details><summary><span class=\"start\">{}… </span><span class=\"more\">all</span></summary>{}</details></td>",
                    escape(start.trim_end()),
                    escape(text)
                ));
            }
            None => out.push_str(&format!("<td class=\"word\">{}</td>", escape(text))),
        },
    }
}

/// How much of the table is shown, and where the whole is.
fn count(table: &ReportTable) -> String {
    let n = |n: usize| number::count(n as u64);
    let rows = match (table.rows.len(), table.total_rows) {
        (shown, total) if shown < total => format!("First {} of {} rows.", n(shown), n(total)),
        (_, 1) => "1 row.".into(),
        (_, total) => format!("{} rows.", n(total)),
    };
    if table.href.is_empty() { rows } else { format!("{rows} {}", link_below(&table.href, &table.href)) }
}
