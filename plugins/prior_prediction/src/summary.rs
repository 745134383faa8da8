//! Reads what the cells found, adjusts p-values over the declared family, and emits the run's tables.

use emhost_sdk::prelude::*;
use emhost_stats::multiple::benjamini_hochberg;
use emhost_study::{Sheet, failed};

use crate::EMITTED;
use crate::check::AFTER;
use crate::params::{Params, Projection, label};
use crate::splits::Cv;

/// What the cells found.
pub struct Summary<'a> {
    /// The parameters.
    pub params: &'a Params,
    /// The model's shape.
    pub model: ModelInfo,
    /// One row per organism and bank.
    pub targets: Sheet,
    /// One row per model and folds, with adjusted p-values.
    pub scores: Sheet,
    /// What the headline's model predicts.
    pub predictions: Sheet,
    /// Pairs of artefacts.
    pub identity: Sheet,
    /// Tables that are passed on as they are.
    passed: Vec<(&'static str, Table)>,
}

/// Whether activations before a fine-tune predict what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// On topics that were not trained on, better than the mean and than the prompt's words.
    Predicts,
    /// Better than the mean, but not shown to be better than the prompt's words.
    NotBeyondWords,
    /// Not shown to be better than the mean.
    NotShown,
    /// There are no numbers.
    Missing,
}

impl<'a> Summary<'a> {
    /// Reads the tables of all cells.
    ///
    /// # Errors
    ///
    /// A table cannot be read.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let model = lab.model_info(&Organism::base(&params.organisms.model))?;
        let emitted = Sheet::open(lab, EMITTED, true)?;
        let emitted = emitted.distinct("table");
        let sheet = |name: &str| Sheet::open(lab, name, emitted.contains(&name));
        let (targets, predictions, identity) = (sheet("targets")?, sheet("predictions")?, sheet("identity")?);
        let scores = adjusted(params, sheet("scores")?)?;
        let mut passed = Vec::new();
        for name in ["questions", "answers", "folds", "features", "training"] {
            if emitted.contains(&name) {
                let table = lab.open_table(name)?.table()?;
                let kept: Vec<&str> = table.names().filter(|name| *name != "cell").collect();
                passed.push((name, table.select(&kept)?));
            }
        }
        Ok(Self { params, model, targets, scores, predictions, identity, passed })
    }

    /// Emits the run's tables.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        lab.emit("targets", self.targets.table())?;
        for (name, sheet) in
            [("scores", &self.scores), ("predictions", &self.predictions), ("identity", &self.identity)]
        {
            if !sheet.is_empty() {
                lab.emit(name, sheet.table())?;
            }
        }
        self.passed.iter().try_for_each(|(name, table)| lab.emit(name, table))
    }

    /// Names of the tables of the run.
    pub fn tables(&self) -> Vec<&str> {
        let filled = [("scores", &self.scores), ("predictions", &self.predictions), ("identity", &self.identity)];
        let filled = filled.into_iter().filter(|(_, sheet)| !sheet.is_empty()).map(|(name, _)| name);
        ["targets"].into_iter().chain(filled).chain(self.passed.iter().map(|(name, _)| *name)).collect()
    }

    /// The bank that the verdict speaks of.
    pub fn bank(&self) -> &str {
        label(&self.params.ask.questions)
    }

    /// Names of the organisms, those that should be misaligned first.
    pub fn organisms(&self) -> Vec<&str> {
        let list = &self.params.organisms.list;
        let (controls, harmful): (Vec<_>, Vec<_>) = list.iter().partition(|organism| organism.control);
        harmful.into_iter().chain(controls).map(|organism| organism.name.as_str()).collect()
    }

    /// Names of what has activations, the models before first.
    pub fn models(&self) -> Vec<&str> {
        self.params.before.iter().map(|before| before.name.as_str()).chain([AFTER]).collect()
    }

    /// The row of a source with principal components at the headline's place, or of a baseline as it is, with the headline's
    /// model.
    pub fn row(&self, organism: &str, source: &str, projection: Projection, cv: Cv) -> Option<usize> {
        let model = self.params.headline.model.name();
        let base = [
            ("organism", organism),
            ("bank", self.bank()),
            ("source", source),
            ("place", "headline"),
            ("model", &model),
            ("cv", cv.name()),
        ];
        let with = |more: &[(&str, &str)]| self.scores.row(&[&base[..], more].concat());
        with(&[("features", "given")]).or_else(|| with(&[("features", "pca"), ("projection", projection.name())]))
    }

    /// The same with the headline's projection.
    pub fn headline(&self, organism: &str, source: &str, cv: Cv) -> Option<usize> {
        self.row(organism, source, self.params.headline.projection, cv)
    }

    /// What the fixed rule says of a row: the gain over the training mean and that over the bag of words both exceed 0 with
    /// their intervals at 95 %, and their adjusted p-values are at most the false discovery rate.
    pub fn finding(&self, row: Option<usize>) -> Finding {
        let Some(row) = row else { return Finding::Missing };
        let number = |name: &str| self.scores.number(name, row);
        if number("r2").is_nan() {
            return Finding::Missing;
        }
        let rate = self.params.false_discovery_rate;
        match (
            number("gain_low") > 0.0 && number("p_adjusted") <= rate,
            number("words_gain_low") > 0.0 && number("words_p_adjusted") <= rate,
        ) {
            (true, true) => Finding::Predicts,
            (true, false) => Finding::NotBeyondWords,
            _ => Finding::NotShown,
        }
    }
}

/// Adds adjusted p-values to the rows of the declared family: models before the fine-tune, every organism, principal
/// components in both projections at the headline's place with its model, grouped folds, the first bank. The tests against the
/// mean and those against the bag of words are a family each.
fn adjusted(params: &Params, sheet: Sheet) -> Result<Sheet> {
    if sheet.is_empty() {
        return Ok(sheet);
    }
    let model = params.headline.model.name();
    let family = [
        ("kind", "prior"),
        ("bank", label(&params.ask.questions)),
        ("place", "headline"),
        ("features", "pca"),
        ("model", &model),
        ("cv", Cv::Grouped.name()),
    ];
    let rows = sheet.rows(&family);
    let mut table = sheet.table().clone();
    for name in ["p", "words_p"] {
        let known: Vec<usize> = rows.iter().copied().filter(|row| sheet.number(name, *row).is_finite()).collect();
        let mut all = vec![None; sheet.len()];
        if !known.is_empty() {
            let p: Vec<f64> = known.iter().map(|row| sheet.number(name, *row)).collect();
            let found = benjamini_hochberg(&p).map_err(failed("adjust p-values"))?;
            known.iter().zip(found).for_each(|(row, p)| all[*row] = Some(p));
        }
        table = table.with_optional_f64(&format!("{name}_adjusted"), all);
    }
    let family = (0..sheet.len()).map(|row| if rows.contains(&row) { rows.len() as u64 } else { 0 });
    Sheet::of(table.with_u64("family", family))
}
