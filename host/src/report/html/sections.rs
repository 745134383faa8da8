//! The parts of the page, each left out when it has nothing to say.

use emhost_abi::wire::{Figure, Headline};

use super::markup::{code, escape, list, open_box, pairs, paragraphs, plural, prose};
use crate::report::number::{self, MISSING};
use crate::report::svg::render_svg;

/// Title and question.
pub fn opening(out: &mut String, origin: &[&str], title: &str, question: &str) {
    out.push_str("<header>\n");
    let origin: Vec<String> =
        origin.iter().filter(|t| !t.is_empty()).map(|t| format!("<span>{}</span>", escape(t))).collect();
    out.push_str(&format!("<p class=\"origin\">{}</p>\n<h1>{}</h1>\n", origin.join(" "), escape(title)));
    paragraphs(out, "question", question);
    out.push_str("</header>\n");
}

/// The verdict, with a pointer to what it must be read with.
pub fn verdict(out: &mut String, verdict: &str, caveats: usize, warnings: usize) {
    if verdict.is_empty() {
        return;
    }
    out.push_str("<section class=\"verdict\" aria-label=\"Verdict\">\n<h2>Verdict</h2>\n");
    paragraphs(out, "", verdict);
    let said = [(caveats, "caveat"), (warnings, "warning")];
    let said: Vec<String> = said.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| plural(n, what)).collect();
    if !said.is_empty() {
        out.push_str(&format!(
            "<p class=\"pointer\"><a href=\"#caveats\">Read it with {}</a></p>\n",
            said.join(" and ")
        ));
    }
    out.push_str("</section>\n");
}

/// The few numbers that a reader needs first.
pub fn headline(out: &mut String, headline: &[Headline]) {
    if headline.is_empty() {
        return;
    }
    out.push_str("<section id=\"headline\">\n<h2>Headline</h2>\n");
    open_box(out, "Headline numbers");
    out.push_str("<table class=\"headline\">\n<thead><tr>");
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

/// Where the numbers come from.
pub fn provenance(out: &mut String, provenance: &[(String, String)]) {
    if !provenance.is_empty() {
        out.push_str("<section id=\"provenance\">\n<h2>Provenance</h2>\n");
        pairs(out, provenance);
        out.push_str("</section>\n");
    }
}

/// How to get the numbers again.
pub fn reproduce(out: &mut String, command: &str) {
    if !command.is_empty() {
        out.push_str("<section id=\"reproduce\">\n<h2>Reproduce</h2>\n");
        code(out, "Command", command);
        out.push_str("</section>\n");
    }
}
