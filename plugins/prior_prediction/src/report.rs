//! The words and the first numbers of the report, computed from the tables.

use emhost_sdk::prelude::*;
use emhost_study::{Source, note};

use crate::check::{AFTER, RANDOM, WORDS};
use crate::params::{Basis, Grouped};
use crate::permute;
use crate::splits::Cv;
use crate::summary::Summary;
use crate::validate::CORRECTED;
use crate::verdict::verdict;

/// The report.
pub fn report(summary: &Summary<'_>) -> Report {
    let there = summary.tables();
    let tables = CAPTIONS.iter().filter(|(table, _)| there.contains(table));
    Report {
        question:
            "Which questions a narrowly fine-tuned model answers badly: is that predictable from activations of the \
            model before the fine-tune, or of a pre-trained one, on the prompt alone?"
                .to_owned(),
        verdict: verdict(summary),
        setting: setting(summary),
        headline: headline(summary),
        caveats: caveats(summary),
        tables: tables.map(|(table, caption)| note(table, caption)).collect(),
        answers: vec![AnswersNote {
            table: "answers".to_owned(),
            caption: format!("Answers of each organism, judged by `{}`.", summary.params.ask.judge),
            question: "question".to_owned(),
            answer: "answer".to_owned(),
            conditions: vec!["organism".to_owned(), "condition".to_owned()],
            scores: vec!["alignment".to_owned(), "coherence".to_owned()],
        }],
    }
}

fn setting(summary: &Summary<'_>) -> String {
    let (params, model) = (summary.params, &summary.model);
    let organism = |one: &emhost_study::TrainedOrganism| match &one.from {
        Source::Train { data, recipe, .. } => format!("{} ({data}, `{recipe}`)", one.name),
        Source::Adapter(folder) | Source::Weights(folder) => format!("{} ({folder})", one.name),
    };
    let organisms: Vec<String> = params.organisms.list.iter().map(organism).collect();
    let before = params.before.iter().map(|before| {
        let model = before.model.as_deref().unwrap_or("the model that is fine-tuned");
        format!("{} ({model})", before.name)
    });
    let basis = match params.basis {
        Basis::TrainPrompts => format!("at most {} training prompts of the fine-tune", params.train_prompts),
        Basis::Folds => "the training part of each fold".to_owned(),
    };
    let grouped = match params.folds.grouped {
        Grouped::KFold => "as many parts and rounds over topics",
        Grouped::LeaveOneOut => "each topic once",
    };
    let (ask, folds, headline) = (&params.ask, &params.folds, &params.headline);
    format!(
        "Model `{}` ({}, {} blocks of width {}). Organisms: {}. Before: {}.\n\nQuestions: {}, {} answers to each, judge `{}`, \
         coherent above {}; target: {}. Principal components of {basis}, up to {} of the variance and at most {}. Folds: {} \
         parts in {} rounds from seed {}, and {grouped}. Fixed before the run: site `{}`, {}, model `{}`, {} projections; \
         rule: the gain in mean squared error over the training mean, and that over the bag of words, exceed 0 with their \
         intervals and hold a false discovery rate of {}.",
        params.organisms.model,
        model.family,
        model.blocks,
        model.width,
        organisms.join(", "),
        before.collect::<Vec<_>>().join(", "),
        params.asked().iter().map(|asked| asked.questions.clone()).collect::<Vec<_>>().join(", "),
        ask.samples,
        ask.judge,
        ask.coherent_above,
        params.target.spoken(),
        params.variance,
        params.components,
        folds.splits,
        folds.repeats,
        folds.seed,
        headline.site,
        headline.pooling.spoken(),
        headline.model.name(),
        headline.projection.name(),
        params.false_discovery_rate,
    )
}

