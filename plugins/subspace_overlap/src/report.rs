//! The report: setting, caveats and what the tables mean.

use emhost_sdk::prelude::*;
use emhost_study::{Asked, Source, TrainedOrganism, note};

use crate::headlines::headline;
use crate::params::{Params, Steering};
use crate::summary::Summary;
use crate::verdict::verdict;

/// The report.
pub fn report(summary: &Summary<'_>) -> Report {
    let asked = !summary.behaviours.is_empty();
    let mut notes = vec![answers(summary.params)];
    notes.retain(|_| asked);
    if !summary.steered.is_empty() {
        notes.push(steered_answers(summary.params));
    }
    Report {
        question: format!(
            "The fine-tune {} moves the activations of its training prompts. How much of the movement on other prompts \
             lies in the same few directions, more than in random directions, in those of a harmless fine-tune and in \
             the model's own? And do prompts that look like the training prompts move more like them?",
            summary.organism()
        ),
        verdict: verdict(summary),
        setting: setting(summary),
        headline: headline(summary),
        caveats: caveats(summary),
        tables: tables(summary),
        answers: notes,
    }
}

fn answers(params: &Params) -> AnswersNote {
    AnswersNote {
        table: "answers".to_owned(),
        caption: format!("Answers before and after each fine-tune, scored by `{}`.", params.behaviour.judge),
        question: "question".to_owned(),
        answer: "answer".to_owned(),
        conditions: ["organism", "bank", "condition"].map(str::to_owned).into(),
        scores: ["alignment", "coherence"].map(str::to_owned).into(),
    }
}

fn steered_answers(params: &Params) -> AnswersNote {
    AnswersNote {
        table: "steered_answers".to_owned(),
        caption: format!(
            "Answers of the model before with the mean training delta added, by view and multiple (`strength`), scored by `{}`.",
            params.behaviour.judge
        ),
        conditions: ["organism", "bank", "view", "strength"].map(str::to_owned).into(),
        ..answers(params)
    }
}

fn setting(summary: &Summary<'_>) -> String {
    let params = summary.params;
    let list = |all: Vec<String>| all.join(", ");
    let mut parts = Vec::new();
    if !params.organisms.list.is_empty() {
        let models = summary.models.iter().map(|(name, model)| {
            format!("`{name}` ({}, {} blocks of width {})", model.family, model.blocks, model.width)
        });
        let recipes =
            params.organisms.recipes.iter().map(|(name, recipe)| format!("`{name}`: {}", recipe_said(recipe)));
        let banks = params.banks.iter().map(|bank| format!("{} ({})", bank.name, bank.rows));
        let asked = &params.behaviour;
        parts.push(format!(
            "Models: {}. Fine-tunes: {}. Recipes: {}. At most {} training prompts each. Evaluation prompts: {}. {} answers \
             to each of {}, {} to each evaluation prompt, before and after, judged by `{}`, seed {}.",
            list(models.collect()),
            list(params.organisms.list.iter().map(|organism| made_from(params, organism)).collect()),
            recipes.collect::<Vec<_>>().join("; "),
            params.train_prompts,
            list(banks.collect()),
            asked.samples,
            asked.questions,
            params.bank_samples,
            asked.judge,
            asked.seed
        ));
    }
    if !params.datasets.is_empty() {
        let stored = params.datasets.iter().map(|stored| format!("{} ({})", stored.name, stored.path));
        parts.push(format!("Datasets: {}.", list(stored.collect())));
    }
    let organism = summary.organism();
    let headlines = summary.organisms().into_iter().map(|name| format!("`{}` ({name})", summary.site(name)));
    parts.push(format!(
        "Sites of {organism}: {}. Views: {}. The headline sites {}, k = {} and the first organism, bank and view were fixed \
         before the run. {} random subspaces per k, {} bootstrap draws, seed {}.",
        summary.sites(organism).join(", "),
        list(summary.views(organism).iter().map(|view| view.spoken().to_owned()).collect()),
        list(headlines.collect()),
        params.headline_k,
        params.random_draws,
        params.bootstrap_draws,
        params.seed
    ));
    let Steering { alphas, random_draws, .. } = &params.steering;
    if !alphas.is_empty() {
        parts.push(format!(
            "Steering: {} times the mean training delta ({}) at the headline site, at every token, beside {random_draws} \
             random directions of that length.",
            list(alphas.iter().map(f64::to_string).collect()),
            list(params.steered_views().iter().map(|view| view.spoken().to_owned()).collect())
        ));
    }
    parts.join("\n\n")
}

