//! What a run is going to cost, from rates that were measured in this store.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use emhost_abi::wire::{self, Cell, Lora, Method, Passes, Row, Work};
use serde::Serialize;

use crate::model::config::Config;
use crate::model::families::shapes;
use crate::model::files::Files;
use crate::model::text::Text;
use crate::rows;
use crate::store::Stage;
use crate::units::{bytes, seconds};

/// The cost of some cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Cells that are not finished.
    pub cells: usize,
    /// Cells whose plugin does not say what they ask for: they are in no other number.
    pub silent: usize,
    /// Rows that cannot be read here: they count as nothing.
    pub unread: Vec<String>,
    /// By operation and model.
    pub work: Vec<Share>,
    /// Bytes that are kept.
    pub bytes: u64,
    /// Seconds on one machine, if all rates are known.
    pub seconds: Option<f64>,
}

/// One operation with one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The operation.
    pub op: String,
    /// The model.
    pub model: String,
    /// Its number of parameters, where it is known.
    pub parameters: Option<u64>,
    /// Rows, completions or judge calls.
    pub passes: u64,
    /// Tokens, at most.
    pub tokens: u64,
    /// Seconds, and what they are estimated from.
    pub seconds: Option<f64>,
    /// What the rate was measured on.
    pub basis: String,
}

/// Seconds per token and parameter of each operation, from stages that were computed here.
#[derive(Debug, Default)]
pub struct Rates(BTreeMap<String, Vec<(u64, f64)>>);

impl Rates {
    /// The rates of a store.
    pub fn measured(stages: &[Stage]) -> Self {
        let mut rates: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
        for stage in stages {
            let made = &stage.record.made;
            // Short work is all start.
            if made.effort.tokens > 0 && made.effort.parameters > 0 && made.seconds > 0.05 {
                let rate = made.seconds / made.effort.tokens as f64;
                rates.entry(stage.record.op.clone()).or_default().push((made.effort.parameters, rate));
            }
        }
        Self(rates)
    }

    /// Seconds per token with a model of so many parameters: measured with models of about this size, or else scaled in
    /// proportion from the nearest one.
    fn of(&self, op: &str, parameters: u64) -> Option<(f64, String)> {
        let measured = self.0.get(op)?;
        let distance = |known: u64| (known as f64 / parameters as f64).ln().abs();
        let nearest = measured.iter().map(|(known, _)| *known).min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
        let mut rates: Vec<f64> =
            measured.iter().filter(|(known, _)| *known == nearest).map(|(_, rate)| *rate).collect();
        rates.sort_by(f64::total_cmp);
        let rate = rates[rates.len() / 2];
        let basis = format!("{} stages with {} parameters", rates.len(), short(nearest));
        Some(match distance(nearest) < 0.7 {
            true => (rate, basis),
            false => (rate * parameters as f64 / nearest as f64, format!("scaled from {basis}")),
        })
    }
}

impl Cost {
    /// The cost of cells.
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>, rates: &Rates) -> Self {
        let mut cost = Self { cells: 0, silent: 0, unread: Vec::new(), work: Vec::new(), bytes: 0, seconds: None };
        let mut models = Models::default();
        let mut sums: BTreeMap<(String, String), [u64; 2]> = BTreeMap::new();
        for cell in cells {
            cost.cells += 1;
            cost.silent += usize::from(cell.work.is_empty());
            for work in &cell.work {
                let model = models.of(&work.model);
                let rows = rows::load(&work.rows).unwrap_or_else(|error| {
                    let said = error.to_string();
                    if !cost.unread.contains(&said) {
                        cost.unread.push(said);
                    }
                    Vec::new()
                });
                let (passes, tokens) = model.size(work, &rows);
                cost.bytes +=
                    passes * work.vectors * 4 * model.width + work.weights.as_ref().map_or(0, |of| model.bytes(of));
                let sum = sums.entry((work.op.clone(), work.model.clone())).or_default();
                *sum = [sum[0] + passes, sum[1] + tokens];
            }
        }
        for ((op, model), [passes, tokens]) in sums {
            let judged = op == wire::op::JUDGE;
            let parameters = if judged { None } else { models.of(&model).parameters };
            let (seconds, basis) = match parameters.map(|size| rates.of(&op, size)) {
                _ if tokens == 0 && !judged => (Some(0.0), "no tokens: weights are copied".to_owned()),
                Some(Some((rate, basis))) => (Some(rate * tokens as f64), basis),
                _ if judged => (None, "as quickly as the judge answers".to_owned()),
                Some(None) => (None, "this operation was not measured in this store yet".to_owned()),
                None => (None, "neither the model nor its name tell its size".to_owned()),
            };
            cost.work.push(Share { op, model, parameters, passes, tokens, seconds, basis });
        }
        cost.add_up();
        cost
    }

    /// The cost of several runs. What they share is counted in each of them, though it is computed once.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self { cells: 0, silent: 0, unread: Vec::new(), work: Vec::new(), bytes: 0, seconds: None };
        for part in parts {
            all.cells += part.cells;
            all.silent += part.silent;
            all.bytes += part.bytes;
            for problem in part.unread.iter() {
                if !all.unread.contains(problem) {
                    all.unread.push(problem.clone());
                }
            }
            for share in &part.work {
                match all.work.iter_mut().find(|known| (&known.op, &known.model) == (&share.op, &share.model)) {
                    None => all.work.push(share.clone()),
                    Some(known) => {
                        known.passes += share.passes;
                        known.tokens += share.tokens;
                        known.seconds = known.seconds.zip(share.seconds).map(|(a, b)| a + b);
                    }
                }
            }
        }
        all.add_up();
        all
    }

    fn add_up(&mut self) {
        let computed = self.work.iter().filter(|share| share.op != wire::op::JUDGE);
        self.seconds = computed
            .map(|share| share.seconds)
            .sum::<Option<f64>>()
            .filter(|_| self.silent == 0 && self.unread.is_empty());
    }
}

