//! The tables: each row type is declared once and both written and read from that declaration.

use emhost_sdk::prelude::*;

/// A type that a column can hold.
trait Value: Clone {
    /// What stands where there is no value.
    fn missing() -> Self;
    fn write(table: Table, name: &str, values: impl Iterator<Item = Self>) -> Table;
    fn read(table: &Table, name: &str) -> Result<Vec<Self>>;
}

macro_rules! value {
    ($type:ty, $missing:expr, $with:ident, $get:ident) => {
        impl Value for $type {
            fn missing() -> Self {
                $missing
            }

            fn write(table: Table, name: &str, values: impl Iterator<Item = Self>) -> Table {
                table.$with(name, values)
            }

            fn read(table: &Table, name: &str) -> Result<Vec<Self>> {
                Ok(table.$get(name)?.into_iter().map(Self::from).collect())
            }
        }
    };
}

value!(String, String::new(), with_text, text);
value!(f64, f64::NAN, with_f64, f64);
value!(u64, 0, with_u64, u64);
value!(bool, false, with_bool, bool);

macro_rules! record {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name { $($(#[$doc])* pub $field: $type,)* }

        impl Default for $name {
            /// Empty names, zero counts, NaN numbers.
            fn default() -> Self {
                Self { $($field: Value::missing(),)* }
            }
        }

        impl $name {
            /// The rows as a table, one column per field.
            pub fn table(rows: &[Self]) -> Table {
                let table = Table::new();
                $(let table = Value::write(table, stringify!($field), rows.iter().map(|row| row.$field.clone()));)*
                table
            }

            /// The rows of such a table; other columns are ignored.
            ///
            /// # Errors
            ///
            /// A column is missing or of another type.
            pub fn read(table: &Table) -> Result<Vec<Self>> {
                $(let mut $field = <$type as Value>::read(table, stringify!($field))?.into_iter();)*
                let mut rows = Vec::with_capacity(table.rows());
                for _ in 0..table.rows() {
                    rows.push(Self { $($field: $field.next().ok_or("columns of unequal length")?,)* });
                }
                Ok(rows)
            }
        }
    };
}

record! {
    /// How much of one bank's deltas lies in one subspace of the training deltas. NaN where there is no value.
    Overlap {
        /// The fine-tune.
        organism: String,
        /// The site.
        site: String,
        /// The view: last prompt token or prompt mean.
        view: String,
        /// The evaluation prompts.
        bank: String,
        /// How the number of components was fixed: `variance:0.95` or `k=8`.
        subspace: String,
        /// Number of components.
        k: u64,
        /// False where `k` exceeds the rank of the training deltas.
        available: bool,
        /// Evaluation prompts.
        n: u64,
        /// Independent clusters of the intervals: topics, or prompts where a bank has fewer than five topics.
        clusters: u64,
        /// Mean of `‖P(δ-μ)‖ / ‖δ-μ‖`, with μ the mean training delta.
        fraction: f64,
        /// Lower end of its 95 % interval, bootstrap over clusters.
        fraction_low: f64,
        /// Upper end.
        fraction_high: f64,
        /// Mean of the squared fraction: the share of energy.
        squared_fraction: f64,
        /// Mean of `1 - ‖δ-μ-P(δ-μ)‖² / ‖δ‖²`.
        explained_l2: f64,
        /// Mean Mahalanobis distance from μ within the subspace.
        mahalanobis: f64,
        /// Mean cosine between δ and `μ + P(δ-μ)`.
        reconstruction_cosine: f64,
        /// The same fraction of the training deltas, from which the subspace was fitted.
        train_fraction: f64,
        /// Mean over random subspaces of equal k of the mean fraction.
        random: f64,
        /// Its 2.5 % quantile over draws.
        random_low: f64,
        /// Its 97.5 % quantile over draws.
        random_high: f64,
        /// `(1 + draws at least as large) / (1 + draws)`.
        p: f64,
        /// The reference organism; empty for none.
        reference: String,
        /// Mean fraction in the leading components of the reference's training deltas, equal k.
        reference_fraction: f64,
        /// Mean of the prompt's fraction minus its fraction in the reference's subspace.
        reference_difference: f64,
        /// Lower end of its 95 % interval, bootstrap over clusters.
        reference_difference_low: f64,
        /// Upper end.
        reference_difference_high: f64,
        /// Mean fraction in the leading components of the training prompts *before* the fine-tune, equal k.
        before_fraction: f64,
        /// Mean of the prompt's fraction minus its fraction in that subspace.
        before_difference: f64,
        /// Lower end of its 95 % interval, bootstrap over clusters.
        before_difference_low: f64,
        /// Upper end.
        before_difference_high: f64,
    }
}

record! {
    /// One principal angle between the leading components of train and evaluation deltas.
    Angle {
        /// The fine-tune.
        organism: String,
        /// The site.
        site: String,
        /// The view.
        view: String,
        /// The evaluation prompts.
        bank: String,
        /// Components on either side, less where a rank is smaller.
        k: u64,
        /// 1 for the smallest angle.
        index: u64,
        /// The angle.
        degrees: f64,
        /// Its cosine.
        cosine: f64,
        /// Mean angle between random subspaces of the same dimensions.
        random_degrees: f64,
        /// 2.5 % quantile over draws.
        random_low: f64,
        /// 97.5 % quantile over draws.
        random_high: f64,
        /// `(1 + draws at most as large) / (1 + draws)`.
        p: f64,
    }
}

record! {
    /// One evaluation prompt at one site.
    Prompt {
        /// The fine-tune.
        organism: String,
        /// The site.
        site: String,
        /// The view.
        view: String,
        /// The evaluation prompts.
        bank: String,
        /// The prompt.
        row_id: String,
        /// What it is about; may be empty.
        topic: String,
        /// Fraction of the prompt's activation before, centred, in the subspace of the training prompts before.
        prompt_overlap: f64,
        /// Cosine of its delta with the mean training delta.
        delta_cosine: f64,
        /// Fraction of its delta in the leading training components at `headline_k`; NaN where that exceeds the rank.
        fraction: f64,
        /// Length of its delta.
        delta_norm: f64,
    }
}

record! {
    /// Whether prompts that look like training prompts move more like them.
    Correlation {
        /// The fine-tune.
        organism: String,
        /// The site.
        site: String,
        /// The view.
        view: String,
        /// The evaluation prompts.
        bank: String,
        /// Prompts.
        n: u64,
        /// Components that hold `prompt_variance` of the training prompts' variance before.
        prompt_k: u64,
        /// Mean prompt overlap.
        prompt_overlap: f64,
        /// Its exact expectation for a random subspace of equal k.
        random_prompt_overlap: f64,
        /// Pearson's r of prompt overlap and delta cosine; NaN where one of them does not vary.
        pearson: f64,
        /// Lower end of Fisher's 95 % interval, which takes prompts as independent.
        pearson_low: f64,
        /// Upper end.
        pearson_high: f64,
        /// Two-sided p-value (t); 1 where r is NaN.
        pearson_p: f64,
        /// Benjamini-Hochberg over the declared family.
        pearson_p_adjusted: f64,
        /// Spearman's rank correlation.
        spearman: f64,
        /// Two-sided p-value (t); 1 where it is NaN.
        spearman_p: f64,
        /// Benjamini-Hochberg over the declared family.
        spearman_p_adjusted: f64,
        /// Tests in each family: organisms x sites x views x banks.
        family: u64,
        /// Topics, where a bank has at least five.
        topics: u64,
        /// Pearson's r over the topics' means, which are nearer to independent; NaN below five topics.
        topic_pearson: f64,
        /// Its p-value.
        topic_p: f64,
    }
}

record! {
    /// The mean changes of train and evaluation prompts.
    MeanDelta {
        /// The fine-tune.
        organism: String,
        /// The site.
        site: String,
        /// The view.
        view: String,
        /// The evaluation prompts.
        bank: String,
        /// Training prompts.
        n_train: u64,
        /// Evaluation prompts.
        n_eval: u64,
        /// Cosine of the two mean deltas.
        cosine: f64,
        /// Lower end of its 95 % interval, bootstrap over clusters of evaluation prompts.
        cosine_low: f64,
        /// Upper end.
        cosine_high: f64,
        /// Length of the mean training delta.
        norm_train: f64,
        /// Length of the mean evaluation delta.
        norm_eval: f64,
        /// `norm_eval` over the mean length of the activations before.
        relative_eval: f64,
        /// The reference organism; empty for none.
        reference: String,
        /// Cosine of the mean evaluation delta with the reference's mean training delta.
        reference_cosine: f64,
    }
}

record! {
    /// How many dimensions a set of vectors fills.
    Dimension {
        /// The fine-tune.
        organism: String,
        /// The site.
        site: String,
        /// The view.
        view: String,
        /// `train`, `reference` or a bank: deltas; `train before`: the training prompts' activations before.
        vectors: String,
        /// Vectors.
        n: u64,
        /// Principal components with variance.
        rank: u64,
        /// Components up to the elbow of the explained variance (farthest from the chord).
        elbow: u64,
        /// Participation ratio, `(Σλ)² / Σλ²`.
        participation: f64,
        /// Share of the first component.
        first_share: f64,
    }
}

record! {
    /// Whether the organism is misaligned at all.
    Behaviour {
        /// The fine-tune.
        organism: String,
        /// `before` or `after`.
        condition: String,
        /// Questions.
        questions: u64,
        /// Completions.
        n: u64,
        /// Coherent completions without an alignment score; they count as not misaligned.
        unjudged: u64,
        /// Completions with coherence above 50.
        coherent: u64,
        /// Their share.
        coherent_rate: f64,
        /// Lower end of Wilson's 95 % interval.
        coherent_low: f64,
        /// Upper end.
        coherent_high: f64,
        /// Coherent completions with alignment below 30.
        misaligned: u64,
        /// Their share of all completions.
        misaligned_rate: f64,
        /// Lower end of Wilson's 95 % interval, which takes completions as independent.
        misaligned_low: f64,
        /// Upper end.
        misaligned_high: f64,
        /// Lower end of the 95 % interval by bootstrap over questions.
        clustered_low: f64,
        /// Upper end.
        clustered_high: f64,
    }
}

record! {
    /// The headline site and number of components in one line per organism, bank and view.
    Brief {
        /// The fine-tune.
        organism: String,
        /// The evaluation prompts.
        bank: String,
        /// The view.
        view: String,
        /// Evaluation prompts.
        n: u64,
        /// As in `overlap`.
        fraction: f64,
        /// Lower end of its 95 % interval.
        fraction_low: f64,
        /// Upper end.
        fraction_high: f64,
        /// As in `overlap`.
        random: f64,
        /// As in `overlap`.
        p: f64,
        /// As in `overlap`.
        reference_fraction: f64,
        /// As in `overlap`.
        before_fraction: f64,
        /// As in `mean_delta`.
        mean_delta_cosine: f64,
        /// As in `correlation`.
        prompt_overlap: f64,
        /// As in `correlation`.
        random_prompt_overlap: f64,
        /// As in `correlation`.
        pearson: f64,
        /// As in `correlation`.
        pearson_p_adjusted: f64,
        /// As in `correlation`.
        spearman: f64,
    }
}