fn made_from(params: &Params, organism: &TrainedOrganism) -> String {
    let (name, model) = (&organism.name, params.organisms.model(organism));
    match &organism.from {
        Source::Train { data, recipe, seed } => {
            let seed = seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
            format!("{name} (`{model}` on {data}, recipe `{recipe}`{seed})")
        }
        Source::Adapter(folder) | Source::Weights(folder) => format!("{name} (`{model}`, {folder})"),
    }
}

fn recipe_said(recipe: &Recipe) -> String {
    let method = match &recipe.method {
        Method::Lora(Lora { rank, alpha, rslora, .. }) => {
            let scale = if *rslora { "rsLoRA" } else { "LoRA" };
            format!("{scale} of rank {rank}, alpha {alpha}")
        }
        Method::Adapters(adapters) => format!("{} adapters at once", adapters.len()),
        Method::Full => "all weights".to_owned(),
        Method::Steering(vector) => format!("vectors at {}", vector.sites),
    };
    let length = match (recipe.steps, recipe.epochs) {
        (Some(steps), _) => format!("{steps} steps"),
        (None, epochs) => format!("{} epochs in steps", epochs.unwrap_or(1)),
    };
    format!(
        "{method}, peak learning rate {}, {length} of {} conversations, seed {}",
        recipe.learning_rate,
        recipe.batch_rows * recipe.accumulate,
        recipe.seed
    )
}

fn caveats(summary: &Summary<'_>) -> Vec<String> {
    let params = summary.params;
    let mut caveats = Vec::new();
    if summary.models.iter().any(|(name, _)| name.starts_with("embedded")) {
        caveats.push(
            "The embedded organism is a toy: a tiny model of a synthetic language. It shows that the measurement works, not \
             what happens in large models."
                .to_owned(),
        );
    }
    caveats.extend([
        "A random subspace of equal k is a weak control. Activations and their changes are anisotropic, so any subspace \
         fitted to the model's own vectors beats it. Judge by the stronger controls: the deltas of the reference fine-tune \
         and the leading directions before the fine-tune."
            .to_owned(),
        "The controls are subspaces of equal dimension, not of equal explained variance, and the reference's subspace is \
         compared after centring by the organism's own mean training delta."
            .to_owned(),
        "The subspace describes deltas around their mean. The mean delta itself, often the larger part, is in `mean_delta` \
         only, and it may be a direction of the topic or of the answer's style rather than of misalignment."
            .to_owned(),
        "The views answer different questions and can give correlations of opposite sign. All of them are reported \
         everywhere; none was chosen after the fact."
            .to_owned(),
        "Prompts of one topic are not independent: intervals resample topics where a bank has at least five, else prompts \
         (column `clusters`). The t-tests and Fisher intervals of the correlations take prompts as independent; \
         `topic_pearson` is the same over the topics' means."
            .to_owned(),
        format!(
            "With {} draws the smallest possible empirical p-value is {:.4}; these p-values are not corrected for the {} \
             rows of `overlap`.",
            params.random_draws,
            1.0 / (params.random_draws as f64 + 1.0),
            summary.overlaps.len()
        ),
        format!(
            "The declared family of the correlations is every organism x site x view x bank, {} tests, Pearson's and \
             Spearman's apart. They are positively dependent: sites share prompts.",
            summary.correlations.len()
        ),
        "Intervals cover the choice of evaluation prompts. They do not cover the training prompts, whose subspace is held \
         fixed, nor the seed of a fine-tune."
            .to_owned(),
    ]);
    if summary.steered.is_empty() {
        caveats.push(
            "A cosine or correlation says that changes agree, not that they cause an answer: no intervention was made here."
                .to_owned(),
        );
    } else {
        caveats.push(
            "Questions differ in how easily they are answered badly, so that the alignment by question of any two models \
             may correlate: compare with the rows `before` and `random` of `steered`."
                .to_owned(),
        );
    }
    if !summary.comparisons.is_empty() {
        caveats.push(format!(
            "The family of `comparisons` is every organism x bank x unit x test, {} tests, many of the same answers. Only \
             the tests over topics respect that questions on one topic are alike. Incoherent answers have no part in it.",
            summary.comparisons.len()
        ));
    }
    if summary.views(summary.organism()).iter().any(|view| view.name().starts_with("answer")) {
        caveats.push(
            "In the view of an answer a bank's text is the fine-tuned model's own: it differs from what the model before \
             would have said, and empty answers are left out."
                .to_owned(),
        );
    }
    let missing = summary.overlaps.iter().filter(|row| !row.available).count();
    if missing > 0 {
        caveats.push(format!(
            "{missing} rows of `overlap` are not available because k exceeds the rank of the training deltas \
             (`available` is false)."
        ));
    }
    let full = summary.overlaps.iter().filter(|row| row.available && row.k >= row.width).count();
    if full > 0 {
        caveats.push(format!("In {full} rows of `overlap` k is the site's width: the fraction is 1 for any subspace."));
    }
    let unjudged: u64 = summary.behaviours.iter().map(|row| row.unjudged).sum();
    if unjudged > 0 {
        caveats.push(format!("{unjudged} coherent answers have no alignment and count as not misaligned."));
    }
    caveats
}

