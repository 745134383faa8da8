//! What the tests read of a page: fenced blocks, links and headings.

use std::collections::BTreeSet;

/// A fenced block.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Line of its opening fence, from 1.
    pub line: usize,
    /// First word behind the fence.
    pub language: String,
    /// Second word: the file that it is written to.
    pub path: Option<String>,
    /// What stands between the fences, without the fence's own indentation.
    pub text: String,
}

/// The fenced blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    for (number, line) in (1..).zip(page.lines()) {
        let inside = line.trim_start();
        let indentation = line.len() - inside.len();
        open = match open {
            Some((_, block)) if inside.trim_end() == "```" => {
                blocks.push(block);
                None
            }
            Some((by, mut block)) => {
                block.text += line.get(by.min(indentation)..).unwrap_or_default();
                block.text += "\n";
                Some((by, block))
            }
            None => inside.strip_prefix("```").map(|info| {
                let mut words = info.split_whitespace().map(str::to_owned);
                let (language, path) = (words.next().unwrap_or_default(), words.next());
                (indentation, Block { line: number, language, path, text: String::new() })
            }),
        };
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    blocks
}

/// The lines of a page that are no block, with their numbers; what stands in backticks is left out.
fn prose(page: &str) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((number, line.to_owned()));
        }
    }
    lines
}

/// Targets of links and pictures, with the line of each.
pub fn links(page: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(page) {
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in plain.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                links.push((number, target.to_owned()));
            }
        }
    }
    links
}

/// What links to the headings of a page end in.
pub fn slugs(page: &str) -> BTreeSet<String> {
    let headings = prose(page).into_iter().filter(|(_, line)| line.starts_with('#'));
    let slug = |(_, line): (usize, String)| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}
