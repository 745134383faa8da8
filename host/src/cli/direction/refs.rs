//! What the subcommands share: what is known of a file, filters, and a direction as text.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::terminal::table;
use crate::run::Selection;
use crate::vector::{Convention, DirectionFile, Named, Reading};

/// What the user knows about a file beside its bytes.
#[derive(Debug, Args)]
pub(super) struct Known {
    /// Whose layer numbers the file uses; `auto` goes by its layout.
    #[arg(long, value_name = "CONVENTION", default_value = "auto", value_parser = convention)]
    from: From,
    /// Blocks of the model, where the file leaves it open.
    #[arg(long)]
    blocks: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct From(Option<Convention>);

fn convention(text: &str) -> Result<From, String> {
    if text == "auto" {
        return Ok(From(None));
    }
    let known = Convention::ALL.map(Convention::name).join(", ");
    Convention::from_str(text, false).map(|found| From(Some(found))).map_err(|_| format!("expected auto, {known}"))
}

impl Known {
    pub(super) fn reading(&self) -> Reading {
        Reading { from: self.from.0, blocks: self.blocks }
    }
}

/// Which directions are meant. In patterns `*` stands for anything and `?` for one character.
#[derive(Debug, Default, Args)]
pub(super) struct Filter {
    /// Only directions of this study: the name under which they were stored.
    #[arg(long, value_name = "PATTERN")]
    study: Option<String>,
    /// Only directions of these sites: `blocks.1?.resid_post`.
    #[arg(long, value_name = "PATTERN")]
    site: Option<String>,
    /// Only directions of these names.
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
}

impl Filter {
    /// Whether a direction is meant; one that does not say its study or site is so only where none is asked for.
    pub(super) fn has(&self, Named { name, direction }: &Named) -> bool {
        let fits = |pattern: &Option<String>, text: Option<&str>| match (pattern, text) {
            (None, _) => true,
            (Some(pattern), Some(text)) => Selection::new(vec![pattern.clone()]).has(text),
            (Some(_), None) => false,
        };
        fits(&self.study, direction.said("study"))
            && fits(&self.site, direction.site.as_deref())
            && fits(&self.name, Some(name))
    }

    /// The files with the directions that are meant, without those that have none.
    pub(super) fn of(&self, files: Vec<DirectionFile>) -> Vec<DirectionFile> {
        let chosen = files.into_iter().map(|mut file| {
            file.all.retain(|named| self.has(named));
            file
        });
        chosen.filter(|file| !file.all.is_empty()).collect()
    }

    /// The filters as they were typed, for a message; empty without any.
    pub(super) fn typed(&self) -> String {
        let each = [("study", &self.study), ("site", &self.site), ("name", &self.name)];
        let given = each.iter().filter_map(|(flag, pattern)| Some(format!("--{flag} {}", pattern.as_ref()?)));
        given.collect::<Vec<_>>().join(" ")
    }
}

/// A direction as JSON, with its file, and its key, study and run where it is stored.
pub(super) fn described(file: &DirectionFile, Named { name, direction }: &Named) -> Value {
    let (site, width, norm) = (&direction.site, direction.values.len(), direction.norm());
    json!({
        "name": name,
        "site": site,
        "width": width,
        "norm": norm,
        "file": file.path,
        "key": file.stage.as_ref().map(|stage| &stage.key),
        "made": file.stage.as_ref().map(|stage| &stage.made),
        "study": direction.said("study"),
        "run": direction.said("run"),
        "provenance": direction.provenance,
    })
}

/// One line per direction: where it belongs and how long it is.
pub(super) fn listed(all: &[Named]) -> String {
    let row = |Named { name, direction }: &Named| {
        let convention = direction.said("convention").unwrap_or("-");
        let layer = direction.provenance.get("layer").map_or_else(String::new, |layer| format!(" {layer}"));
        vec![
            printable(name),
            site(direction.site.as_deref()),
            direction.values.len().to_string(),
            format!("{:.6}", direction.norm()),
            printable(&format!("{convention}{layer}")),
        ]
    };
    table(words(&["name", "site", "width", "norm", "convention"]), all.iter().map(row).collect())
}

/// A site for people.
pub(super) fn site(site: Option<&str>) -> String {
    printable(site.unwrap_or("unknown"))
}

/// A header.
pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A text from a file never reaches the terminal as anything but text.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Direction;

    #[test]
    fn a_table_shows_where_each_direction_belongs_and_no_control_characters() {
        let direction = Direction::new(vec![3.0, 4.0], "blocks.1.resid_post").with("convention", "mo").with("layer", 1);
        let text = listed(&[Named { name: "bad\u{1b}[31m".to_owned(), direction }]);
        let cells: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(cells, ["bad\u{FFFD}[31m", "blocks.1.resid_post", "2", "5.000000", "mo", "1"]);
    }

    #[test]
    fn a_convention_is_auto_or_one_of_five() {
        assert!(convention("auto").unwrap().0.is_none());
        for known in Convention::ALL {
            assert_eq!(convention(known.name()).unwrap().0, Some(known));
        }
        assert!(convention("peft").unwrap_err().contains("mo, pv, rd, re, emg"));
    }

    #[test]
    fn filters_fit_study_site_and_name() {
        let direction = Direction::new(vec![1.0], "blocks.12.resid_post").with("study", "convergent");
        let known = Named { name: "medical".to_owned(), direction };
        let mut unknown = known.clone();
        (unknown.direction.site, unknown.direction.provenance) = (None, crate::vector::Provenance::new());
        let check = |filter: Filter, expected: [bool; 2]| {
            assert_eq!([&known, &unknown].map(|named| filter.has(named)), expected, "{}", filter.typed());
        };
        let some = |text: &str| Some(text.to_owned());
        check(Filter::default(), [true, true]);
        check(Filter { study: some("conv*"), ..Filter::default() }, [true, false]);
        check(Filter { site: some("blocks.1?.resid_post"), ..Filter::default() }, [true, false]);
        check(Filter { site: some("blocks.1.*"), ..Filter::default() }, [false, false]);
        check(Filter { name: some("med*"), ..Filter::default() }, [true, true]);
        check(Filter { name: some("med*"), site: some("embed"), study: None }, [false, false]);
    }
}
