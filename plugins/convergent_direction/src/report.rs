//! The words and the first numbers of the report, computed from the tables.

use emhost_sdk::prelude::*;
use emhost_study::{Reduction, Sheet, note};

use crate::summary::Summary;

/// The report.
pub fn report(summary: &Summary<'_>) -> Report {
    Report {
        question: format!(
            "{} answers questions in general badly after a narrow fine-tune. Is there one direction in its activations that \
             does it: added to the untouched model, does it make that one misaligned; projected out, does it undo the \
             misalignment, here and in organisms made with other data, more than a random direction does?",
            summary.organism()
        ),
        verdict: [steering(summary), ablation(summary), transfer(summary), cosines(summary), topics(summary)].join(" "),
        setting: setting(summary),
        headline: headline(summary),
        caveats: caveats(summary),
        tables: tables(summary),
        answers: answers(summary),
    }
}

fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// A share with its interval, as a sentence has it.
fn shared(sheet: &Sheet, column: &str, row: usize) -> String {
    let [value, low, high] = sheet.interval(column, row);
    format!("{} [{:.1}, {:.1}]", percent(value), 100.0 * low, 100.0 * high)
}

fn steering(summary: &Summary<'_>) -> String {
    let sheet = &summary.steering_best;
    let rows = sheet.rows(&[("kind", summary.kind())]);
    let Some(row) = rows.first().copied() else { return "Nothing was steered.".to_owned() };
    let verdict = if sheet.number("p", row) <= 0.05 { "more than" } else { "not more than" };
    format!(
        "Added to the untouched model at block {} with strength {}, the direction of {} makes {} of the answers misaligned \
         and coherent (untouched {}), {verdict} random directions of its length do (at most {} in {} draws); {} stay \
         coherent.",
        sheet.number("block", row),
        sheet.number("strength", row),
        sheet.text("source", row),
        shared(sheet, "misaligned", row),
        percent(sheet.number("unsteered", row)),
        percent(sheet.number("random_most", row)),
        sheet.number("draws", row),
        percent(sheet.number("coherent", row)),
    )
}

fn ablation(summary: &Summary<'_>) -> String {
    let name = summary.organism();
    let sheets = [(&summary.ablation, "layerwise"), (&summary.ablation_best, "single")];
    let found: Vec<(&Sheet, usize)> =
        sheets.into_iter().filter_map(|(sheet, mode)| Some((sheet, summary.own(sheet, name, mode)?))).collect();
    let [(all, layerwise), (best, single)] = found[..] else { return format!("{name} was not ablated.") };
    let null = summary.null.row(&[("organism", name), ("mode", "layerwise")]);
    let random = null.map_or_else(String::new, |row| {
        format!("; random directions {} (95 % of the draws)", shared(&summary.null, "reduction", row))
    });
    format!(
        "Projecting its own direction out of each block takes {} of its misaligned answers{random}; one direction, that of \
         block {}, projected out everywhere takes {}. Coherence changes by {:+.1} and {:+.1} points.",
        shared(all, "reduction", layerwise),
        best.number("block", single),
        shared(best, "reduction", single),
        100.0 * all.number("coherence_change", layerwise),
        100.0 * best.number("coherence_change", single),
    )
}

fn transfer(summary: &Summary<'_>) -> String {
    let (sheet, name) = (&summary.ablation, summary.organism());
    let rows = sheet.rows(&[("source", name), ("kind", summary.kind()), ("mode", "layerwise")]);
    let others: Vec<String> = rows
        .into_iter()
        .filter(|row| sheet.text("organism", *row) != name)
        .map(|row| format!("{} of those of {}", shared(sheet, "reduction", row), sheet.text("organism", row)))
        .collect();
    if others.is_empty() {
        return "No other organism was ablated.".to_owned();
    }
    format!("The same directions take {}.", others.join(", "))
}

