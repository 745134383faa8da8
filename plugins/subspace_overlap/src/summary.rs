//! Reads what the cells found, corrects for the size of the families, and emits the run's tables.

use emhost_sdk::prelude::*;
use emhost_stats::multiple::benjamini_hochberg;
use emhost_study::{Sheet, Source, failed};

use crate::params::{HEADLINE, Params, Seen};
use crate::tables::{Angle, Behaviour, Correlation, Dimension, Entry, MeanDelta, Overlap, Prompt};

/// The cells' tables, organisms in the order of the parameters.
pub struct Summary<'a> {
    pub params: &'a Params,
    /// The organisms' models.
    pub models: Vec<(&'a str, ModelInfo)>,
    pub overlaps: Vec<Overlap>,
    pub prompts: Vec<Prompt>,
    pub correlations: Vec<Correlation>,
    pub mean_deltas: Vec<MeanDelta>,
    pub behaviours: Vec<Behaviour>,
    /// Organism by bank and view.
    pub entries: Vec<Entry>,
    /// Scores before and after; empty where banks are not asked.
    pub comparisons: Sheet,
    /// Each question's scores before and after.
    pub question_scores: Sheet,
    /// The steered model; empty where it is not.
    pub steered: Sheet,
    angles: Vec<Angle>,
    dimensions: Vec<Dimension>,
}

