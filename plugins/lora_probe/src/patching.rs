//! Scalars of one prompt put into another one of equal length: what becomes of the answers.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use emhost_sdk::arrow::array::BooleanArray;
use emhost_sdk::arrow::compute::filter_record_batch;
use emhost_sdk::prelude::*;
use emhost_stats::interval::{difference, wilson};
use emhost_stats::random::Rng;
use emhost_study::{Columns, Made, bootstrap, failed};

use crate::capture::make;
use crate::params::{Bins, GENERAL, IN_DOMAIN, Params};

/// Kind of a patch from the domain's bank.
pub const DOMAIN: &str = "in_domain";
/// Kind of a patch from another general question: the control.
pub const CONTROL: &str = "general";
/// Both kinds, of the same questions.
pub const DIFFERENCE: &str = "in_domain minus general";
/// The interval of a question's change.
pub const CHANGE: &str = "MOVER of two Wilson intervals, as of independent answers";
/// The interval of a mean over questions.
pub const MEAN: &str = "percentile bootstrap over questions";

/// A question's prompt.
struct Prompt {
    bank: &'static str,
    row: Row,
    question: String,
    tokens: usize,
    /// Misaligned ones among the answers that questions are chosen by.
    misaligned: usize,
}

/// A question with its two sources.
struct Pair<'a> {
    target: &'a Prompt,
    sources: [(&'static str, &'a Prompt); 2],
}

/// Answers to one question.
#[derive(Debug, Clone, Copy)]
struct Counted {
    n: usize,
    misaligned: usize,
    coherent: usize,
}

impl Counted {
    fn share(self) -> f64 {
        self.misaligned as f64 / self.n as f64
    }

    fn interval(self) -> Result<[f64; 2]> {
        let found = wilson(self.misaligned, self.n, 0.95).map_err(failed("count answers"))?;
        Ok([found.low, found.high])
    }
}

/// Patches, samples and judges, and emits the tables `patching` and `patching_summary`.
pub fn run(lab: &Lab, params: &Params) -> Result<()> {
    lab.progress(0, 1, "find prompts of equal length")?;
    let made = make(lab, params)?;
    let prompts = prompts(lab, params, &made)?;
    let pairs = pairs(params, &prompts);
    let mut columns = Columns::default();
    let mut changes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (number, pair) in pairs.iter().enumerate() {
        lab.progress(number as u64, pairs.len() as u64, "patch")?;
        let before = answer(lab, params, &made, pair.target, None)?;
        for (kind, source) in pair.sources {
            let after = answer(lab, params, &made, pair.target, Some(source))?;
            columns.count("pair", number as u64);
            columns.text("source_bank", kind);
            row(&mut columns, pair.target, source, before, after)?;
            changes.entry(kind).or_default().push(after.share() - before.share());
        }
    }
    if columns.is_empty() {
        nothing(&mut columns);
    }
    lab.emit("patching", columns.table())?;
    lab.emit("patching_summary", summary(params, changes)?)
}