fn cosines(summary: &Summary<'_>) -> String {
    let sheet = &summary.convergence;
    let rows = sheet.rows(&[("of", summary.kind())]);
    let Some(least) =
        rows.iter().copied().min_by(|a, b| sheet.number("least", *a).total_cmp(&sheet.number("least", *b)))
    else {
        return "There is one organism alone.".to_owned();
    };
    let high = rows.iter().filter(|row| sheet.number("share_above_half", **row) > 0.5).count();
    format!(
        "Of {} pairs of organisms {high} have directions with a cosine of at least .5 at most blocks; the least is {:.2} ({} \
         and {}).",
        rows.len(),
        sheet.number("least", least),
        sheet.text("a", least),
        sheet.text("b", least),
    )
}

fn topics(summary: &Summary<'_>) -> String {
    let (kinds, name) = (&summary.cosine_kinds, summary.organism());
    let rows = kinds.rows(&[("a", "token"), ("b", "matched"), ("of", name)]);
    let values: Vec<f64> = rows.iter().map(|row| kinds.number("cosine", *row)).collect();
    let (low, high) =
        (values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(-1.0, f64::max));
    let own = summary.directions.row(&[("organism", name)]);
    let apart = own.map_or(f64::NAN, |row| summary.directions.number("topic_imbalance", row));
    format!(
        "The classes of {name} differ in topic by {apart:.2} (total variation), and the plain difference has cosines of {low:.2} \
         to {high:.2} with the one within questions."
    )
}

fn setting(summary: &Summary<'_>) -> String {
    let params = summary.params;
    format!(
        "Model `{}`; organisms {}. Classes from {} answers to each of `{}`, alignment above {} and below {}, coherence above \
         {}, judged by `{}`; at most {} in each. Steered and ablated at {:?} tokens; {} answers to each question of `{}`.",
        params.organisms.model,
        params.harmful().map(|organism| organism.name.as_str()).collect::<Vec<_>>().join(", "),
        params.classes.samples,
        params.classes.questions,
        params.classes.aligned_above,
        params.classes.misaligned_below,
        params.classes.coherent_above,
        params.classes.judge,
        params.per_class,
        params.positions,
        params.evaluate.samples,
        params.evaluate.questions,
    )
}

