//! Every page that a person wrote is tried as its reader would: each one is a session in a folder of its own, whose
//! blocks run in order as one script.
//!
//! | block | what happens |
//! |---|---|
//! | `sh` | it runs in bash |
//! | `python`, `sql` | it runs in the Python of `EMHOST_PYTHON`, SQL in duckdb; skipped by name where a package is missing |
//! | a language and a path, as in ```` ```toml grid.toml ```` | the block is written to that file |
//! | `text`, or no language | shown to the reader, not run |
//! | any other | an error |
//!
//! A page finds what its reader has: the files of `tests/pages/PAGE/`, the clone's `experiments` and `data`, `emhost` on
//! the PATH, the model `Qwen/Qwen2.5-0.5B-Instruct` in a hub cache (the embedded organism under that name) and an address
//! that answers as OpenAI's does. `cargo test --test pages -- docs/src/recipes.md` tries one page.

#[path = "pages/markdown.rs"]
mod markdown;
#[path = "pages/session.rs"]
mod session;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use emhost_tests::workspace;
use libtest_mimic::{Arguments, Failed, Trial};
use markdown::{Block, blocks, links, slugs};

/// A block that cannot run inside a test.
struct Elsewhere {
    page: &'static str,
    /// The block's first line.
    first: &'static str,
    /// What runs in its place, for what comes after it.
    instead: &'static str,
    /// Why it does not run here, and what tries it.
    #[expect(dead_code, reason = "it is there for whoever reads or changes the list")]
    covered: &'static str,
}

/// The main job in little: what a page's reader has after the whole one.
const SMALL: &str = "emhost run --plugin subspace_overlap --set random_draws=20 --set organisms.recipes.all.steps=20";

const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        page: "README.md",
        first: "cargo build --release && target/release/emhost run --plugin subspace_overlap",
        instead: SMALL,
        covered: "it builds what this test is a part of; tests/main_job.rs runs the job as it is",
    },
    Elsewhere {
        page: "README.md",
        first: "cargo test --release --workspace",
        instead: "",
        covered: "it is the command that runs this test",
    },
    Elsewhere {
        page: "docs/src/tutorial.md",
        first: "cargo build --release",
        instead: "",
        covered: "the binary was built before this test starts",
    },
    Elsewhere {
        page: "docs/src/models.md",
        first: "cargo build --release --features cuda",
        instead: "",
        covered: "it needs a CUDA toolkit; docs/log.md says where it was built",
    },
    Elsewhere {
        page: "docs/src/lab.md",
        first: "sudo install -d -m 2775 -g lab /shared/emhost",
        instead: "",
        covered: "it needs root and a group; tests/shared_store.rs shares a store between two users",
    },
];

