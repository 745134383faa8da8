//! The tables of scores: `folds`, `scores` and `predictions`.

use emhost_study::Columns;

use crate::features::Features;
use crate::params::{Model, Pooled};
use crate::permute::{self, Permuted};
use crate::source::Kind;
use crate::splits::Cv;
use crate::target::Targets;
use crate::validate::{CORRECTED, Compared, Score, Validated};

/// What was fitted on what.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// The organism.
    pub organism: &'a str,
    /// `organism`, or `control` of one that is expected to do no harm.
    pub role: &'a str,
    /// The bank.
    pub bank: &'a str,
    /// The source.
    pub source: &'a str,
    /// What the source is.
    pub kind: Kind,
    /// The site; empty of what has none.
    pub site: &'a str,
    /// Which tokens.
    pub pooled: Option<Pooled>,
    /// Whether this is where the verdict looks.
    pub headline: bool,
    /// Which features.
    pub features: Features,
    /// The model.
    pub model: Model,
    /// The folds.
    pub cv: Cv,
}

impl Setting<'_> {
    fn note(&self, columns: &mut Columns) {
        columns.text("organism", self.organism);
        columns.text("role", self.role);
        columns.text("bank", self.bank);
        columns.text("source", self.source);
        columns.text("kind", self.kind.name());
        columns.flag("uses_completion", self.pooled.is_some_and(Pooled::uses_completion));
        columns.text("site", self.site);
        columns.text("pooling", self.pooled.map_or("", Pooled::name));
        columns.text("place", if self.headline { "headline" } else { "elsewhere" });
        columns.text("features", self.features.name());
        columns.text("projection", self.features.projection().map_or("", |projection| projection.name()));
        let seed = if let Features::Random(seed, _) = self.features { seed as f64 } else { f64::NAN };
        columns.number("seed", seed);
        columns.text("model", self.model.name());
        columns.text("cv", self.cv.name());
    }

    /// Adds every fold to the table `folds`.
    pub fn note_folds(&self, columns: &mut Columns, validated: &Validated) {
        for fold in &validated.folds {
            self.note(columns);
            columns.count("repeat", fold.repeat as u64);
            columns.count("fold", fold.fold as u64);
            columns.count("n_train", fold.n_train as u64);
            columns.count("n_test", fold.n_test as u64);
            columns.count("k", fold.k as u64);
            columns.number("r2", fold.r2());
            columns.number("r2_test", fold.r2_test());
            columns.number("rmse", (fold.errors / fold.n_test as f64).sqrt());
            columns.number("rmse_mean", (fold.mean_errors / fold.n_test as f64).sqrt());
            columns.number("gain", fold.gain());
            columns.number("alpha", fold.alpha.unwrap_or(f64::NAN));
        }
    }

    /// Adds a row to the table `scores`; one whose numbers do not exist says why.
    pub fn note_score(&self, columns: &mut Columns, outcome: &Result<Outcome, String>) {
        self.note(columns);
        let found = outcome.as_ref().ok();
        let score = |of: fn(&Score) -> f64| found.map_or(f64::NAN, |found| of(&found.score));
        let words = |of: fn(&Compared) -> f64| found.and_then(|found| found.words.as_ref()).map_or(f64::NAN, of);
        let permuted = |of: fn(&Permuted) -> f64| found.and_then(|found| found.permuted.as_ref()).map_or(f64::NAN, of);
        columns.count("n", found.map_or(0, |found| found.score.n as u64));
        columns.count("folds", found.map_or(0, |found| found.score.folds as u64));
        columns.number("k", score(|score| score.k));
        columns.number("n_train", score(|score| score.sizes[0]));
        columns.number("n_test", score(|score| score.sizes[1]));
        columns.number("r2", score(|score| score.r2));
        columns.number("r2_low", score(|score| score.r2_interval[0]));
        columns.number("r2_high", score(|score| score.r2_interval[1]));
        columns.number("r2_folds", score(|score| score.r2_folds));
        columns.number("r2_test", score(|score| score.r2_test));
        columns.number("rmse", score(|score| score.rmse));
        columns.number("rmse_mean", score(|score| score.rmse_mean));
        columns.number("spearman", score(|score| score.spearman));
        columns.number("gain", score(|score| score.gain.estimate));
        columns.number("gain_low", score(|score| score.gain.low));
        columns.number("gain_high", score(|score| score.gain.high));
        columns.number("p", score(|score| score.gain.p));
        columns.number("words_gain", words(|words| words.estimate));
        columns.number("words_gain_low", words(|words| words.low));
        columns.number("words_gain_high", words(|words| words.high));
        columns.number("words_p", words(|words| words.p));
        columns.number("permutation_r2", permuted(|permuted| permuted.observed));
        columns.number("permuted_r2", permuted(|permuted| permuted.mean));
        columns.number("permutation_p", permuted(|permuted| permuted.p));
        let draws = found.and_then(|found| found.permuted).map_or(0, |permuted| permuted.draws);
        columns.count("permutations", draws as u64);
        columns.text("method", CORRECTED);
        columns.text("permutation_method", if draws > 0 { permute::method(self.cv) } else { "" });
        columns.text("missing", outcome.as_ref().map_or_else(Clone::clone, Outcome::missing));
    }

    /// Adds what was predicted of each question to the table `predictions`.
    pub fn note_predictions(&self, columns: &mut Columns, targets: &Targets, validated: &Validated) {
        for (question, predicted) in targets.questions.iter().zip(&validated.predicted) {
            self.note(columns);
            columns.text("row_id", &question.row_id);
            columns.text("topic", &question.topic);
            columns.number("target", question.target);
            columns.number("predicted", *predicted);
        }
    }
}

/// What the folds give.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The scores.
    pub score: Score,
    /// Against the bag of words, on the same folds with the same model; none of the bag of words itself.
    pub words: Option<Compared>,
    /// Against permuted targets, where they were drawn.
    pub permuted: Option<Permuted>,
    /// Permutations were asked for, but topics cannot be exchanged.
    pub not_exchangeable: bool,
}

impl Outcome {
    fn missing(&self) -> String {
        let mut said = Vec::new();
        if self.score.gain.low.is_nan() {
            said.push("the training mean is predicted in every fold");
        }
        if self.not_exchangeable {
            said.push("too few topics of one size to permute them");
        }
        said.join("; ")
    }
}
