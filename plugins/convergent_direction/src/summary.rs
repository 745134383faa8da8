//! The cells' tables together, as report and figures read them.

use emhost_sdk::prelude::*;
use emhost_study::{Columns, Sheet};

use crate::params::Params;

/// Everything that the cells found.
pub struct Summary<'a> {
    pub params: &'a Params,
    pub classes: Sheet,
    pub class_topics: Sheet,
    pub class_members: Sheet,
    pub directions: Sheet,
    pub cosine: Sheet,
    pub cosine_kinds: Sheet,
    pub convergence: Sheet,
    pub steering: Sheet,
    pub steering_best: Sheet,
    pub ablation: Sheet,
    pub ablation_best: Sheet,
    pub transfer: Sheet,
    pub null: Sheet,
    pub rank_one: Sheet,
    pub downstream: Sheet,
    pub downstream_most: Sheet,
    pub semantic_cosine: Sheet,
    pub semantic_steering: Sheet,
    answers: Option<Table>,
}

/// Tables of answers, which the report shows as one.
const ANSWERS: [&str; 3] = ["steering_answers", "ablation_answers", "semantic_answers"];

impl<'a> Summary<'a> {
    /// Reads them.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let (steered, ablated) = (!params.steering.sources.is_empty(), !params.targets().is_empty());
        let (ranked, topical) = (!params.rank_one.is_empty(), !params.semantic.topics.is_empty());
        let paired = params.harmful().count() + params.external.len() > 1;
        let open = |name: &str, there: bool| Sheet::open(lab, name, there);
        let cosine = open("cosine", paired)?;
        let downstream = open("downstream", ranked)?;
        let ablation = open("ablation", ablated)?;
        Ok(Self {
            params,
            classes: open("classes", true)?,
            class_topics: open("class_topics", true)?,
            class_members: open("class_members", true)?,
            directions: open("directions", true)?,
            convergence: convergence(&cosine)?,
            cosine,
            cosine_kinds: open("cosine_kinds", true)?,
            steering: open("steering", steered)?,
            steering_best: open("steering_best", steered)?,
            transfer: transfer(&ablation, params)?,
            ablation,
            ablation_best: open("ablation_best", ablated)?,
            null: open("null", ablated)?,
            rank_one: open("rank_one", ranked)?,
            downstream_most: downstream_most(&downstream)?,
            downstream,
            semantic_cosine: open("semantic_cosine", topical)?,
            semantic_steering: open("semantic_steering", topical)?,
            answers: answers(lab, [steered, ablated, topical])?,
        })
    }

    /// Emits all tables that have rows.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        for (name, sheet) in self.tables().into_iter().filter(|(_, sheet)| !sheet.is_empty()) {
            lab.emit(name, sheet.table())?;
        }
        self.answers.iter().try_for_each(|answers| lab.emit("answers", answers))
    }

    /// Tables by name, in the report's order.
    pub fn tables(&self) -> [(&'static str, &Sheet); 18] {
        [
            ("steering_best", &self.steering_best),
            ("ablation", &self.ablation),
            ("ablation_best", &self.ablation_best),
            ("transfer", &self.transfer),
            ("null", &self.null),
            ("convergence", &self.convergence),
            ("cosine", &self.cosine),
            ("cosine_kinds", &self.cosine_kinds),
            ("rank_one", &self.rank_one),
            ("downstream", &self.downstream),
            ("downstream_most", &self.downstream_most),
            ("semantic_steering", &self.semantic_steering),
            ("semantic_cosine", &self.semantic_cosine),
            ("steering", &self.steering),
            ("classes", &self.classes),
            ("class_topics", &self.class_topics),
            ("class_members", &self.class_members),
            ("directions", &self.directions),
        ]
    }

    /// Whether there are answers to read.
    pub fn has_answers(&self) -> bool {
        self.answers.is_some()
    }

    /// The study's organism.
    pub fn organism(&self) -> &str {
        self.params.harmful().next().map_or("", |organism| &organism.name)
    }

    /// The kind of direction that was chosen before the run.
    pub fn kind(&self) -> &'static str {
        self.params.headline.name()
    }

    /// The row of a table that is about the organism's own direction of the chosen kind.
    pub fn own(&self, sheet: &Sheet, organism: &str, mode: &str) -> Option<usize> {
        sheet.row(&[("organism", organism), ("source", organism), ("kind", self.kind()), ("mode", mode)])
    }
}