/// Pages that are made from the program, and the list of pages: they are no sessions.
const NOT_SESSIONS: &[&str] = &["docs/src/reference/", "docs/src/SUMMARY.md"];

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("every_page_is_in_the_summary", every_page_is_in_the_summary),
        Trial::test("every_link_leads_somewhere", every_link_leads_somewhere),
        Trial::test("the_readme_shows_the_template", the_readme_shows_the_template),
        Trial::test("every_block_left_to_others_is_there", every_block_left_to_others_is_there),
        Trial::test("every_file_is_named_before_its_block", every_file_is_named_before_its_block),
    ];
    for page in pages() {
        trials.push(Trial::test(page.clone(), move || session::run(&page, &read(&page), instead)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// The README and the book's pages that are sessions, from the workspace's folder.
fn pages() -> Vec<String> {
    let book = texts().into_iter().filter(|page| page.starts_with("docs/src/"));
    let hand_written = book.filter(|page| !NOT_SESSIONS.iter().any(|other| page.starts_with(other)));
    let all: Vec<String> = std::iter::once("README.md".to_owned()).chain(hand_written).collect();
    assert!(all.len() > 5, "the book is found");
    all
}

/// The README and every Markdown file of `docs`.
fn texts() -> Vec<String> {
    let mut all = vec!["README.md".to_owned()];
    let mut folders = vec![workspace().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the book").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let relative = path.strip_prefix(workspace()).expect("it is in the workspace");
                all.push(relative.to_str().expect("pages have plain names").replace('\\', "/"));
            }
        }
    }
    all.sort();
    all
}

fn read(page: &str) -> String {
    std::fs::read_to_string(workspace().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// What runs in place of a block that cannot run here.
fn instead(page: &str, block: &Block) -> Option<&'static str> {
    let known = ELSEWHERE.iter().find(|known| known.page == page && block.text.lines().next() == Some(known.first));
    known.map(|known| known.instead)
}

fn every_block_left_to_others_is_there() -> Result<(), Failed> {
    let gone = |known: &&Elsewhere| !blocks(&read(known.page)).iter().any(|block| instead(known.page, block).is_some());
    let gone: Vec<_> = ELSEWHERE.iter().filter(gone).map(|known| format!("{}: {}", known.page, known.first)).collect();
    none(&gone, "the list `ELSEWHERE` names blocks that are not there")
}

/// A reader does not see what stands behind the fence.
fn every_file_is_named_before_its_block() -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = read(&page);
        let lines: Vec<&str> = text.lines().collect();
        for block in blocks(&text) {
            let Some(path) = &block.path else { continue };
            let before = lines[block.line.saturating_sub(4)..block.line - 1].join(" ");
            if !before.contains(&format!("`{path}`")) {
                wrong.push(format!("{page}:{}: the reader is not told that this is `{path}`", block.line));
            }
        }
    }
    none(&wrong, "files without a name")
}

fn every_page_is_in_the_summary() -> Result<(), Failed> {
    let summary: BTreeSet<String> =
        links(&read("docs/src/SUMMARY.md")).into_iter().map(|(_, target)| format!("docs/src/{target}")).collect();
    let book = texts().into_iter().filter(|page| page.starts_with("docs/src/") && !page.ends_with("SUMMARY.md"));
    let missing: Vec<_> = book.filter(|page| !summary.contains(page)).collect();
    none(&missing, "pages that docs/src/SUMMARY.md does not list")
}

fn every_link_leads_somewhere() -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for page in texts() {
        let folder = Path::new(&page).parent().map(Path::to_owned).unwrap_or_default();
        for (line, link) in links(&read(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if target.is_empty() { PathBuf::from(&page) } else { tidy(&folder.join(target)) };
            let from_here = path.to_string_lossy().replace('\\', "/");
            if !workspace().join(&path).exists() {
                wrong.push(format!("{page}:{line}: there is no `{from_here}`"));
            } else if !anchor.is_empty() && !slugs(&read(&from_here)).contains(anchor) {
                wrong.push(format!("{page}:{line}: `{from_here}` has no heading `#{anchor}`"));
            }
        }
    }
    none(&wrong, "links that lead nowhere")
}

/// Without `..` and `.`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(tidy.pop()),
            std::path::Component::CurDir => {}
            part => tidy.push(part),
        }
    }
    tidy
}

fn the_readme_shows_the_template() -> Result<(), Failed> {
    let template = read("sdk/template/lib.rs.template");
    let readme = blocks(&read("README.md"));
    let shown: Vec<_> = readme.iter().filter(|block| block.language == "rust").collect();
    match shown.as_slice() {
        [one] if one.text == template => Ok(()),
        [one] => Err(format!("README.md:{}: the block differs from sdk/template/lib.rs.template", one.line).into()),
        several => Err(format!("README.md has {} blocks of Rust, expected the template alone", several.len()).into()),
    }
}

fn none(wrong: &[String], what: &str) -> Result<(), Failed> {
    if wrong.is_empty() { Ok(()) } else { Err(format!("{what}:\n{}", wrong.join("\n")).into()) }
}