/// What is known of models without loading them.
#[derive(Default)]
struct Models(HashMap<String, Known>);

struct Known {
    parameters: Option<u64>,
    /// Tensors with their shapes; none where there are no files.
    shapes: Vec<(String, Vec<usize>)>,
    width: u64,
    text: Option<Text>,
}

impl Models {
    fn of(&mut self, name: &str) -> &Known {
        self.0.entry(name.to_owned()).or_insert_with(|| Known::find(name))
    }
}

impl Known {
    /// From the model's files, or else the number before a `B` in its name.
    fn find(name: &str) -> Self {
        let files = Files::find(name).ok();
        let config = files.as_ref().and_then(|files| Config::read(files).ok());
        let shapes = config.as_ref().map_or_else(Vec::new, shapes);
        let counted = shapes.iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum();
        Self {
            parameters: config.as_ref().map(|_| counted).or_else(|| named_size(name)),
            shapes,
            width: config.map_or(0, |config| config.width as u64),
            text: files.and_then(|files| Text::read(&files).ok()),
        }
    }

    /// Passes of some work over rows, and its tokens.
    fn size(&self, work: &Work, rows: &[Row]) -> (u64, u64) {
        let passes = match work.passes {
            Passes::Each(times) => times * rows.len() as u64,
            Passes::Total(times) => times,
        };
        let shown = &rows[..rows.len().min(SHOWN)];
        let mean = shown.iter().map(|row| self.length(row)).sum::<f64>() / shown.len().max(1) as f64;
        // The prompt of many completions is computed once.
        let prompts = if work.op == wire::op::SAMPLE { rows.len() as u64 } else { passes };
        (passes, (prompts as f64 * mean) as u64 + passes * work.new_tokens)
    }

    /// Bytes of weights that are kept, in f32.
    fn bytes(&self, weights: &Method) -> u64 {
        let adapter = |lora: &Lora| -> u64 {
            let own = |name: &str| {
                let mut parts = name.trim_end_matches(".weight").rsplit('.');
                let module = parts.next().unwrap_or_default();
                let block = parts.find_map(|part| part.parse::<usize>().ok());
                module.ends_with("_proj")
                    && (lora.modules.is_empty() || lora.modules.iter().any(|own| own == module))
                    && (lora.blocks.is_empty() || block.is_some_and(|block| lora.blocks.contains(&block)))
            };
            let adapted = self.shapes.iter().filter(|(name, shape)| shape.len() == 2 && own(name));
            adapted.map(|(_, shape)| (lora.rank * (shape[0] + shape[1])) as u64).sum()
        };
        4 * match weights {
            Method::Lora(lora) => adapter(lora),
            Method::Adapters(several) => several.values().map(adapter).sum(),
            Method::Full => self.parameters.unwrap_or(0),
            Method::Steering(_) => self.width,
        }
    }

    /// Tokens of a row; of an unknown tokenizer a quarter of its characters.
    fn length(&self, row: &Row) -> f64 {
        if let Some(encoded) = self.text.as_ref().and_then(|text| text.encode(row).ok()) {
            return encoded.tokens.len() as f64;
        }
        let messages = row.messages.iter().flatten().map(|message| message.content.len());
        (messages.sum::<usize>() + row.text.as_ref().map_or(0, String::len)) as f64 / 4.0
    }
}

/// Rows whose length is looked at.
const SHOWN: usize = 200;