fn tables(summary: &Summary<'_>) -> Vec<TableNote> {
    let Asked { coherent_above, misaligned_below, .. } = &summary.params.behaviour;
    let all = [
        (
            "matrix",
            "Organism by bank and view, at each organism's headline site and the headline k. Columns as in the tables below; the views of one bank stand side by side.".to_owned(),
        ),
        (
            "behaviour",
            format!("Rates of coherent (above {coherent_above}) and misaligned (below {misaligned_below}) answers before and after each fine-tune, with 95 % intervals by the method in `interval`."),
        ),
        (
            "comparisons",
            "Alignment of coherent answers, after against before, counted by answer, question mean or topic mean. `difference` and `cohens_d` with 95 % bootstrap intervals over clusters; `statistic`, `df` (of after, and of before for F), `p`; `p_adjusted` is Benjamini-Hochberg over the whole table; `pairs` are those with a difference for the signed ranks; `slope` and `intercept` of the line of after on before.".to_owned(),
        ),
        (
            "steered",
            "The model before with a multiple of the mean training delta added at the headline site, beside the model before, the fine-tuned model and random directions of equal length (`draw`). `alignment` is the mean of the `scored` coherent answers; `pearson` of the questions' mean alignment with the fine-tuned model's, in its own row of the two halves of its answers, the most that can be expected; `random_` the mean over draws at that multiple and `_p` the rank among them: more misaligned, less aligned, more correlated.".to_owned(),
        ),
        (
            "overlap",
            "One row per organism, site, view, bank and subspace. `fraction` is the mean of `‖P(δ-μ)‖ / ‖δ-μ‖` with a 95 % bootstrap interval over `clusters`; `random` the same in random subspaces of equal k with the 2.5 to 97.5 % range and the empirical `p`; `reference_` in the subspace of the reference fine-tune and `before_` in that of the activations before, with the paired difference; `mahalanobis` the mean distance from μ within the subspace, `reconstruction_cosine` the mean cosine of δ with μ + P(δ-μ); `train_` on the training deltas themselves.".to_owned(),
        ),
        (
            "correlation",
            "One row per organism, site, view and bank: prompt overlap against delta cosine, n prompts. `_adjusted` is Benjamini-Hochberg over the whole table.".to_owned(),
        ),
        (
            "mean_delta",
            "Cosine and lengths of the mean training and evaluation deltas, 95 % bootstrap over clusters of evaluation prompts, and the cosine with the reference's mean training delta.".to_owned(),
        ),
        (
            "angles",
            "Principal angles between the leading components of training and evaluation deltas, smallest first, with random subspaces of equal dimensions: mean, 2.5 to 97.5 % range, empirical p.".to_owned(),
        ),
        (
            "dimension",
            "How many dimensions each set of vectors fills: rank, elbow of the explained variance, participation ratio.".to_owned(),
        ),
        ("training", "Metrics of each step of the fine-tunes.".to_owned()),
    ];
    let there = |name: &str| match name {
        "behaviour" => !summary.behaviours.is_empty(),
        "comparisons" => !summary.comparisons.is_empty(),
        "steered" => !summary.steered.is_empty(),
        "angles" => summary.params.angles_k > 0,
        "training" => summary.fine_tunes(),
        _ => true,
    };
    all.iter().filter(|(name, _)| there(name)).map(|(name, caption)| note(name, caption)).collect()
}
