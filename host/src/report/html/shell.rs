//! What every page has around its sections: one style, one script, and a policy that allows nothing else.

use super::markup::escape;

const STYLE: &str = concat!(
    include_str!("css/page.css"),
    include_str!("css/tables.css"),
    include_str!("css/answers.css"),
    include_str!("css/scores.css"),
    include_str!("css/narrow.css"),
);
const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("js/sort.js"),
    include_str!("js/filter.js"),
    include_str!("js/answers.js")
);
/// SHA-256 of the script in base64; a test tells the new one when a part of it changes.
pub(super) const SCRIPT_SHA256: &str = "TMRqfLXQf3MVOYaYtvUhgvZBYN82Y0eeE9tOj4bn+l8=";

/// A whole page around `body`.
///
/// All text in `body` must be escaped already. The page's Content-Security-Policy allows one script, by its
/// digest; blocks of JSON are not executed and need no permission.
pub fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{SCRIPT_SHA256}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        escape(title)
    )
}

/// Links to the sections of `body`, in their order; empty where there are fewer than three.
pub fn contents(body: &str) -> String {
    let mut links = Vec::new();
    for section in body.split("<section id=\"").skip(1) {
        let id = section.split('"').next().unwrap_or_default();
        let name = section.split_once("<h2>").and_then(|(_, rest)| rest.split("</h2>").next());
        links.extend(name.map(|name| format!("<a href=\"#{id}\">{name}</a>")));
    }
    if links.len() < 3 {
        return String::new();
    }
    format!("<nav class=\"contents\" aria-label=\"Sections\">{}</nav>\n", links.join(" "))
}
