//! What the tables' rows and columns are.

use emhost_sdk::prelude::*;
use emhost_study::note;

/// The tables to show, in order.
pub fn notes() -> Vec<TableNote> {
    CAPTIONS.iter().map(|(table, caption)| note(table, caption)).collect()
}

const CAPTIONS: [(&str, &str); 8] = [
    (
        "findings",
        "How many schedules are told from the baseline, by what is taken as alignment and what is compared. `better` counts \
         among those `asked`, at the baseline's end those whose loss is no higher; `untested` have no p-value, see `missing` in `matched`. \
         `better_ignoring_seeds`: what a test over topics alone would call better. `median_half_width`: half of the median \
         interval, about the least difference that could be seen. The kind `seed control` takes each seed of the baseline \
         for a schedule.",
    ),
    (
        "matched",
        "A schedule minus the baseline. `kind`: `equal loss`, its last step against the baseline's path (mean over seeds, \
         linear between checkpoints that lower the loss) at the same held-out loss; `baseline's end`, last step against last \
         step; `seed control`, one seed of the baseline against its other seeds. Means over topics, each as much as \
         another. `error_topics`, `error_seeds`: the two parts of the standard error, the second pooled over all \
         schedules, or the schedule's own where that is larger. `p` is two-sided; `p_better` and `p_worse` are adjusted over `family`, as 1 where the sign is the other \
         one, `p_better` at the baseline's end of schedules alone whose loss is no higher. `p_ignoring_seeds`: sign-flip over topics. `loss_difference`: last steps, \
         nats per token, with an interval over held-out questions and seeds.",
    ),
    (
        "pareto",
        "Schedules by their last step, means over seeds. `on_front`: no other one has a loss as low and an alignment as high, \
         and one of them better. `front_share`: in how many bootstrap draws. `peak_below_baseline`: the learning rate \
         never gets as high as the baseline's. Deviations are between seeds.",
    ),
    (
        "change",
        "The baseline's last step against the model before, by family and data; means over topics. Controls are expected not \
         to change.",
    ),
    (
        "correlation",
        "Correlation of held-out loss and alignment: positive where they fall together. `over` steps (`seed` all: means over \
         seeds at each checkpoint), schedules (last steps, means over seeds), data (means over seeds; losses of \
         different data are not comparable), or seeds (differences from the mean of their family, data and schedule).",
    ),
    ("final", "Each fine-tune after its last step; columns as in `trajectory`."),
    (
        "trajectory",
        "Each fine-tune at each moment; step 0 is the model before. `train_loss` is the mean since the moment before. Losses are \
         on rows that are never trained on: per token over all tokens, per sequence as mean over rows, summed over an answer; \
         `loss_unseen` on `unseen_rows`, whose question is not asked in training. Rates are shares of all answers; \
         alignment is over answers that have a score. 95 % intervals over topics, of losses over questions.",
    ),
    ("training", "Metrics of each step; `step` counts the steps taken before."),
];
