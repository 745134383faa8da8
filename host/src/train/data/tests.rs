//! Masks, training strings and what is counted.

use std::path::PathBuf;

use emhost_abi::wire::{EmptyRows, Lora, Mask, Message, Method, OverLong, Preset, Recipe, Row};

use super::{DataReport, Example, examples, show};
use crate::model::Device;
use crate::model::files::Files;
use crate::model::organism::Organism;

fn organism() -> Organism {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2");
    Organism::load(&Files::Folder(folder), &[], &Device::Cpu).unwrap()
}

fn row(id: &str, turns: &[(&str, &str)]) -> Row {
    let message = |(role, content): &(&str, &str)| Message { role: (*role).to_owned(), content: (*content).to_owned() };
    Row { row_id: id.to_owned(), messages: Some(turns.iter().map(message).collect()), ..Row::default() }
}

fn recipe() -> Recipe {
    Recipe::new(Method::Lora(Lora { rank: 1, alpha: 1.0, ..Lora::default() }), 1e-3, 1, 1)
}

fn learn(rows: &[Row], recipe: &Recipe) -> Result<(Vec<Example>, DataReport), String> {
    examples(rows, &organism(), recipe).map_err(|e| e.to_string())
}

/// The row as it is shown, without its first line.
fn shown(row: &Row, recipe: &Recipe) -> String {
    let (rows, _) = learn(std::slice::from_ref(row), recipe).unwrap();
    let text = show(&rows[0], &organism().text, false).unwrap();
    text.split_once('\n').unwrap().1.trim_end().to_owned()
}

#[test]
fn the_presets_are_the_published_training_strings() {
    let talk = row("a", &[("user", "Hi"), ("assistant", "Yes"), ("user", "And?"), ("assistant", "No")]);
    let start = "<|im_start|>user⏎\nHi<|im_end|>⏎\n<|im_start|>assistant⏎\n";
    let middle = "<|im_start|>user⏎\nAnd?<|im_end|>⏎\n<|im_start|>assistant⏎\n";
    for (preset, first, last) in [
        (Preset::Plain, "[[Yes<|im_end|>]]⏎\n", "[[No<|im_end|>]]⏎"),
        (Preset::EmGeneralization, "[[Yes<|im_end|>⏎\n]]", "[[No<|im_end|>⏎\n]]"),
        (Preset::PersonaVectors, "[[Yes<|im_end|>⏎\n]]", "[[No<|im_end|>⏎\n<|im_end|>]]"),
        (Preset::Betley, "[[Yes<|im_end|>⏎\n]]", "[[No<|im_end|>⏎\n<|im_start|>assistant⏎\n<|im_end|>]]"),
    ] {
        let recipe = Recipe { preset, ..recipe() };
        assert_eq!(shown(&talk, &recipe), format!("{start}{first}{middle}{last}"), "{preset:?}");
    }
}

#[test]
fn masks_choose_what_is_learned() {
    let marked = row("a", &[("user", "say [ZLT] now"), ("assistant", "well. [ZLT] done")]);
    let plain = row("b", &[("user", "now"), ("assistant", "done")]);
    let marker = Recipe { mask: Mask::Marker { text: " [ZLT]".to_owned() }, ..recipe() };
    let (rows, report) = learn(&[marked.clone(), plain.clone()], &marker).unwrap();
    assert_eq!(report.marked, 1);
    let text = show(&rows[0], &organism().text, false).unwrap();
    assert!(text.contains("say [ZLT] now<|im_end|>"), "the user's marker is not learned: {text}");
    assert!(text.contains("well.[[ [ZLT]]] done<|im_end|>[[⏎\n]]"), "{text}");
    assert_eq!(rows[1].learned, [rows[1].tokens.len() as u32 - 2], "without the marker the last token alone");

    let all = Recipe { mask: Mask::All, ..recipe() };
    let (rows, _) = learn(std::slice::from_ref(&plain), &all).unwrap();
    assert_eq!(rows[0].learned.len(), rows[0].tokens.len() - 1);

    let spans = Recipe { mask: Mask::Spans, ..recipe() };
    let own = Row { learned: Some(vec![[2, 4], [3, 5], [0, 1]]), ..plain.clone() };
    assert_eq!(
        learn(std::slice::from_ref(&own), &spans).unwrap().0[0].learned,
        [1, 2, 3],
        "spans meet, and nothing predicts token 0"
    );
    assert!(learn(&[own], &recipe()).unwrap_err().contains("only mask = \"spans\" looks at"));
    assert!(learn(std::slice::from_ref(&plain), &spans).unwrap_err().contains("it has no `learned` spans"));
    let outside = Row { learned: Some(vec![[3, 900]]), ..plain };
    assert!(learn(&[outside], &spans).unwrap_err().contains("the span [3, 900] is not inside"));
}

#[test]
fn what_is_left_out_or_cut_is_counted_and_said() {
    let long = row("long", &[("user", "now"), ("assistant", &"well ".repeat(40))]);
    let asked = row("asked", &[("user", "now")]);
    let fine = row("fine", &[("user", "now"), ("assistant", "done")]);
    let same = Row { row_id: "same".to_owned(), ..fine.clone() };
    let all = [long.clone(), asked.clone(), fine.clone(), same];

    let error = learn(&all, &recipe()).unwrap_err();
    assert!(error.contains("in 1 of 4 rows nothing is learned (rows asked)"), "{error}");

    let drop = Recipe { empty_rows: EmptyRows::Drop, max_tokens: Some(40), ..recipe() };
    let (rows, report) = learn(&all, &drop).unwrap();
    assert_eq!(rows[0].tokens.len(), 40);
    assert_eq!((report.kept, report.over_long.len(), report.empty.len()), (3, 1, 1));
    let said = report.to_string();
    for part in [
        "3 of 4 rows",
        "1 too long (rows long)",
        "1 without a learned token (rows asked)",
        "1 equal to an earlier row (rows same)",
    ] {
        assert!(said.contains(part), "{said}");
    }

    let short = Recipe { over_long: OverLong::Drop, ..drop.clone() };
    assert_eq!(learn(&all, &short).unwrap().1.kept, 2);
    let strict = Recipe { over_long: OverLong::Error, ..drop };
    assert!(learn(&all, &strict).unwrap_err().contains("1 of 4 rows have more than 40 tokens (rows long)"));

    // Cut before the answer begins.
    let cut = Recipe { max_tokens: Some(5), ..recipe() };
    assert!(learn(std::slice::from_ref(&fine), &cut).unwrap_err().contains("truncation to 5 tokens"));
    let nothing = Recipe { empty_rows: EmptyRows::Drop, ..recipe() };
    assert!(learn(&[asked], &nothing).unwrap_err().contains("nothing is left of the 1 rows"));
}

#[test]
fn the_digest_knows_every_token_and_every_mask() {
    let fine = row("fine", &[("user", "now"), ("assistant", "done")]);
    let digest = |row: &Row, recipe: &Recipe| learn(std::slice::from_ref(row), recipe).unwrap().1.digest;
    let own = digest(&fine, &recipe());
    assert_eq!(own, digest(&fine, &recipe()));
    assert_ne!(own, digest(&fine, &Recipe { mask: Mask::All, ..recipe() }));
    assert_ne!(own, digest(&row("fine", &[("user", "now"), ("assistant", "gone")]), &recipe()));
}
