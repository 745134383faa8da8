//! Hand-made replies: what the parsers read, how often they are right, and that nothing is left out.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use std::collections::BTreeMap;

use self_assessment::{Reply, choice, number};
use serde_json::Value;

/// A reply as a person reads it. `set` is `tuned` where the parsers were changed after a look at it, else `held_out`.
struct Case {
    set: String,
    form: String,
    reply: String,
    expected: Reply,
    read: Reply,
}

fn cases() -> Vec<Case> {
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let options: Vec<String> = value["options"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|option| option.as_str().unwrap().to_owned())
            .collect();
        let reply = text("reply");
        let read = match value["range"].as_array() {
            Some(range) => number(&reply, [range[0].as_f64().unwrap(), range[1].as_f64().unwrap()]),
            None => choice(&reply, &options),
        };
        let expected = match text("kind").as_str() {
            "chosen" => Reply::Chosen(options.iter().position(|option| *option == text("option")).unwrap()),
            "number" => Reply::Number(value["number"].as_f64().unwrap()),
            "refusal" => Reply::Refusal,
            "both" => Reply::Both,
            _ => Reply::None,
        };
        Case { set: text("set"), form: text("form"), reply, expected, read }
    };
    include_str!("replies.jsonl").lines().map(read).collect()
}

/// An answer that counts: an option or a number.
fn decided(reply: Reply) -> bool {
    matches!(reply, Reply::Chosen(_) | Reply::Number(_))
}

/// Of what was decided, the share that is right; of what a person can decide, the share that was decided; the share of all
/// replies whose kind and value are a person's.
fn scores(cases: &[&Case]) -> [f64; 3] {
    let share = |of: Vec<bool>| of.iter().filter(|hit| **hit).count() as f64 / of.len().max(1) as f64;
    let right = |case: &&&Case| case.read == case.expected;
    let said: Vec<bool> = cases.iter().filter(|case| decided(case.read)).map(|case| right(&case)).collect();
    let covered: Vec<bool> =
        cases.iter().filter(|case| decided(case.expected)).map(|case| decided(case.read)).collect();
    [share(said), share(covered), share(cases.iter().map(|case| right(&case)).collect())]
}

#[test]
fn hand_made_replies_are_read_as_a_person_reads_them() {
    let cases = cases();
    assert!(cases.len() >= 300, "{}", cases.len());
    for case in cases.iter().filter(|case| case.read != case.expected) {
        println!("{} {}: {:?} is {:?}, read as {:?}", case.set, case.form, case.reply, case.expected, case.read);
    }
    for set in ["tuned", "held_out"] {
        let of: Vec<&Case> = cases.iter().filter(|case| case.set == set).collect();
        let [precision, coverage, all] = scores(&of);
        println!(
            "{set}: {} replies, precision {precision:.3}, coverage {coverage:.3}, kind and value {all:.3}",
            of.len()
        );
        assert!(precision >= 0.95 && coverage >= 0.95 && all >= 0.9, "{set}: {precision} {coverage} {all}");
    }
    let mut forms: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    cases.iter().for_each(|case| forms.entry(&case.form).or_default().push(case));
    for (form, of) in forms {
        println!("{form}: {} replies, precision, coverage, all: {:.3?}", of.len(), scores(&of));
    }
}

#[test]
fn every_reply_has_a_kind() {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    cases().iter().for_each(|case| *kinds.entry(case.read.kind()).or_default() += 1);
    assert_eq!(kinds.values().sum::<usize>(), cases().len());
    assert!(Reply::KINDS.iter().all(|kind| kinds.contains_key(kind)), "{kinds:?}");
}