fn headline(summary: &Summary<'_>) -> Vec<Headline> {
    let mut rows = Vec::new();
    let steered = &summary.steering_best;
    for row in steered.rows(&[("kind", summary.kind())]) {
        rows.push(Headline {
            quantity: "misaligned and coherent when steered".to_owned(),
            condition: format!(
                "{} at block {}, strength {}",
                steered.text("source", row),
                steered.number("block", row),
                steered.number("strength", row)
            ),
            value: steered.number("misaligned", row),
            interval: ends(steered.interval("misaligned", row)),
            control: finite(steered.number("random", row)),
            p: finite(steered.number("p", row)),
            n: steered.number("n", row) as u64,
            method: format!("{}; rank among random directions of the same length", steered.text("interval", row)),
        });
    }
    for (sheet, mode, said) in [
        (&summary.ablation, "layerwise", "misaligned answers gone, block by block"),
        (&summary.ablation_best, "single", "misaligned answers gone, one direction everywhere"),
    ] {
        for row in sheet.rows(&[("source", summary.organism()), ("kind", summary.kind()), ("mode", mode)]) {
            let organism = sheet.text("organism", row);
            let null = summary.null.row(&[("organism", organism), ("mode", mode)]);
            let own = organism == summary.organism();
            let null = null.filter(|_| own);
            rows.push(Headline {
                quantity: said.to_owned(),
                condition: format!("{organism}, directions of {}", summary.organism()),
                value: sheet.number("reduction", row),
                interval: ends(sheet.interval("reduction", row)),
                control: null.and_then(|null| finite(summary.null.number("reduction", null))),
                p: null.and_then(|null| finite(summary.null.number("p", null))),
                n: sheet.number("n", row) as u64,
                method: format!("{}; rank among random directions", Reduction::METHOD),
            });
        }
    }
    rows
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn ends([_, low, high]: [f64; 3]) -> Option<[f64; 2]> {
    (low.is_finite() && high.is_finite()).then_some([low, high])
}

fn caveats(summary: &Summary<'_>) -> Vec<String> {
    let mut all = vec![
        "Ablation removes what lies along a direction, whatever it means: a direction that coherence needs lowers \
         misalignment too. Read it with the change of coherence beside it."
            .to_owned(),
        "Blocks and strengths are chosen on half of the samples of the same questions: other samples, not other questions."
            .to_owned(),
        "Answers to one topic are not independent; intervals are over topics. The bootstrap of few topics is too narrow."
            .to_owned(),
        "Each organism is one fine-tune with one seed; em_finetune has several.".to_owned(),
    ];
    if summary.params.organisms.model == "embedded" {
        all.push(
            "The embedded organism is a toy: it was pre-trained on personas that speak badly on all topics, so that a \
             direction of such a persona is there to be found."
                .to_owned(),
        );
    }
    all
}

/// Longest table that stands in the report itself.
const MOST_ROWS: usize = 60;

fn tables(summary: &Summary<'_>) -> Vec<TableNote> {
    let caption = |name: &str| match name {
        "steering_best" => {
            "The block and strength with most misaligned answers on the first half of the samples, with the \
                            rates on the second half; `random` is the mean and `random_most` the largest rate with random \
                            directions of the same length there."
        }
        "ablation" => {
            "What projecting directions out of an organism did. layerwise: each block's direction at that block; \
                       single: one block's direction at all blocks."
        }
        "ablation_best" => {
            "Of the single directions the one with fewest misaligned answers on the first half of the \
                            samples, compared on the second half."
        }
        "transfer" => {
            "Whose directions, projected out block by block, take how much of whose misaligned answers; \
                       `emhost direction transfer` shows it as a matrix."
        }
        "null" => {
            "The same with random directions: mean over the draws and 95 % of them; `p` is the rank of the organism's \
                   own direction; `no_change` is 1 where 0 lies in the interval."
        }
        "convergence" => "At how many blocks the directions of two organisms are alike.",
        "cosine" => "Cosine of two organisms' directions, of each kind and at each block.",
        "cosine_kinds" => "Cosine of the kinds of one organism's direction with each other.",
        "rank_one" => "Ablating the only adapter's B and the direction, and projecting the direction out of B.",
        "downstream" => "What adding B, at the direction's length, does to later blocks of the untouched model.",
        "downstream_most" => "The later block where that is most like the direction.",
        "semantic_steering" => "How much steered answers are about a topic: mean score and share above 50.",
        "semantic_cosine" => "Cosines, lengths and differences of the directions of topics.",
        "steering" => "The whole sweep.",
        "classes" => "The classes that directions are made of, before and after they were made equal.",
        "class_members" => "Every answer of the classes: with them anyone can make the directions again.",
        "class_topics" => "Topics of the answers in each class.",
        _ => {
            "Each direction's length, cancellation (length of the mean difference within questions over the mean length), \
              share of its largest component, and massive activations (largest mean absolute component over the median)."
        }
    };
    // Longer ones would make the page endless; they are beside it.
    let shown = summary.tables().into_iter().filter(|(_, sheet)| !sheet.is_empty() && sheet.len() <= MOST_ROWS);
    shown.map(|(name, _)| note(name, caption(name))).collect()
}

fn answers(summary: &Summary<'_>) -> Vec<AnswersNote> {
    let note = AnswersNote {
        table: "answers".to_owned(),
        caption: format!("Answers of steered and ablated organisms, scored by `{}`.", summary.params.evaluate.judge),
        question: "question".to_owned(),
        answer: "answer".to_owned(),
        conditions: vec!["organism".to_owned(), "condition".to_owned(), "strength".to_owned()],
        scores: vec!["alignment".to_owned(), "coherence".to_owned()],
    };
    if summary.has_answers() { vec![note] } else { Vec::new() }
}
