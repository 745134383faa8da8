//! Which rows of a long table are shown: some of every group, by a rank that depends on the row's place alone.

use std::collections::{BTreeMap, HashMap};

use crate::report::table::Cell;

/// One answer of the sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShownAnswer {
    /// Place in the full table, from 0.
    pub row: usize,
    /// What was asked.
    pub question: String,
    /// What was answered; `None` where the table has none.
    pub answer: Option<String>,
    /// Values of the note's conditions.
    pub conditions: Vec<Cell>,
    /// Values of the note's scores; `None` for a missing judgment.
    pub scores: Vec<Option<f64>>,
}

/// Over what a sample is spread evenly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spread {
    /// Over every combination of conditions and question.
    #[default]
    ConditionsAndQuestions,
    /// Over the conditions: there are too many questions to show some of each.
    Conditions,
    /// Over the whole table: there are too many conditions.
    Table,
}

/// What a sample may hold.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Rows.
    pub rows: usize,
    /// Bytes of text as the page carries it.
    pub bytes: usize,
}

/// A growing sample.
pub struct Pick {
    budget: Budget,
    scores: usize,
    spread: Spread,
    /// Rows of each group that are kept by rank; more are kept for their scores.
    each: usize,
    groups: HashMap<String, Group>,
    rows: usize,
    bytes: usize,
}

/// Rank and place: random, but the same for the same place in every run.
type Key = (u64, usize);

#[derive(Default)]
struct Group {
    kept: BTreeMap<Key, ShownAnswer>,
    /// For each score the lowest and the highest, with their rows.
    extremes: Vec<[Option<(f64, Key)>; 2]>,
    /// The last rank that is kept for its rank, once there are enough.
    bar: Option<Key>,
}

impl Pick {
    /// An empty sample of rows with so many scores.
    pub fn new(budget: Budget, scores: usize) -> Self {
        let (spread, each) = (Spread::default(), budget.rows.max(1));
        Self { budget, scores, spread, each, groups: HashMap::new(), rows: 0, bytes: 0 }
    }

    /// Offers the row at a place of the table; `answer` is read only if the row is kept.
    pub fn offer(
        &mut self,
        row: usize,
        conditions: Vec<Cell>,
        question: String,
        scores: Vec<Option<f64>>,
        answer: impl FnOnce() -> Option<String>,
    ) {
        let key = (rank(row as u64), row);
        let group = self.groups.entry(group_name(self.spread, &conditions, &question)).or_default();
        group.extremes.resize(self.scores, [None, None]);
        let extreme = group.note_scores(key, &scores);
        if !extreme && group.bar.is_some_and(|bar| key > bar) {
            return;
        }
        let shown = ShownAnswer { row, question, answer: answer(), conditions, scores };
        self.rows += 1;
        self.bytes += cost(&shown);
        group.kept.insert(key, shown);
        let (rows, bytes) = group.prune(self.each);
        self.rows -= rows;
        self.bytes -= bytes;
        self.fit();
    }

    /// The rows, one of each group, then the next of each, and what they are spread over.
    pub fn finish(self) -> (Vec<ShownAnswer>, Spread) {
        let mut mixed = Vec::with_capacity(self.rows);
        for group in self.groups.into_values() {
            let first = group.kept.values().map(|row| row.row).min().unwrap_or(0);
            mixed.extend(group.kept.into_values().enumerate().map(|(turn, row)| (turn, first, row)));
        }
        mixed.sort_by_key(|(turn, first, _)| (*turn, *first));
        (mixed.into_iter().map(|(_, _, row)| row).collect(), self.spread)
    }

    /// Keeps fewer of each group, or coarser groups, until the sample fits.
    fn fit(&mut self) {
        while self.rows > self.budget.rows || self.bytes > self.budget.bytes {
            if self.each > 1 {
                let longest = self.groups.values().map(|group| group.kept.len()).max().unwrap_or(0);
                self.each = (self.each - 1).min(longest).max(1);
                self.prune();
                continue;
            }
            self.spread = match self.spread {
                Spread::ConditionsAndQuestions => Spread::Conditions,
                Spread::Conditions => Spread::Table,
                // One row and the extremes of each score always stay.
                Spread::Table => return,
            };
            self.regroup();
        }
    }

    fn prune(&mut self) {
        for group in self.groups.values_mut() {
            let (rows, bytes) = group.prune(self.each);
            self.rows -= rows;
            self.bytes -= bytes;
        }
    }

    fn regroup(&mut self) {
        self.each = self.budget.rows.max(1);
        for (key, row) in std::mem::take(&mut self.groups).into_values().flat_map(|group| group.kept) {
            let group = self.groups.entry(group_name(self.spread, &row.conditions, &row.question)).or_default();
            group.extremes.resize(self.scores, [None, None]);
            group.note_scores(key, &row.scores);
            group.kept.insert(key, row);
        }
        self.prune();
    }
}

impl Group {
    /// Takes a row's scores into the extremes; returns whether it is one.
    fn note_scores(&mut self, key: Key, scores: &[Option<f64>]) -> bool {
        let mut extreme = false;
        for (pair, score) in self.extremes.iter_mut().zip(scores) {
            let Some(score) = *score else { continue };
            for (held, sign) in pair.iter_mut().zip([1.0, -1.0]) {
                // Of equal scores the lower rank stays, so that the order of regrouping does not matter.
                let better = held
                    .is_none_or(|(v, k)| (sign * score, key).partial_cmp(&(sign * v, k)).is_some_and(|o| o.is_lt()));
                if better {
                    *held = Some((score, key));
                    extreme = true;
                }
            }
        }
        extreme
    }

    /// Drops what is neither among the first `each` ranks nor an extreme; returns dropped rows and bytes.
    fn prune(&mut self, each: usize) -> (usize, usize) {
        let bar = self.kept.keys().nth(each - 1).copied();
        self.bar = bar;
        let Some(bar) = bar else { return (0, 0) };
        let extremes: Vec<Key> = self.extremes.iter().flatten().flatten().map(|(_, key)| *key).collect();
        let (mut rows, mut bytes) = (0, 0);
        self.kept.retain(|key, row| {
            let stays = *key <= bar || extremes.contains(key);
            if !stays {
                rows += 1;
                bytes += cost(row);
            }
            stays
        });
        (rows, bytes)
    }
}

fn group_name(spread: Spread, conditions: &[Cell], question: &str) -> String {
    let mut name = String::new();
    if spread != Spread::Table {
        for condition in conditions {
            let text = condition.to_string();
            // Lengths before the texts: ("a", "bc") and ("ab", "c") are two groups.
            name.push_str(&format!("{}:{text}", text.len()));
        }
    }
    if spread == Spread::ConditionsAndQuestions {
        name.push_str(question);
    }
    name
}

/// A number without a pattern for each place: the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn rank(place: u64) -> u64 {
    let z = place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// Bytes of a row in the page's data, at most.
fn cost(row: &ShownAnswer) -> usize {
    let conditions: usize = row.conditions.iter().map(|cell| in_json(&cell.to_string())).sum();
    let answer = row.answer.as_deref().map_or(4, in_json);
    32 + 24 * row.scores.len() + conditions + in_json(&row.question) + answer
}

/// Bytes of a text as a JSON string whose `<` are escaped.
fn in_json(text: &str) -> usize {
    let byte = |b: u8| match b {
        b'"' | b'\\' | b'\n' | b'\t' | b'\r' => 2,
        b'<' | 0..=0x1f => 6,
        _ => 1,
    };
    2 + text.bytes().map(byte).sum::<usize>()
}