/// For each pair and kind, at how many blocks the directions are alike.
fn convergence(cosine: &Sheet) -> Result<Sheet> {
    let mut columns = Columns::default();
    let mut seen: Vec<[&str; 3]> = Vec::new();
    for row in 0..cosine.len() {
        let key = ["a", "b", "of"].map(|column| cosine.text(column, row));
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let rows = cosine.rows(&[("a", key[0]), ("b", key[1]), ("of", key[2])]);
        let values: Vec<f64> = rows.iter().map(|row| cosine.number("cosine", *row)).collect();
        let share = |least: f64| values.iter().filter(|value| **value >= least).count() as f64 / values.len() as f64;
        for (column, value) in ["a", "b", "of"].into_iter().zip(key) {
            columns.text(column, value);
        }
        columns.count("blocks", values.len() as u64);
        columns.number("share_above_half", share(0.5));
        columns.number("share_above_point_eight", share(0.8));
        columns.number("least", values.iter().copied().fold(f64::INFINITY, f64::min));
        columns.number("mean", values.iter().sum::<f64>() / values.len() as f64);
        columns.number("most", values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    }
    Sheet::of(columns.table())
}

/// Whose directions, projected out block by block, take how much from whom.
fn transfer(ablation: &Sheet, params: &Params) -> Result<Sheet> {
    let mut columns = Columns::default();
    for row in ablation.rows(&[("mode", "layerwise")]) {
        if ![params.headline.name(), "external"].contains(&ablation.text("kind", row)) {
            continue;
        }
        let [value, low, high] = ablation.interval("reduction", row);
        columns.text("direction", ablation.text("source", row));
        columns.text("organism", ablation.text("organism", row));
        columns.number("reduction", value);
        columns.number("low", low);
        columns.number("high", high);
        columns.count("n", ablation.number("n", row) as u64);
        columns.text("interval", ablation.text("interval", row));
    }
    Sheet::of(columns.table())
}

/// Of each rank-1 organism the later block where adding `B` is most like the direction.
fn downstream_most(downstream: &Sheet) -> Result<Sheet> {
    let mut columns = Columns::default();
    for organism in downstream.distinct("organism") {
        let later = |row: &usize| downstream.number("block", *row) > downstream.number("adapter_block", *row);
        let rows: Vec<usize> = downstream.rows(&[("organism", organism)]).into_iter().filter(later).collect();
        let alike = |row: &usize| downstream.number("b_with_direction_there", *row);
        let Some(most) = rows.iter().copied().max_by(|a, b| alike(a).total_cmp(&alike(b))) else { continue };
        columns.text("organism", organism);
        columns.count("block", downstream.number("block", most) as u64);
        columns.count("of_blocks", rows.len() as u64);
        columns.number("b_with_direction_there", alike(&most));
        columns.count("n", downstream.number("n", most) as u64);
    }
    Sheet::of(columns.table())
}

/// The answers of all cells with the columns that all of them have.
fn answers(lab: &Lab, there: [bool; 3]) -> Result<Option<Table>> {
    let mut columns = Columns::default();
    for (name, _) in ANSWERS.iter().zip(there).filter(|(_, there)| *there) {
        let sheet = Sheet::open(lab, name, true)?;
        for row in 0..sheet.len() {
            for column in ["organism", "condition", "topic", "question", "answer"] {
                columns.text(column, sheet.text(column, row));
            }
            for column in ["strength", "alignment", "coherence"] {
                columns.number(column, sheet.number(column, row));
            }
        }
    }
    Ok((!columns.is_empty()).then(|| columns.table()))
}