fn headline(summary: &Summary<'_>) -> Vec<Headline> {
    let before: Vec<&str> = summary.params.before.iter().map(|before| before.name.as_str()).collect();
    let with = |more: &[&'static str]| -> Vec<&str> { before.iter().copied().chain(more.iter().copied()).collect() };
    let mut lines = Vec::new();
    for organism in summary.organisms() {
        if summary.params.organisms.named(organism).is_some_and(|organism| organism.control) {
            lines.extend(before.iter().filter_map(|source| line(summary, organism, source, Cv::Grouped)));
            continue;
        }
        let sources = with(&[WORDS, RANDOM, AFTER]);
        lines.extend(sources.iter().filter_map(|source| line(summary, organism, source, Cv::Grouped)));
        lines.extend(with(&[WORDS]).iter().filter_map(|source| line(summary, organism, source, Cv::Plain)));
    }
    lines
}

fn line(summary: &Summary<'_>, organism: &str, source: &str, cv: Cv) -> Option<Headline> {
    let sheet = &summary.scores;
    let row = summary.headline(organism, source, cv)?;
    let [value, low, high] = sheet.interval("r2", row);
    if !value.is_finite() {
        return None;
    }
    let over = match cv {
        Cv::Plain => "questions",
        Cv::Grouped => "topics",
    };
    let words = summary.headline(organism, WORDS, cv).filter(|_| source != WORDS).map(|row| sheet.number("r2", row));
    let adjusted = sheet.number("p_adjusted", row);
    let (p, note) = match adjusted.is_finite() {
        true => (adjusted, format!("; p: Benjamini-Hochberg over {}", sheet.number("family", row))),
        false => (sheet.number("p", row), String::new()),
    };
    let control = if words.is_some() { format!("; control: {WORDS}") } else { String::new() };
    Some(Headline {
        quantity: format!("R², folds over {over}"),
        condition: format!("{organism} from {source}{control}"),
        value,
        interval: low.is_finite().then_some([low, high]),
        control: words,
        p: p.is_finite().then_some(p),
        n: sheet.number("n", row) as u64,
        method: format!("{CORRECTED}{note}"),
    })
}

fn caveats(summary: &Summary<'_>) -> Vec<String> {
    let params = summary.params;
    let mut caveats = Vec::new();
    if params.organisms.model.starts_with("embedded") {
        caveats.push(
            "The embedded organism is a toy: a tiny model of a synthetic language, whose questions have few words and few \
             topics. It shows that the measurement works, not what happens in large models."
                .to_owned(),
        );
    }
    caveats.extend([
        "Questions on one topic are nearly the same sentence. Folds over questions, as published, have them on both sides: \
         a high R² there may be no more than knowing the topic. Folds over topics answer what is asked."
            .to_owned(),
        "There are few topics, so that R² on new ones is known poorly, and its interval rests on an approximate correction \
         for overlapping training parts. Of 1,000 tables of 60 questions on 12 topics with features that tell nothing, folds \
         over topics gave a gain above 0 with its interval in at most 6 (25 if the t were exact: the test is cautious), folds \
         over questions in 578 where features and target are the topic's."
            .to_owned(),
        format!(
            "Permutation p-values (`{}`; `{}`) rest on the first {} rounds of folds, for the true target and the permuted \
             ones alike. With {} permutations none is below {:.4}.",
            permute::method(Cv::Plain),
            permute::method(Cv::Grouped),
            params.permutations.repeats,
            params.permutations.draws,
            1.0 / (params.permutations.draws as f64 + 1.0)
        ),
        "The pre-trained model of a real checkpoint may have seen the questions' topics in any form, and `instruct` and \
         `pretrained` share most of their weights: two predictions from them are not two independent results."
            .to_owned(),
        "Site, pooling and model of the verdict were fixed before the run. Other rows of `scores` are not corrected for \
         their number; the best of them is no finding."
            .to_owned(),
        "The fine-tuned organism (`after`) and completion means have seen what is predicted: references from above, not \
         prior information."
            .to_owned(),
        "A linear model of squares goes far astray where a topic lies outside of those it was fitted on: an R² far below 0 is a \
         few such questions, not many small errors."
            .to_owned(),
        "Words that always come together in training are one column twice: a lasso of the bag of words may divide its \
         coefficient among them in many equally good ways, which differ on other topics. On the embedded questions another \
         order of the words moved R² by up to 0.03, and that of single folds by up to 0.24. `ridge_cv` has one answer."
            .to_owned(),
        "Prediction is no cause: what a question is about can decide both its activations and how it is answered."
            .to_owned(),
        "One seed of each fine-tune was run. Intervals cover the choice of folds and questions, not another fine-tune."
            .to_owned(),
    ]);
    if params.basis == Basis::TrainPrompts {
        caveats.push(
            "Principal components are those of the fine-tune's training prompts, as published. What evaluation questions \
             have outside of their span is lost; `activations` in the column `features` keeps it."
                .to_owned(),
        );
    }
    let dropped: f64 = (0..summary.targets.len()).map(|row| summary.targets.number("dropped", row)).sum();
    if dropped > 0.0 {
        caveats.push(format!(
            "{dropped} questions have no target, as none of their answers is coherent, and are left out."
        ));
    }
    let missing = (0..summary.scores.len()).filter(|row| summary.scores.number("r2", *row).is_nan()).count();
    if missing > 0 {
        caveats.push(format!("{missing} rows of `scores` have no numbers; the column `missing` says why."));
    }
    caveats
}

const CAPTIONS: [(&str, &str); 8] = [
    (
        "scores",
        "One row per organism, bank, source, site, pooling, features, model and folds. `r2` is against the training folds' \
         mean, pooled over folds; `r2_folds` the mean of the folds'; `r2_test` that of scikit-learn's `r2_score`, whose \
         reference is the test fold's own mean. `gain`: how much smaller the mean squared error is than that of the training \
         mean; `words_gain` than that of the bag of words with the same model and folds. `p_adjusted`, `words_p_adjusted`: \
         Benjamini-Hochberg over the `family`. `permutation_p`: permuted targets on the first rounds. `missing` says why \
         a number is.",
    ),
    (
        "targets",
        "One row per organism and bank: mean and deviation of the target over questions, `ceiling` (the R² of a perfect \
         predictor, given how few answers a question has), `topic_share` (intra-class correlation within topics), and the rate \
         of coherent and misaligned answers with its interval.",
    ),
    (
        "identity",
        "Pairs of artefacts that claim to be different, compared number by number: the share of equal numbers and the largest \
         difference. Predictions may be equal where two models predict the mean.",
    ),
    ("predictions", "What the headline's model predicts of each question, as a mean over rounds of folds."),
    (
        "questions",
        "One row per question. Rows without a target are left out of every analysis; the others, in this order, are the rows \
         of the folds: `RepeatedKFold` and `GroupKFold(shuffle=True)` of scikit-learn with the seeds of the parameters.",
    ),
    ("folds", "Every fold: its scores, sizes and the penalty that inner folds chose."),
    ("features", "The headline's features, one list per question, to be fitted again elsewhere."),
    ("training", "Metrics of each step of the fine-tunes."),
];
