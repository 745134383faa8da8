//! Small pieces of markup that all pages share.

pub use crate::report::text::{escape, prose};

/// Paragraphs of a text, divided by blank lines.
pub fn paragraphs(out: &mut String, class: &str, text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    for paragraph in text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
        out.push_str(&format!("<p{class}>{}</p>\n", prose(paragraph)));
    }
}

/// A list of sentences; nothing for an empty one.
pub fn list(out: &mut String, class: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    out.push_str(&format!("<ul class=\"{class}\">\n"));
    for item in items {
        out.push_str(&format!("<li>{}</li>\n", prose(item)));
    }
    out.push_str("</ul>\n");
}

/// A block of code that scrolls sideways.
pub fn code(out: &mut String, name: &str, text: &str) {
    out.push_str(&format!(
        "<pre tabindex=\"0\" role=\"region\" aria-label=\"{name}\"><code>{}</code></pre>\n",
        escape(text)
    ));
}

/// Opens a box that scrolls sideways when its table is wide.
pub fn open_box(out: &mut String, name: &str) {
    out.push_str(&format!("<div class=\"box\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n", escape(name)));
}

/// A heading that sorts its column.
pub fn sortable(class: &str, name: &str) -> String {
    format!(
        "<th scope=\"col\" class=\"{class}\" aria-sort=\"none\"><button type=\"button\">{}</button></th>",
        escape(name)
    )
}

/// The box that filters the rows of the table that follows it; hidden until the script is there.
pub fn find_box(out: &mut String, name: &str) {
    out.push_str(&format!(
        "<p class=\"find\" hidden><label>Filter rows <input type=\"search\" autocomplete=\"off\" spellcheck=\"false\" aria-label=\"Filter rows of {}\"></label> <output></output></p>\n",
        escape(name)
    ));
}

/// `1 caveat`, `3 caveats`.
pub fn plural(n: usize, what: &str) -> String {
    let n_shown = crate::report::number::count(n as u64);
    if n == 1 { format!("1 {what}") } else { format!("{n_shown} {what}s") }
}

/// Names and values; nothing for none.
pub fn pairs(out: &mut String, pairs: &[(String, String)]) {
    out.push_str("<dl class=\"pairs\">\n");
    for (name, value) in pairs {
        out.push_str(&format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value)));
    }
    out.push_str("</dl>\n");
}

/// A link to a file in the report's own folder or below; the text alone for any other path.
///
/// Names of tables come from plugins: only a path that cannot leave the folder is a link.
pub fn link_below(href: &str, text: &str) -> String {
    if href.split('/').any(|part| part == "..") { escape(text) } else { link_relative(href, text) }
}

/// A link to a relative path, which may lead up to other folders; the text alone for an address or a root.
pub fn link_relative(href: &str, text: &str) -> String {
    let relative = !href.is_empty()
        && !href.contains([':', '\\', '?', '#'])
        && !href.starts_with('/')
        && !href.contains(char::is_control);
    match relative {
        true => format!("<a href=\"{}\">{}</a>", escape(href), escape(text)),
        false => escape(text),
    }
}
