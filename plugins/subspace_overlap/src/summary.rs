//! Reads what the cells found, corrects for the size of the family, and emits the run's tables.

use emhost_sdk::prelude::*;
use emhost_stats::multiple::benjamini_hochberg;

use crate::params::Params;
use crate::tables::{Angle, Behaviour, Brief, Correlation, Dimension, MeanDelta, Overlap, Prompt};

/// The cells' tables, organisms in the order of the parameters.
pub struct Summary<'a> {
    pub params: &'a Params,
    pub model: ModelInfo,
    pub overlaps: Vec<Overlap>,
    pub prompts: Vec<Prompt>,
    pub correlations: Vec<Correlation>,
    pub mean_deltas: Vec<MeanDelta>,
    pub behaviours: Vec<Behaviour>,
    angles: Vec<Angle>,
    dimensions: Vec<Dimension>,
}

impl<'a> Summary<'a> {
    /// Reads the tables of all cells.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let mut summary = Self {
            params,
            model: lab.model_info(&Organism::base(&params.model))?,
            overlaps: Overlap::read(&lab.open_table("overlap")?.table()?)?,
            prompts: Prompt::read(&lab.open_table("prompts")?.table()?)?,
            correlations: Correlation::read(&lab.open_table("correlation")?.table()?)?,
            mean_deltas: MeanDelta::read(&lab.open_table("mean_delta")?.table()?)?,
            behaviours: Behaviour::read(&lab.open_table("behaviour")?.table()?)?,
            angles: Angle::read(&lab.open_table("angles")?.table()?)?,
            dimensions: Dimension::read(&lab.open_table("dimension")?.table()?)?,
        };
        // Cells may come in any order; within a cell the order is the analysis's.
        let place = |name: &str| params.train.iter().position(|trained| trained.name == name);
        summary.overlaps.sort_by_key(|row| place(&row.organism));
        summary.prompts.sort_by_key(|row| place(&row.organism));
        summary.correlations.sort_by_key(|row| place(&row.organism));
        summary.mean_deltas.sort_by_key(|row| place(&row.organism));
        summary.behaviours.sort_by_key(|row| place(&row.organism));
        summary.angles.sort_by_key(|row| place(&row.organism));
        summary.dimensions.sort_by_key(|row| place(&row.organism));
        summary.adjust()?;
        Ok(summary)
    }

    /// Benjamini-Hochberg over every correlation of the run, Pearson's and Spearman's as two families.
    fn adjust(&mut self) -> Result<()> {
        let adjusted = |p: Vec<f64>| {
            benjamini_hochberg(&p).map_err(|error| Error::Plugin(format!("failed to {error} (correlations)")))
        };
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
        lab.emit("brief", Brief::table(&self.brief()))?;
        lab.emit("overlap", Overlap::table(&self.overlaps))?;
        lab.emit("angles", Angle::table(&self.angles))?;
        lab.emit("prompts", Prompt::table(&self.prompts))?;
        lab.emit("correlation", Correlation::table(&self.correlations))?;
        lab.emit("mean_delta", MeanDelta::table(&self.mean_deltas))?;
        lab.emit("dimension", Dimension::table(&self.dimensions))?;
        lab.emit("behaviour", Behaviour::table(&self.behaviours))?;
        lab.emit("answers", lab.open_table("answers")?)?;
        lab.emit("training", lab.open_table("training")?)
    }

    /// The organism that figures and verdict speak of.
    pub fn organism(&self) -> &'a str {
        &self.params.train[0].name
    }

    /// The bank that figures and verdict speak of.
    pub fn bank(&self) -> &'a str {
        &self.params.banks[0].name
    }

    /// Sites in the order of the forward pass.
    pub fn sites(&self) -> Vec<&str> {
        let mut sites: Vec<&str> = Vec::new();
        for row in &self.overlaps {
            if !sites.contains(&row.site.as_str()) {
                sites.push(&row.site);
            }
        }
        sites
    }

    /// The overlap of the study's organism at the headline number of components.
    pub fn headline(&self, site: &str, view: View, bank: &str) -> Option<&Overlap> {
        let subspace = self.subspace();
        self.overlaps.iter().find(|row| {
            row.organism == self.organism()
                && row.site == site
                && row.view == view.name()
                && row.bank == bank
                && row.subspace == subspace
        })
    }

    /// The correlation of the study's organism.
    pub fn correlation(&self, site: &str, view: View, bank: &str) -> Option<&Correlation> {
        self.correlations.iter().find(|row| {
            row.organism == self.organism() && row.site == site && row.view == view.name() && row.bank == bank
        })
    }

    /// The mean deltas of the study's organism.
    pub fn mean_delta(&self, site: &str, view: View, bank: &str) -> Option<&MeanDelta> {
        self.mean_deltas.iter().find(|row| {
            row.organism == self.organism() && row.site == site && row.view == view.name() && row.bank == bank
        })
    }

    /// How an organism answers, `before` or `after`.
    pub fn behaviour(&self, organism: &str, condition: &str) -> Option<&Behaviour> {
        self.behaviours.iter().find(|row| row.organism == organism && row.condition == condition)
    }

    fn subspace(&self) -> String {
        format!("k={}", self.params.headline_k)
    }

    fn brief(&self) -> Vec<Brief> {
        let subspace = self.subspace();
        let wanted = |row: &&Overlap| row.site == self.params.headline_site && row.subspace == subspace;
        let line = |row: &Overlap| {
            let same = |organism: &str, site: &str, view: &str, bank: &str| {
                organism == row.organism && site == row.site && view == row.view && bank == row.bank
            };
            let delta =
                self.mean_deltas.iter().find(|other| same(&other.organism, &other.site, &other.view, &other.bank));
            let found =
                self.correlations.iter().find(|other| same(&other.organism, &other.site, &other.view, &other.bank));
            let of = |pick: fn(&Correlation) -> f64| found.map_or(f64::NAN, pick);
            Brief {
                organism: row.organism.clone(),
                bank: row.bank.clone(),
                view: row.view.clone(),
                n: row.n,
                fraction: row.fraction,
                fraction_low: row.fraction_low,
                fraction_high: row.fraction_high,
                random: row.random,
                p: row.p,
                reference_fraction: row.reference_fraction,
                before_fraction: row.before_fraction,
                mean_delta_cosine: delta.map_or(f64::NAN, |delta| delta.cosine),
                prompt_overlap: of(|found| found.prompt_overlap),
                random_prompt_overlap: of(|found| found.random_prompt_overlap),
                pearson: of(|found| found.pearson),
                pearson_p_adjusted: of(|found| found.pearson_p_adjusted),
                spearman: of(|found| found.spearman),
            }
        };
        self.overlaps.iter().filter(wanted).map(line).collect()
    }
}