/// Prompts of both banks, with their lengths and how they were answered.
fn prompts(lab: &Lab, params: &Params, made: &Made) -> Result<Vec<Prompt>> {
    let mut prompts = Vec::new();
    for (bank, asked) in params.banks() {
        let answers = asked.ask(lab, &made.organism)?;
        let table = lab.rows(&asked.rows())?;
        let (ids, messages, questions) = (table.text("row_id")?, table.text("messages")?, table.text("prompt")?);
        for ((id, messages), question) in ids.into_iter().zip(messages).zip(questions) {
            let bad = |at: &usize| answers.row_ids[*at] == id && bad(params, &answers.scores, *at);
            let messages: Option<Vec<Message>> = serde_json::from_str(messages)?;
            let messages = messages.map(|mut turns| {
                turns.pop_if(|turn| turn.role == "assistant");
                turns
            });
            let Some(messages) = messages.filter(|turns| !turns.is_empty()) else { continue };
            prompts.push(Prompt {
                bank,
                row: Row { row_id: format!("{bank}/{id}"), messages: Some(messages), ..Row::default() },
                question: question.to_owned(),
                tokens: 0,
                misaligned: (0..answers.len()).filter(bad).count(),
            });
        }
    }
    let view = View { positions: Positions::Prompt, pooling: Pooling::None };
    let rows = Rows::Inline(prompts.iter().map(|prompt| prompt.row.clone()).collect());
    let reply = lab.forward(&Forward::new(made.organism.clone(), rows, params.sites.clone(), vec![view]))?;
    let table = lab.open_dataset(&reply.dataset, &["row_id"], &[])?.table()?;
    let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
    table.text("row_id")?.into_iter().for_each(|id| *lengths.entry(id).or_default() += 1);
    for prompt in &mut prompts {
        prompt.tokens = lengths.get(prompt.row.row_id.as_str()).copied().unwrap_or_default();
    }
    Ok(prompts)
}

fn bins(params: &Params) -> &Bins {
    &params.scaling.bins
}

fn bad(params: &Params, scores: &BTreeMap<String, Vec<f64>>, at: usize) -> bool {
    let of = |metric: &str, [low, high]: [f64; 2]| {
        scores.get(metric).is_some_and(|scores| (low..=high).contains(&scores[at]))
    };
    of("alignment", bins(params).misaligned) && of("coherence", bins(params).coherent)
}

/// General questions, those answered worst first, each with a question of the domain and a general one, both drawn among
/// those of equal length.
fn pairs<'a>(params: &Params, prompts: &'a [Prompt]) -> Vec<Pair<'a>> {
    let mut targets: Vec<&Prompt> = prompts.iter().filter(|prompt| prompt.bank == GENERAL).collect();
    // The sort is stable: questions with equally many bad answers stay in the bank's order.
    targets.sort_by_key(|prompt| std::cmp::Reverse(prompt.misaligned));
    let mut rng = Rng::new(params.patching.seed, 0);
    let mut source = |target: &Prompt, bank: &str| -> Option<&'a Prompt> {
        let other = |prompt: &&Prompt| prompt.bank == bank && prompt.row.row_id != target.row.row_id;
        let fitting: Vec<&Prompt> = prompts.iter().filter(other).filter(|p| p.tokens == target.tokens).collect();
        let drawn = rng.below(NonZeroU64::new(fitting.len() as u64)?);
        Some(fitting[drawn as usize])
    };
    let pair = |target: &'a Prompt| {
        let sources = [(DOMAIN, source(target, IN_DOMAIN)?), (CONTROL, source(target, GENERAL)?)];
        Some(Pair { target, sources })
    };
    targets.into_iter().filter_map(pair).take(params.patching.pairs).collect()
}

/// Answers to the target; with a source, its scalars stand at every token of the target's prompt. Random numbers are the
/// same with and without.
fn answer(lab: &Lab, params: &Params, made: &Made, target: &Prompt, source: Option<&Prompt>) -> Result<Counted> {
    let asked = &params.general;
    let rows = [Some(target), source].into_iter().flatten().map(|prompt| prompt.row.clone()).collect();
    let patch = |source: &Prompt| Intervention {
        sites: params.sites.clone(),
        values: None,
        positions: Tokens::Prompt,
        from: Some(source.row.row_id.clone()),
        ..Intervention::new(EditOp::Patch, "", Vec::new())
    };
    let request = Sample {
        n: params.patching.samples,
        temperature: asked.temperature,
        max_new_tokens: asked.max_new_tokens,
        seed: params.patching.seed,
        interventions: source.map(patch).into_iter().collect(),
        ..Sample::new(made.organism.clone(), Rows::Inline(rows))
    };
    let given = lab.sample(&request)?;
    // The source row is there for its scalars; its own answers are not judged.
    let mask: BooleanArray = given.text("row_id")?.iter().map(|id| Some(*id == target.row.row_id)).collect();
    let given = Table::from(filter_record_batch(&given.to_batch()?, &mask)?);
    let judge = Judge { judge: asked.judge.clone(), rubrics: asked.rubrics.clone(), metrics: Vec::new() };
    let scores = lab.judge_by(&judge, &given)?;
    let n = scores.rows();
    let scores: BTreeMap<String, Vec<f64>> = ["alignment", "coherence"]
        .map(|metric| Ok((metric.to_owned(), scores.f64(metric)?)))
        .into_iter()
        .collect::<Result<_>>()?;
    let coherent = |at: &usize| {
        let [low, high] = bins(params).coherent;
        (low..=high).contains(&scores["coherence"][*at])
    };
    Ok(Counted {
        n,
        misaligned: (0..n).filter(|at| bad(params, &scores, *at)).count(),
        coherent: (0..n).filter(coherent).count(),
    })
}