/// `Qwen2.5-14B-Instruct` has 14e9 parameters.
fn named_size(name: &str) -> Option<u64> {
    let parts = name.split(['-', '_', '/']);
    let size = |part: &str| part.strip_suffix(['B', 'b'])?.parse::<f64>().ok();
    parts.filter_map(size).next().map(|billions| (billions * 1e9) as u64)
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for share in &self.work {
            let size = share.parameters.map_or_else(String::new, |size| format!(", {} parameters", short(size)));
            let time = match share.seconds {
                None => "time unknown".to_owned(),
                Some(0.0) => "not timed".to_owned(),
                Some(known) => format!("about {}", seconds(known)),
            };
            let Share { op, model, basis, .. } = share;
            let (passes, tokens) = (short(share.passes), short(share.tokens));
            writeln!(f, "  {op:<8} {model}{size}: {passes} passes, {tokens} tokens at most; {time} ({basis})")?;
        }
        for problem in &self.unread {
            writeln!(f, "  not counted: {problem}")?;
        }
        if self.bytes > 0 {
            writeln!(f, "  disk     about {}", bytes(self.bytes))?;
        }
        if self.silent > 0 {
            writeln!(f, "  {} of {} cells do not say what they will ask for", self.silent, self.cells)?;
        }
        match self.seconds {
            Some(total) => write!(f, "  time     about {} on this machine, one cell after the other", seconds(total)),
            None => write!(f, "  time     unknown"),
        }
    }
}

/// `12.3 M`.
fn short(count: u64) -> String {
    match count as f64 {
        n if n >= 1e9 => format!("{:.1} G", n / 1e9),
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e4 => format!("{:.1} k", n / 1e3),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::SystemTime;

    use emhost_abi::wire::{Rows, op};

    use super::*;
    use crate::store::{Effort, Made, StageRecord};

    fn stage(tokens: u64, parameters: u64, seconds: f64) -> Stage {
        let made = Made { seconds, effort: Effort { tokens, parameters }, ..Made::default() };
        let record =
            StageRecord { op: op::SAMPLE.to_owned(), inputs: serde_json::Value::Null, made, files: Vec::new() };
        Stage { key: String::new(), folder: PathBuf::new(), used: SystemTime::now(), record }
    }

    fn cell(rows: Rows) -> Cell {
        let work = Work::new(op::SAMPLE, "nowhere/Model-2B", rows, Passes::Each(3)).with_new_tokens(10);
        Cell::new("a", "", &()).expect("nothing is JSON").with_work(vec![work])
    }

    #[test]
    fn a_cost_is_passes_times_the_rate_of_the_nearest_size() {
        let row = |text: &str| Row { row_id: text.to_owned(), text: Some(text.to_owned()), ..Row::default() };
        let rows = Rows::Inline(vec![row("four letters"), row("and sixteen more")]);
        // 12 and 16 characters are 7 tokens of an unknown tokenizer; each of 6 passes has 10 new ones.
        let check = |stages: &[Stage], expected: Option<f64>| {
            let cost = Cost::of([&cell(rows.clone())], &Rates::measured(stages));
            assert_eq!((cost.work[0].passes, cost.work[0].tokens), (6, 67));
            let seconds = cost.seconds;
            assert!(
                match (seconds, expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                    (found, expected) => found == expected,
                },
                "{seconds:?} {expected:?}"
            );
        };
        check(&[], None);
        check(&[stage(100, 2_000_000_000, 1.0), stage(100, 1000, 9.0)], Some(0.67));
        // Of a tenth of the size, and scaled.
        check(&[stage(100, 200_000_000, 1.0)], Some(6.7));

        let one = Cost::of([&cell(rows)], &Rates::measured(&[stage(100, 2_000_000_000, 1.0)]));
        let two = Cost::sum([&one, &one]);
        assert_eq!((two.cells, two.work.len(), two.work[0].passes, two.work[0].tokens), (2, 1, 12, 134));
        assert_eq!(two.seconds, one.seconds.map(|seconds| 2.0 * seconds));
    }

    #[test]
    fn kept_weights_are_those_of_the_adapted_projections() {
        let known = Known::find("embedded");
        let lora = |modules: &[&str], blocks: &[usize]| {
            let modules = modules.iter().map(|&module| module.to_owned()).collect();
            Method::Lora(Lora { rank: 8, modules, blocks: blocks.to_vec(), ..Lora::default() })
        };
        // Width 128, MLP 384: `down_proj` has 512 inputs and outputs.
        assert_eq!(known.bytes(&lora(&["down_proj"], &[1])), 4 * 8 * 512);
        assert_eq!(known.bytes(&lora(&["down_proj"], &[])), 4 * 4 * 8 * 512);
        // q and o 128 + 128, k and v 128 + 64, three of the MLP 512.
        assert_eq!(known.bytes(&lora(&[], &[])), 4 * 4 * 8 * (2 * 256 + 2 * 192 + 3 * 512));
        assert_eq!(Some(known.bytes(&Method::Full)), known.parameters.map(|all| 4 * all));
    }

    #[test]
    fn what_cannot_be_counted_is_said() {
        let cost = Cost::of([&cell(Rows::source("/nowhere.jsonl"))], &Rates::default());
        assert!(
            cost.seconds.is_none() && cost.to_string().contains("not counted: read rows of `/nowhere.jsonl`"),
            "{cost}"
        );
        let silent = Cell::new("a", "", &()).expect("nothing is JSON");
        assert!(Cost::of([&silent], &Rates::default()).to_string().contains("1 of 1 cells do not say"));
        assert_eq!([named_size("Qwen/Qwen2.5-0.5B-Instruct"), named_size("embedded")], [Some(500_000_000), None]);
    }
}
