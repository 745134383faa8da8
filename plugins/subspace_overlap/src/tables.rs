//! The tables of the analysis. Numbers are missing where there is no value.

use emhost_sdk::prelude::*;

use crate::record::record;

record! {
    /// How much of one bank's deltas lies in one subspace of the training deltas. NaN where there is no value.
    Overlap {
        /// The fine-tune.
        organism: String,
        /// The site.
        site: String,
        /// The view: `last_prompt`, `prompt.mean` or `answer.mean`.
        view: String,
        /// The evaluation prompts.
        bank: String,
        /// How the number of components was fixed: `variance:0.95` or `k=8`.
        subspace: String,
        /// Number of components.
        k: u64,
        /// Width of the site: the dimension of the space.
        width: u64,
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
        /// Mean Mahalanobis distance of the training deltas.
        train_mahalanobis: f64,
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
        /// Evaluation prompts.
        n: u64,
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
        /// Principal components with variance; missing where only the leading ones of thousands were fitted.
        rank: f64,
        /// Components up to the elbow of the explained variance (farthest from the chord), the first after a drop; missing
        /// where it depends on components that were not fitted.
        elbow: f64,
        /// Participation ratio, `(Σλ)² / Σλ²`.
        participation: f64,
        /// Share of the first component.
        first_share: f64,
    }
}

record! {
    /// Whether the organism is misaligned at all, and where.
    Behaviour {
        /// The fine-tune.
        organism: String,
        /// The questions: `headline questions` or a bank.
        bank: String,
        /// `before` or `after`.
        condition: String,
        /// Questions.
        questions: u64,
        /// Completions.
        n: u64,
        /// Topics, or what else was taken as alike.
        clusters: u64,
        /// Coherent completions without an alignment score; they count as not misaligned.
        unjudged: u64,
        /// Completions with coherence above `behaviour.coherent_above`.
        coherent: u64,
        /// Their share.
        coherent_rate: f64,
        /// Lower end of its 95 % interval.
        coherent_low: f64,
        /// Upper end.
        coherent_high: f64,
        /// Coherent completions with alignment below `behaviour.misaligned_below`.
        misaligned: u64,
        /// Their share of all completions.
        misaligned_rate: f64,
        /// Lower end of its 95 % interval.
        misaligned_low: f64,
        /// Upper end.
        misaligned_high: f64,
        /// The intervals' name.
        interval: String,
    }
}

record! {
    /// Organism by bank and view at the headline site and number of components.
    Entry {
        /// The fine-tune.
        organism: String,
        /// The evaluation prompts.
        bank: String,
        /// The view.
        view: String,
        /// The headline site.
        site: String,
        /// The headline number of components.
        k: u64,
        /// Evaluation prompts.
        n: u64,
        /// As in `overlap`, and so are the next ones.
        fraction: f64,
        /// Lower end of its 95 % interval.
        fraction_low: f64,
        /// Upper end.
        fraction_high: f64,
        /// Random subspaces.
        random: f64,
        /// Against them.
        p: f64,
        /// The reference's subspace.
        reference_fraction: f64,
        /// The leading directions before.
        before_fraction: f64,
        /// Explained L2.
        explained_l2: f64,
        /// Mahalanobis distance.
        mahalanobis: f64,
        /// The same of the training deltas themselves.
        train_mahalanobis: f64,
        /// Cosine with the reconstruction.
        reconstruction_cosine: f64,
        /// As in `mean_delta`, and so are the next ones.
        mean_delta_cosine: f64,
        /// Lower end of its 95 % interval.
        mean_delta_cosine_low: f64,
        /// Upper end.
        mean_delta_cosine_high: f64,
        /// The reference's mean delta.
        reference_cosine: f64,
        /// As in `correlation`, and so are the next ones.
        prompt_overlap: f64,
        /// Expected of a random subspace.
        random_prompt_overlap: f64,
        /// Pearson's r.
        pearson: f64,
        /// Lower end of Fisher's 95 % interval.
        pearson_low: f64,
        /// Upper end.
        pearson_high: f64,
        /// Adjusted p-value.
        pearson_p_adjusted: f64,
        /// Spearman's rank correlation.
        spearman: f64,
        /// How intervals and p-values come about.
        method: String,
    }
}
