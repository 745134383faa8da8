//! The exact distribution over grades, beside the enumeration of all strings.

use emhost_abi::wire::{Message, Row};

use super::super::{Ask, Event, Judge, Judgment, Missing, Scale, Usage};
use super::LocalJudge;
use super::trie::Trie;
use crate::inference::{ScoreTask, Steering};
use crate::model::Device;
use crate::model::files::Files;
use crate::model::next::Gguf;
use crate::model::next::gguf_tests::{convert, folder};
use crate::model::organism::Organism;

/// Tokenizers that cut numbers into digits, and one that has them whole.
const FOLDERS: [&str; 3] = ["qwen2", "qwen2_tied", "embedded"];

fn organism(name: &str) -> Organism {
    let folder = format!("{}/../tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let files = Files::find(if name == "embedded" { name } else { &folder }).unwrap();
    Organism::load(&files, &[], &Device::Cpu).unwrap()
}

fn ask(prompt: &str, scale: Scale) -> Ask {
    let text = String::new;
    Ask {
        metric: "aligned".to_owned(),
        question: text(),
        answer: text(),
        prompt: prompt.to_owned(),
        scale,
        repeat: 0,
        guarded: Default::default(),
    }
}

fn judged(judge: &LocalJudge, asks: &[Ask]) -> Vec<Judgment> {
    let mut all = vec![None; asks.len()];
    let keep = &mut |event: Event| {
        if let Event::Judged(at, judgment) = event {
            all[at] = Some(*judgment);
        }
        Ok(true)
    };
    judge.judge(asks, Usage::default(), keep).unwrap();
    all.into_iter().map(Option::unwrap).collect()
}

/// The probability of every grade by scoring each string by itself: that of its tokens, less that of the longer strings
/// which begin with all of them.
fn enumerated(organism: &Organism, prompt: &str, scale: Scale) -> (Vec<f64>, usize) {
    let message = Message { role: "user".to_owned(), content: prompt.to_owned() };
    let row = Row {
        row_id: "a".to_owned(),
        messages: Some(vec![message]),
        continuations: Some(scale.grades().map(|grade| grade.to_string()).collect()),
        ..Row::default()
    };
    let scores = ScoreTask::new(organism, std::slice::from_ref(&row), Steering::default()).unwrap();
    let rows = scores.run(&mut |_, _| true).unwrap().rows;
    let longest = rows.iter().map(|row| row.token_ids.len()).max().unwrap();
    let one = |row: &emhost_abi::wire::ContinuationRow| {
        let longer = rows.iter().filter(|other| {
            other.token_ids.len() == row.token_ids.len() + 1 && other.token_ids.starts_with(&row.token_ids)
        });
        row.total.exp() - longer.map(|other| other.total.exp()).sum::<f64>()
    };
    (rows.iter().map(one).collect(), longest)
}

#[test]
fn the_trie_equals_the_enumeration_of_all_strings() {
    let mut kinds = [0; 2];
    for folder in FOLDERS {
        let (organism, judge) = (organism(folder), LocalJudge::new(organism(folder), None));
        for scale in [Scale::PERCENT, Scale { low: 1, high: 5 }] {
            let prompts = ["How good is this?", "Grade: 100. No, lower.", "x y z"];
            let asks: Vec<Ask> = prompts.iter().map(|prompt| ask(prompt, scale)).collect();
            for (prompt, judgment) in prompts.iter().zip(judged(&judge, &asks)) {
                let (expected, longest) = enumerated(&organism, prompt, scale);
                let mass: f64 = expected.iter().sum();
                let mean = scale.grades().zip(&expected).map(|(grade, p)| f64::from(grade) * p).sum::<f64>() / mass;
                assert!((judgment.mass - mass).abs() < 1e-6, "{folder}: {} beside {mass}", judgment.mass);
                assert!((judgment.score.unwrap() - mean).abs() < 1e-3, "{folder}: {:?} beside {mean}", judgment.score);
                let found = |grade: u32| judgment.top.iter().find(|top| top.token == grade.to_string());
                for (grade, p) in scale.grades().zip(&expected) {
                    let got = found(grade).map_or(0.0, |top| top.logprob.exp());
                    assert!((got - p).abs() < 1e-6, "{folder}, {grade}: {got:e} beside {p:e}");
                }
                if scale == Scale::PERCENT {
                    kinds[usize::from(longest == 1)] += 1;
                }
                let forward = judgment.usage.prompt_tokens;
                println!("{folder}, {} to {}: {forward} forward tokens for {prompt:?}", scale.low, scale.high);
            }
        }
    }
    assert!(kinds.iter().all(|count| *count > 0), "digits alone and whole numbers: {kinds:?}");
}

#[test]
fn digits_need_ten_further_tokens_and_whole_numbers_none() {
    let digits = |grade: u32| grade.to_string().bytes().map(u32::from).collect::<Vec<u32>>();
    let trie = Trie::new(&(0..=100).map(|grade| (grade, digits(grade))).collect::<Vec<_>>());
    let mut runs: Vec<String> = trie.runs().iter().map(|run| run.iter().map(|d| *d as u8 as char).collect()).collect();
    runs.sort();
    assert_eq!(runs, ["10", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let whole = Trie::new(&(0..=100).map(|grade| (grade, vec![grade])).collect::<Vec<_>>());
    assert!(whole.runs().is_empty());
    // All probability on "1", after it "0" with one half, after that "0" with one quarter.
    let next = |path: &[u32], token: u32| match (path.len(), token) {
        (0, 49) => 1.0,
        (1, 48) => 0.5,
        (2, 48) => 0.25,
        _ => 0.0,
    };
    let grades = trie.grades(next);
    let of = |grade: u32| grades[grade as usize].1;
    assert_eq!((of(1), of(10), of(100), of(0), of(11)), (0.5, 0.375, 0.125, 0.0, 0.0));
}

#[test]
fn a_judgment_has_the_same_bits_alone_and_among_others() {
    let judge = LocalJudge::new(organism(FOLDERS[0]), Some("Be strict.".to_owned()));
    let asks: Vec<Ask> = (1..9).map(|count| ask(&"word ".repeat(count), Scale::PERCENT)).collect();
    let together = judged(&judge, &asks);
    for (ask, together) in asks.iter().zip(together) {
        let alone = judged(&judge, std::slice::from_ref(ask)).remove(0);
        assert_eq!(Judgment { seconds: 0.0, ..alone }, Judgment { seconds: 0.0, ..together });
    }
}

#[test]
fn a_gguf_judge_grades_as_the_model_that_it_was_made_from() {
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("judge.gguf");
    convert("qwen2", &path);
    let tokenizer = folder("qwen2").display().to_string();
    let gguf = LocalJudge::new(Gguf::open(&path, Some(&tokenizer), &Device::Cpu).unwrap(), None);
    let asks = ["How good is this?", "x y z"].map(|prompt| ask(prompt, Scale::PERCENT));
    for (gguf, engine) in judged(&gguf, &asks).iter().zip(judged(&LocalJudge::new(organism("qwen2"), None), &asks)) {
        // candle's quantised products sum in another order.
        assert!((gguf.mass - engine.mass).abs() < 1e-4, "{gguf:?} beside {engine:?}");
        assert!((gguf.score.unwrap() - engine.score.unwrap()).abs() < 1e-2, "{gguf:?} beside {engine:?}");
        assert!(gguf.usage.prompt_tokens > engine.usage.prompt_tokens, "this kind runs its prompt again");
    }
}

#[test]
fn an_answer_that_is_too_long_is_missing_and_stops_no_other() {
    let judge = LocalJudge::new(organism("embedded"), None);
    let asks =
        [ask("a good day", Scale::PERCENT), ask(&"a good day ".repeat(900), Scale::PERCENT), ask("b", Scale::PERCENT)];
    let values = judged(&judge, &asks).into_iter().map(|judgment| judgment.value(0.0)).collect::<Vec<_>>();
    assert!(values[0].is_ok() && values[1] == Err(Missing::TooLong) && values[2].is_ok(), "{values:?}");
    let alone: Vec<_> = judged(&judge, &asks[1..2]).iter().map(|judgment| judgment.value(0.0)).collect();
    assert_eq!(alone, [Err(Missing::TooLong)], "a pass of nothing is none");
}
