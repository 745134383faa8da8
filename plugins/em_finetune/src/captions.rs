//! What the tables' rows and columns are.

use emhost_sdk::prelude::*;
use emhost_study::note;

use crate::summary::Summary;

/// The tables to show, in order, of those that the run has.
pub fn notes(summary: &Summary<'_>) -> Vec<TableNote> {
    let there: Vec<&str> = summary.tables().collect();
    CAPTIONS.iter().filter(|(table, _)| there.contains(table)).map(|(table, caption)| note(table, caption)).collect()
}

const CAPTIONS: [(&str, &str); 10] = [
    (
        "behaviour",
        "One row per organism and bank. Rates are shares of all answers with 95 % intervals over `clusters` (topics; \
         questions where a bank has one topic). `incoherent` were judged so; `unjudged` lack a score. Norms are Frobenius \
         norms over all projections of the adapter, missing where there is none; losses are means over the first and last \
         tenth of the steps, nats per learned token.",
    ),
    (
        "comparison",
        "Rates of misaligned answers of two organisms on the same questions. `family` is what p-values are adjusted over: \
         organisms against the model before, or pairs of seeds of one recipe. `low`, `high`: 95 % interval of the \
         difference.",
    ),
    ("by_question", "Misaligned answers by organism, bank and topic, with 95 % intervals over the topic's questions."),
    (
        "phase_events",
        "When things happen in a followed fine-tune, in steps. `after_rise` counts from the steepest rise at the first \
         scale. `size`: share of the whole rise that falls into the steepest interval, gradient norm, or cosine; `control` what \
         it is without an event: the share of an even rise, the upper median over steps or checkpoints. `low`, `high`: 95 % bootstrap over topics, where one is defined. `missing` says why a number is.",
    ),
    (
        "phase_behaviour",
        "Answers at checkpoints, with the adapter's update multiplied by `scale`; step 0 is the model itself, asked once.",
    ),
    (
        "phase_geometry",
        "The followed projection at each checkpoint: norms of A, B and `scale B A`, the same over the whole adapter \
         (`whole_`), and the place of B along its first two principal components over time with their shares of variance. \
         At step 0 B is zero and A is not kept.",
    ),
    ("phase_rotation", "Local cosine: cos(B(t) - B(t-k), B(t+k) - B(t)) with k in checkpoints, and the two lengths."),
    (
        "phase_projections",
        "Every projection at each checkpoint. `composition` is |A B| / (|A| |B|), where inputs and outputs are as many.",
    ),
    ("adapters", "Every projection of each organism's adapter at the end of its fine-tune; columns as above."),
    ("steps", "Metrics of each step of the fine-tunes; `step` counts the steps taken before."),
];