impl<'a> Summary<'a> {
    /// Reads the tables of all cells.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let trained = !params.organisms.list.is_empty();
        let open = |name: &str| lab.open_table(name)?.table();
        let mut models: Vec<(&str, ModelInfo)> = Vec::new();
        for model in params.organisms.list.iter().map(|organism| params.organisms.model(organism)) {
            if !models.iter().any(|(known, _)| *known == model) {
                models.push((model, lab.model_info(&Organism::base(model))?));
            }
        }
        let mut summary = Self {
            params,
            models,
            overlaps: Overlap::read(&open("overlap")?)?,
            prompts: Prompt::read(&open("prompts")?)?,
            correlations: Correlation::read(&open("correlation")?)?,
            mean_deltas: MeanDelta::read(&open("mean_delta")?)?,
            behaviours: if trained { Behaviour::read(&open("behaviour")?)? } else { Vec::new() },
            entries: Vec::new(),
            comparisons: corrected(Sheet::open(lab, "comparisons", trained && params.bank_samples > 0)?)?,
            question_scores: Sheet::open(lab, "question_scores", trained && params.bank_samples > 0)?,
            steered: Sheet::open(lab, "steered", trained && !params.steering.alphas.is_empty())?,
            angles: if params.angles_k > 0 { Angle::read(&open("angles")?)? } else { Vec::new() },
            dimensions: Dimension::read(&open("dimension")?)?,
        };
        // Cells may come in any order; within a cell the order is the analysis's.
        let names: Vec<&str> = names(params).collect();
        let place = |name: &str| names.iter().position(|known| *known == name);
        summary.overlaps.sort_by_key(|row| place(&row.organism));
        summary.prompts.sort_by_key(|row| place(&row.organism));
        summary.correlations.sort_by_key(|row| place(&row.organism));
        summary.mean_deltas.sort_by_key(|row| place(&row.organism));
        summary.behaviours.sort_by_key(|row| place(&row.organism));
        summary.angles.sort_by_key(|row| place(&row.organism));
        summary.dimensions.sort_by_key(|row| place(&row.organism));
        summary.adjust()?;
        summary.entries = summary.entries();
        Ok(summary)
    }

    /// Benjamini-Hochberg over every correlation of the run, Pearson's and Spearman's as two families.
    fn adjust(&mut self) -> Result<()> {
        let adjusted = |p: Vec<f64>| benjamini_hochberg(&p).map_err(failed("adjust the correlations"));
        let pearson = adjusted(self.correlations.iter().map(|row| row.pearson_p).collect())?;
        let spearman = adjusted(self.correlations.iter().map(|row| row.spearman_p).collect())?;
        let family = self.correlations.len() as u64;
        for (row, (pearson, spearman)) in self.correlations.iter_mut().zip(pearson.into_iter().zip(spearman)) {
            (row.pearson_p_adjusted, row.spearman_p_adjusted, row.family) = (pearson, spearman, family);
        }
        Ok(())
    }

    /// Emits the run's tables.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        lab.emit("matrix", Entry::table(&self.entries))?;
        lab.emit("overlap", Overlap::table(&self.overlaps))?;
        lab.emit("prompts", Prompt::table(&self.prompts))?;
        lab.emit("correlation", Correlation::table(&self.correlations))?;
        lab.emit("mean_delta", MeanDelta::table(&self.mean_deltas))?;
        lab.emit("dimension", Dimension::table(&self.dimensions))?;
        if !self.angles.is_empty() {
            lab.emit("angles", Angle::table(&self.angles))?;
        }
        for (name, sheet) in
            [("comparisons", &self.comparisons), ("question_scores", &self.question_scores), ("steered", &self.steered)]
        {
            if !sheet.is_empty() {
                lab.emit(name, sheet.table())?;
            }
        }
        if !self.steered.is_empty() {
            lab.emit("steered_answers", lab.open_table("steered_answers")?)?;
        }
        if !self.behaviours.is_empty() {
            lab.emit("behaviour", Behaviour::table(&self.behaviours))?;
            lab.emit("answers", lab.open_table("answers")?)?;
        }
        if self.fine_tunes() { lab.emit("training", lab.open_table("training")?) } else { Ok(()) }
    }

    /// Whether an organism is fine-tuned here.
    pub fn fine_tunes(&self) -> bool {
        self.params.organisms.list.iter().any(|organism| matches!(organism.from, Source::Train { .. }))
    }

    /// All organisms, those of datasets last.
    pub fn organisms(&self) -> Vec<&'a str> {
        names(self.params).collect()
    }

    /// The organism that figures and verdict speak of.
    pub fn organism(&self) -> &'a str {
        names(self.params).next().unwrap_or_default()
    }

    /// The bank that figures and verdict speak of.
    pub fn bank(&self) -> &str {
        self.banks(self.organism()).first().copied().unwrap_or_default()
    }

    /// The banks of an organism.
    pub fn banks(&self, organism: &str) -> Vec<&str> {
        let here = self.mean_deltas.iter().filter(|row| row.organism == organism);
        distinct(here.map(|row| row.bank.as_str()))
    }

    /// The sites of an organism in the order of the forward pass.
    pub fn sites(&self, organism: &str) -> Vec<&str> {
        let here = self.mean_deltas.iter().filter(|row| row.organism == organism);
        distinct(here.map(|row| row.site.as_str()))
    }

    /// The site of the verdict for an organism.
    pub fn site(&self, organism: &str) -> &'a str {
        let stored = self.params.datasets.iter().find(|stored| stored.name == organism);
        match (self.params.organisms.named(organism), stored) {
            (Some(organism), _) => self.params.headline_site(organism),
            (None, stored) => stored.and_then(|one| one.headline_site.as_ref()).unwrap_or(&self.params.headline_site),
        }
    }

    /// The views of an organism.
    pub fn views(&self, organism: &str) -> &'a [Seen] {
        let stored = self.params.datasets.iter().find(|stored| stored.name == organism);
        stored.map(|stored| &*stored.views).filter(|views| !views.is_empty()).unwrap_or(&self.params.views)
    }

    /// The view of the verdict's overlap.
    pub fn view(&self) -> Seen {
        self.views(self.organism())[0]
    }

    /// The overlap of the study's organism at the headline number of components.
    pub fn headline(&self, site: &str, view: Seen, bank: &str) -> Option<&Overlap> {
        let subspace = self.subspace();
        let view = view.name();
        let here = self.overlaps.iter().filter(|row| row.organism == self.organism() && row.site == site);
        here.filter(|row| row.view == view && row.bank == bank).find(|row| row.subspace == subspace)
    }

    /// The correlation of the study's organism.
    pub fn correlation(&self, site: &str, view: Seen, bank: &str) -> Option<&Correlation> {
        let view = view.name();
        let here = self.correlations.iter().filter(|row| row.organism == self.organism() && row.site == site);
        here.filter(|row| row.view == view).find(|row| row.bank == bank)
    }

    /// The mean deltas of the study's organism.
    pub fn mean_delta(&self, site: &str, view: Seen, bank: &str) -> Option<&MeanDelta> {
        let view = view.name();
        let here = self.mean_deltas.iter().filter(|row| row.organism == self.organism() && row.site == site);
        here.filter(|row| row.view == view).find(|row| row.bank == bank)
    }

    /// The matrix' entry of an organism.
    pub fn entry(&self, organism: &str, view: Seen, bank: &str) -> Option<&Entry> {
        let view = view.name();
        self.entries.iter().find(|row| row.organism == organism && row.view == view && row.bank == bank)
    }

    /// How an organism answers the headline questions, `before` or `after`.
    pub fn behaviour(&self, organism: &str, condition: &str) -> Option<&Behaviour> {
        let here = self.behaviours.iter().filter(|row| row.organism == organism && row.bank == HEADLINE);
        here.into_iter().find(|row| row.condition == condition)
    }

    fn subspace(&self) -> String {
        format!("k={}", self.params.headline_k)
    }

    fn entries(&self) -> Vec<Entry> {
        let subspace = self.subspace();
        let wanted = |row: &&Overlap| row.site == self.site(&row.organism) && row.subspace == subspace;
        let entry = |row: &Overlap| {
            let same = |organism: &str, site: &str, view: &str, bank: &str| {
                organism == row.organism && site == row.site && view == row.view && bank == row.bank
            };
            let delta = self.mean_deltas.iter().find(|one| same(&one.organism, &one.site, &one.view, &one.bank));
            let found = self.correlations.iter().find(|one| same(&one.organism, &one.site, &one.view, &one.bank));
            let of = |pick: fn(&Correlation) -> f64| found.map_or(f64::NAN, pick);
            let moved = |pick: fn(&MeanDelta) -> f64| delta.map_or(f64::NAN, pick);
            Entry {
                organism: row.organism.clone(),
                bank: row.bank.clone(),
                view: row.view.clone(),
                site: row.site.clone(),
                k: row.k,
                n: row.n,
                fraction: row.fraction,
                fraction_low: row.fraction_low,
                fraction_high: row.fraction_high,
                random: row.random,
                p: row.p,
                reference_fraction: row.reference_fraction,
                before_fraction: row.before_fraction,
                explained_l2: row.explained_l2,
                mahalanobis: row.mahalanobis,
                train_mahalanobis: row.train_mahalanobis,
                reconstruction_cosine: row.reconstruction_cosine,
                mean_delta_cosine: moved(|delta| delta.cosine),
                mean_delta_cosine_low: moved(|delta| delta.cosine_low),
                mean_delta_cosine_high: moved(|delta| delta.cosine_high),
                reference_cosine: moved(|delta| delta.reference_cosine),
                prompt_overlap: of(|found| found.prompt_overlap),
                random_prompt_overlap: of(|found| found.random_prompt_overlap),
                pearson: of(|found| found.pearson),
                pearson_low: of(|found| found.pearson_low),
                pearson_high: of(|found| found.pearson_high),
                pearson_p_adjusted: of(|found| found.pearson_p_adjusted),
                spearman: of(|found| found.spearman),
                method: "bootstrap over clusters; random subspaces; Fisher, t, Benjamini-Hochberg".to_owned(),
            }
        };
        let mut entries: Vec<Entry> = self.overlaps.iter().filter(wanted).map(entry).collect();
        // The views of one organism and bank side by side.
        let names = self.organisms();
        let place = |name: &str| names.iter().position(|known| *known == name);
        let bank = |row: &Entry| self.banks(&row.organism).iter().position(|bank| *bank == row.bank);
        entries.sort_by_key(|row| (place(&row.organism), bank(row)));
        entries
    }
}

fn names(params: &Params) -> impl Iterator<Item = &str> {
    let trained = params.organisms.list.iter().map(|organism| organism.name.as_str());
    trained.chain(params.datasets.iter().map(|stored| stored.name.as_str()))
}

/// Benjamini-Hochberg over all tests of scores; one without a p-value counts as p = 1.
fn corrected(sheet: Sheet) -> Result<Sheet> {
    if sheet.is_empty() {
        return Ok(sheet);
    }
    let p: Vec<f64> = (0..sheet.len()).map(|row| sheet.number("p", row)).collect();
    let known: Vec<f64> = p.iter().map(|p| if p.is_finite() { *p } else { 1.0 }).collect();
    let adjusted = benjamini_hochberg(&known).map_err(failed("adjust the comparisons"))?;
    let adjusted = p.iter().zip(adjusted).map(|(p, adjusted)| p.is_finite().then_some(adjusted));
    let family = std::iter::repeat_n(p.len() as u64, p.len());
    Sheet::of(sheet.table().clone().with_optional_f64("p_adjusted", adjusted).with_u64("family", family))
}

fn distinct<'b>(names: impl Iterator<Item = &'b str>) -> Vec<&'b str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}
