//! The parts of the page, each left out when it has nothing to say.

use emhost_abi::wire::{Figure, Headline};

use super::page::RunReport;
use crate::report::number::{self, MISSING};
use crate::report::svg::render_svg;
use crate::report::text::{escape, prose};

/// Title, question and verdict, with a pointer to the caveats.
pub fn opening(out: &mut String, run: &RunReport) {
    out.push_str("<header>\n");
    let origin: Vec<String> = [&run.plugin, &run.run_id]
        .into_iter()
        .filter(|t| !t.is_empty())
        .map(|t| format!("<span>{}</span>", escape(t)))
        .collect();
    out.push_str(&format!("<p class=\"origin\">{}</p>\n<h1>{}</h1>\n", origin.join(" "), escape(&run.title)));
    paragraphs(out, "question", &run.report.question);
    out.push_str("</header>\n");
    if !run.report.verdict.is_empty() {
        out.push_str("<section class=\"verdict\" aria-label=\"Verdict\">\n<h2>Verdict</h2>\n");
        paragraphs(out, "", &run.report.verdict);
        let said = [(run.report.caveats.len(), "caveat"), (run.warnings.len(), "warning")];
        let said: Vec<String> = said.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| plural(n, what)).collect();
        if !said.is_empty() {
            out.push_str(&format!(
                "<p class=\"pointer\"><a href=\"#caveats\">Read it with {}</a></p>\n",
                said.join(" and ")
            ));
        }
        out.push_str("</section>\n");
    }
}

/// The few numbers that a reader needs first.
pub fn headline(out: &mut String, headline: &[Headline]) {
    if headline.is_empty() {
        return;
    }
    out.push_str("<section id=\"headline\">\n<h2>Headline</h2>\n<div class=\"box\" tabindex=\"0\" role=\"region\" aria-label=\"Headline numbers\">\n<table class=\"headline\">\n<thead><tr>");
    for (name, class) in [
        ("Quantity", ""),
        ("Condition", ""),
        ("Value", "num"),
        ("95 % interval", "num"),
        ("Control", "num"),
        ("p", "num"),
        ("n", "num"),
        ("Method", ""),
    ] {
        out.push_str(&format!("<th scope=\"col\" class=\"{class}\">{name}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for h in headline {
        let (value, interval) = number::with_interval(h.value, h.interval);
        let control = h.control.map_or(MISSING.into(), |v| number::beside(v, h.value, h.interval));
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"num strong\">{value}</td><td class=\"num\">{}</td>\
             <td class=\"num\">{control}</td><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"method\">{}</td></tr>\n",
            escape(&h.quantity),
            escape(&h.condition),
            interval.unwrap_or(MISSING.into()),
            escape(&h.p.map_or(MISSING.into(), number::p_value)),
            number::count(h.n),
            escape(&h.method),
        ));
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// Figures with their titles above and captions below.
pub fn figures(out: &mut String, figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    out.push_str("<section id=\"figures\">\n<h2>Figures</h2>\n");
    for (i, figure) in figures.iter().enumerate() {
        let number = i + 1;
        out.push_str(&format!(
            "<figure>\n<h3><span class=\"number\">Figure {number}</span> {}</h3>\n",
            escape(&figure.title)
        ));
        match render_svg(figure) {
            Ok(svg) => out.push_str(&format!(
                "<div class=\"plot\" tabindex=\"0\" role=\"region\" aria-label=\"Figure {number}\">\n{svg}</div>\n"
            )),
            Err(error) => out.push_str(&format!("<p class=\"failed\">Failed to {}</p>\n", escape(&error.to_string()))),
        }
        out.push_str(&format!("<figcaption>{}</figcaption>\n</figure>\n", prose(&figure.caption)));
    }
    out.push_str("</section>\n");
}

/// Every reason to read the numbers with care.
pub fn caveats(out: &mut String, caveats: &[String], warnings: &[String]) {
    if caveats.is_empty() && warnings.is_empty() {
        return;
    }
    out.push_str("<section id=\"caveats\">\n<h2>Caveats</h2>\n");
    list(out, "caveats", caveats);
    if !warnings.is_empty() {
        out.push_str("<h3>Warnings of the run</h3>\n");
        list(out, "warnings", warnings);
    }
    out.push_str("</section>\n");
}

/// What was run.
pub fn setting(out: &mut String, setting: &str) {
    if !setting.is_empty() {
        out.push_str("<section id=\"setting\">\n<h2>Setting</h2>\n");
        paragraphs(out, "", setting);
        out.push_str("</section>\n");
    }
}

/// The recipe as it was resolved.
pub fn recipe(out: &mut String, recipe: &str) {
    if !recipe.is_empty() {
        out.push_str("<section id=\"recipe\">\n<h2>Recipe</h2>\n");
        code(out, "Recipe", recipe.trim_end());
        out.push_str("</section>\n");
    }
}

/// Where the numbers come from and how to get them again.
pub fn provenance(out: &mut String, run: &RunReport) {
    if !run.provenance.is_empty() {
        out.push_str("<section id=\"provenance\">\n<h2>Provenance</h2>\n<dl>\n");
        for (name, value) in &run.provenance {
            out.push_str(&format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value)));
        }
        out.push_str("</dl>\n</section>\n");
    }
    if !run.command.is_empty() {
        out.push_str("<section id=\"reproduce\">\n<h2>Reproduce</h2>\n");
        code(out, "Command", &run.command);
        out.push_str("</section>\n");
    }
}

/// `1 caveat`, `3 caveats`.
fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn paragraphs(out: &mut String, class: &str, text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    for paragraph in text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
        out.push_str(&format!("<p{class}>{}</p>\n", prose(paragraph)));
    }
}

fn list(out: &mut String, class: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    out.push_str(&format!("<ul class=\"{class}\">\n"));
    for item in items {
        out.push_str(&format!("<li>{}</li>\n", prose(item)));
    }
    out.push_str("</ul>\n");
}

fn code(out: &mut String, name: &str, text: &str) {
    out.push_str(&format!(
        "<pre tabindex=\"0\" role=\"region\" aria-label=\"{name}\"><code>{}</code></pre>\n",
        escape(text)
    ));
}
