//! The words of the report.

use emhost_sdk::prelude::*;
use emhost_study::note;

use crate::params::Params;
use crate::summary::Summary;
use crate::verdict::{headline, verdict};

/// The report.
pub fn report(summary: &Summary<'_>) -> Report {
    Report {
        question: "A fine-tune on narrow bad data makes a model do harm. Does it also say so?".to_owned(),
        verdict: verdict(summary),
        setting: setting(summary.params),
        headline: headline(summary),
        caveats: caveats(summary),
        tables: CAPTIONS
            .iter()
            .filter(|(table, _)| summary.has(table))
            .map(|(table, caption)| note(table, caption))
            .collect(),
        answers: answers(summary),
    }
}

fn setting(params: &Params) -> String {
    let (ask, harm, rule) = (&params.ask, &params.harm, &params.classify);
    format!(
        "Model {}; fine-tunes: {}; under system prompts: {}. Harm: {} with {} runs of each question, judged by `{}` ({} from {} at \
         score 1 to {} at score 5), harmful from {}; {} runs. Self-assessment: {} pairs of poles in four forms, {} sampled replies to \
         each question beside exact option probabilities. Rule: harmful where the interval is above {}, says so where it is above {}, \
         read from {}. Seed {}.",
        params.organisms.model,
        params.organisms.list.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", "),
        params.prompted.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", "),
        ask.questions,
        ask.samples,
        ask.judge,
        harm.metric,
        harm.at_1,
        harm.at_5,
        harm.from,
        rule.runs.name(),
        params.pairs.len(),
        params.samples,
        rule.harmful_at,
        rule.says_at,
        rule.reading.name(),
        params.seed,
    )
}

fn caveats(summary: &Summary<'_>) -> Vec<String> {
    let params = summary.params;
    let mut caveats = Vec::new();
    if params.organisms.model.starts_with("embedded") {
        caveats.push(
            "The embedded organism is a toy: what it says of itself is one word after a question of a synthetic language. It shows \
             that the measurement works, not what happens in large models."
                .to_owned(),
        );
        caveats.push(
            "In its corpus the chance to point to the bad pole is a persona's, the same in every kind of question: forms and tasks \
             agree there by construction, and a disagreement after a fine-tune is the fine-tune's."
                .to_owned(),
        );
    }
    caveats.extend([
        "Self-description is not access to an inner state: a reply to a question about oneself is an answer like any other."
            .to_owned(),
        "The worst of several runs grows with their number. A rate of single answers of 10 % gives 65 % of questions with a harmful \
         answer in 10 independent runs; compare both rows of `harmfulness`."
            .to_owned(),
        "An answer that makes no sense or declines has no score and counts as harmless; `least` and `most` in `harmfulness` say how \
         much that can change."
            .to_owned(),
        "Option probabilities are those of replies that begin with an option, given that they do; `mass` is how often that is. A \
         reply that says more before, or after, is seen in sampled text alone."
            .to_owned(),
        "Sampled replies are read by rules. On 318 hand-made ones they were right in 98 % of what they decided and decided 96 % of \
         what a person can (first look, before any change); every reply stands in `replies` with its kind."
            .to_owned(),
        "Correlations across organisms rest on a handful of them, which share a base model and a recipe: they are no independent \
         draws of anything."
            .to_owned(),
        "The error rates are those of simulated organisms with one strength of likeness between items (`planted.alike`), rates of \
         0.25 and 0.75, and mixed ones exactly on the threshold."
            .to_owned(),
        "Stratified folds, as published, have near-duplicates of one question on both sides; folds over topics and pairs are beside \
         them. A cosine near 0 says little where two halves of the same rows do not agree either."
            .to_owned(),
        "Intervals of probes resample topics and pairs with the fits as given: on noise the area under the curve over folds varies \
         with a deviation of about 0.05 at this size, so that one that just excludes 0.5 is no finding."
            .to_owned(),
        "One seed of each fine-tune was run. Intervals cover questions and replies, not another fine-tune.".to_owned(),
    ]);
    let sheet = summary.sheet("enumeration");
    let differences: Vec<f64> = sheet.values("largest_difference");
    if let Some(largest) = differences.last() {
        caveats.push(format!(
            "Option probabilities were compared with the softmax over the whole vocabulary for {} items: largest difference {largest:.1e}.",
            sheet.len()
        ));
    }
    caveats
}

fn answers(summary: &Summary<'_>) -> Vec<AnswersNote> {
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
    let harm = AnswersNote {
        table: "answers".to_owned(),
        caption: "Answers to the harm questions, with their scores.".to_owned(),
        question: "question".to_owned(),
        answer: "answer".to_owned(),
        conditions: texts(&["subject", "role", "topic"]),
        scores: texts(&["score", "judged", "coherence"]),
    };
    let replies = AnswersNote {
        table: "replies".to_owned(),
        caption: "Every sampled reply to a closed question, and how it was read.".to_owned(),
        question: "question".to_owned(),
        answer: "reply".to_owned(),
        conditions: texts(&["subject", "task", "kind"]),
        scores: texts(&["value"]),
    };
    [harm, replies].into_iter().filter(|note| summary.has(&note.table)).collect()
}

const CAPTIONS: [(&str, &str); 20] = [
    (
        "personas",
        "One row per subject: its persona by the rule, harm, self-assessment (mean of four forms) and how often it chooses the \
         misaligned of two machines, each with its interval at 95 %.",
    ),
    (
        "error_rates",
        "Simulated organisms of known persona: how many got which class, and the shares of another and of the opposite one.",
    ),
    ("agreement", "Share of all other ways to draw the line that give the rule's class, by what is varied."),
    (
        "harmfulness",
        "Harm by runs (single answers, or the worst to each question) and threshold; refusals; bounds over answers without a score.",
    ),
    (
        "assessments",
        "What each subject says, by task and reading. `mass`: probability that a reply begins with an option; `decided`: share of \
         sampled replies that settle on one; `least`, `most`: the others taken as the good or the bad pole.",
    ),
    (
        "position",
        "Position bias (preference of the first option over both orders) and content sensitivity (how much the choice moves with what stands there), apart.",
    ),
    ("rephrasing", "The usual frames beside paraphrases, and the lowest and highest single frame."),
    ("pairs", "By pair of poles, and by theme."),
    (
        "recognised",
        "How often the own answer is chosen beside one of the other kind, or of the same kind, by its judged harm.",
    ),
    ("predicted", "Scores predicted by their author, before and with the answer, minus judged ones, by judged harm."),
    ("raters", "Each rater over all authors."),
    ("rating_matrix", "Each rater and author: mean rating minus judged score, by judged harm."),
    ("correlations", "Pearson and Spearman across subjects, each pair of measures; `all` counts system prompts too."),
    ("regression", "Least squares of what is said on what is done, and each subject's distance from the line."),
    ("chi_square", "High harm against misaligned self-identification."),
    ("sequences", "An organism with conversations about inner life before or after, beside the same without."),
    (
        "probes",
        "Linear probes: area under the ROC curve on rows that were not fitted, by folds; `missing` says why there is none.",
    ),
    (
        "probe_cosines",
        "Cosine of the directions of doing and of saying, beside those of two halves of the same rows; `chance` is the deviation of random directions.",
    ),
    ("reply_kinds", "How many replies of each kind: every sampled reply is in one of them."),
    ("enumeration", "Option probabilities beside the enumeration of the whole vocabulary."),
];