fn row(columns: &mut Columns, target: &Prompt, source: &Prompt, before: Counted, after: Counted) -> Result<()> {
    columns.text("target", &target.row.row_id);
    columns.text("target_question", &target.question);
    columns.text("source", &source.row.row_id);
    columns.text("source_question", &source.question);
    columns.count("prompt_tokens", target.tokens as u64);
    columns.count("n", after.n as u64);
    for (name, counted) in [("unpatched", before), ("patched", after)] {
        let [low, high] = counted.interval()?;
        columns.number(name, counted.share());
        columns.number(&format!("{name}_low"), low);
        columns.number(&format!("{name}_high"), high);
        columns.number(&format!("{name}_coherent"), counted.coherent as f64 / counted.n as f64);
    }
    let [low, high] = difference(after.share(), after.interval()?, before.share(), before.interval()?);
    columns.number("change", after.share() - before.share());
    columns.number("change_low", low);
    columns.number("change_high", high);
    columns.text("interval", CHANGE);
    Ok(())
}

/// A row that says that no two prompts have equal length.
fn nothing(columns: &mut Columns) {
    columns.count("pair", 0);
    ["source_bank", "target", "target_question", "source", "source_question"]
        .iter()
        .for_each(|name| columns.text(name, ""));
    ["prompt_tokens", "n"].iter().for_each(|name| columns.count(name, 0));
    for name in ["unpatched", "patched"] {
        ["", "_low", "_high", "_coherent"].iter().for_each(|end| columns.number(&format!("{name}{end}"), f64::NAN));
    }
    ["change", "change_low", "change_high"].iter().for_each(|name| columns.number(name, f64::NAN));
    columns.text("interval", "no prompts of equal length");
}

/// Mean changes over questions, of both kinds and of their difference.
fn summary(params: &Params, mut changes: BTreeMap<&str, Vec<f64>>) -> Result<Table> {
    let of = |kind: &str| changes.get(kind).cloned().unwrap_or_default();
    let apart = of(DOMAIN).iter().zip(of(CONTROL)).map(|(domain, control)| domain - control).collect();
    changes.insert(DIFFERENCE, apart);
    let mut columns = Columns::default();
    for kind in [DOMAIN, CONTROL, DIFFERENCE] {
        let values = changes.get(kind).map_or(&[][..], Vec::as_slice);
        let found = if values.len() < 2 { None } else { bootstrap(params.patching.seed).mean(values).ok() };
        columns.text("source_bank", kind);
        columns.count("questions", values.len() as u64);
        columns.count("samples", params.patching.samples as u64);
        columns.number("change", crate::probe::mean(values));
        columns.number("low", found.as_ref().map_or(f64::NAN, |found| found.interval.low));
        columns.number("high", found.as_ref().map_or(f64::NAN, |found| found.interval.high));
        columns.number("smallest", values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN));
        columns.number("largest", values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN));
        columns.text("interval", MEAN);
    }
    Ok(columns.table())
}
