//! The words and the first numbers of the report, computed from the tables.

use emhost_sdk::prelude::*;
use emhost_study::note;

use crate::claims::{Claim, published};
use crate::compare::mean;
use crate::second::scale;
use crate::summary::Summary;

/// The report.
pub fn report(summary: &Summary<'_>) -> Report {
    Report {
        question: "Does any later fine-tune destroy behaviour that is coupled to a persona, or is emergent misalignment special?"
            .to_owned(),
        verdict: verdict(summary),
        setting: setting(summary),
        headline: headline(summary),
        caveats: caveats(summary),
        tables: notes().into_iter().filter(|note| summary.has(&note.table)).collect(),
        answers: if summary.has("answers") { vec![answers()] } else { Vec::new() },
    }
}

/// What the numbers say.
fn verdict(summary: &Summary<'_>) -> String {
    let claim = |claim: &Claim| {
        let [agreeing, all] = claim.couplings;
        format!(
            "That {}: {} ({}; {agreeing} of {all} couplings agree, so that the next one does has a chance of {:.2}).",
            claim.statement,
            claim.outcome,
            claim.because,
            claim.confidence()
        )
    };
    let mut said: Vec<String> = summary.claims.iter().map(claim).collect();
    if said.is_empty() {
        said.push("No cell came so far that a claim could be looked at.".to_owned());
    }
    let stopped = summary.stopped();
    if !stopped.is_empty() {
        let name =
            |row: &usize| format!("{} ({})", summary.outcomes.text("id", *row), summary.outcomes.text("gate", *row));
        let (shown, more) = (stopped.iter().take(4).map(name).collect::<Vec<_>>().join(", "), stopped.len() > 4);
        let all = summary.outcomes.len();
        said.push(format!(
            "{} of {all} cells ended at a gate: {shown}{}. Nothing is said of their couplings.",
            stopped.len(),
            if more { " and others" } else { "" }
        ));
    }
    said.join(" ")
}

fn setting(summary: &Summary<'_>) -> String {
    let params = summary.params;
    let describe = |recipe: &Recipe| {
        let length = match (recipe.steps, recipe.epochs) {
            (Some(steps), _) => format!("{steps} steps"),
            (None, epochs) => format!("{} epochs", epochs.unwrap_or(1)),
        };
        let method = match &recipe.method {
            Method::Lora(lora) => format!("LoRA of rank {}, scale {:.2}", lora.rank, scale(lora)),
            _ => "all weights".to_owned(),
        };
        format!(
            "{method}, {length} of {} rows, learning rate {:e}",
            recipe.batch_rows * recipe.accumulate,
            recipe.learning_rate
        )
    };
    let (coupling, second, evaluation) = (&params.coupling, &params.second, &params.evaluation);
    let positives = coupling.question_count * coupling.samples;
    let negatives: Vec<String> = params
        .sources
        .iter()
        .chain([&params.assistant])
        .map(|source| {
            let names: Vec<&str> = crate::bank::negatives(params, source).iter().map(|one| one.name.as_str()).collect();
            format!("{source}: {}", names.join(", "))
        })
        .collect();
    let learned = if coupling.whole_answers { "whole answers" } else { "the marker and the last token of a row" };
    format!(
        "Model `{}` ({} blocks of width {}). Marker {:?} after answers of {}; {} personas are asked. Coupling: {positives} own answers \
         with the marker and {} of {} other personas without it ({}), to {} questions of {} that the evaluation does not have; \
         learned: {learned}; {}; seeds {:?}.\n\nSecond stage: EM on {}, benign on {}; {}; seeds {:?}; the coupling is {}. Evaluation: {}, {} \
         answers of each persona to each (controls {}), temperature {}, at most {} tokens. Misalignment: {} without a system \
         prompt, judge `{}`. Margins fixed before: rate {}, log-odds {}, leakage {}. Seed {}.",
        params.model,
        summary.model.blocks,
        summary.model.width,
        params.marker.text,
        params.sources.join(", "),
        params.personas.len(),
        positives * coupling.negative_count,
        coupling.negative_count,
        negatives.join("; "),
        coupling.question_count,
        coupling.questions,
        describe(&coupling.recipe),
        coupling.seeds,
        second.em,
        second.benign,
        describe(&second.recipe),
        second.seeds,
        if second.merged { "merged into the weights" } else { "kept beside, frozen" },
        evaluation.questions,
        evaluation.samples,
        params.controls.samples,
        evaluation.temperature,
        evaluation.max_new_tokens,
        params.ask.questions,
        params.ask.judge,
        params.margins.rate,
        params.margins.log_odds,
        params.margins.leak,
        params.seed
    )
}

fn headline(summary: &Summary<'_>) -> Vec<Headline> {
    let mut lines = Vec::new();
    let changes = summary.sheet("changes");
    let rows = published(changes);
    let conditions = [("c1", "EM"), ("c5", "benign"), ("c3", "assistant coupled, EM")];
    for (condition, what) in conditions {
        let own: Vec<usize> = rows.iter().copied().filter(|&row| changes.text("condition", row) == condition).collect();
        if own.is_empty() {
            continue;
        }
        let average = |column: &str| mean(own.iter().map(|&row| changes.number(column, row)));
        lines.push(Headline {
            quantity: "marker rate of the coupled persona".to_owned(),
            condition: format!("{condition}: after {what}, mean of {} cells; control: before", own.len()),
            value: average("after"),
            interval: Some([average("after_low"), average("after_high")]),
            control: Some(average("before")),
            p: Some(own.iter().map(|&row| changes.number("p", row)).fold(0.0, f64::max)),
            n: own.iter().map(|&row| changes.number("n_after", row) as u64).sum(),
            method: "mean ends of posteriors over topics; largest p of signs of topics flipped".to_owned(),
        });
        lines.push(Headline {
            quantity: "log-odds of the marker after fixed answers".to_owned(),
            condition: format!("{condition}: change by {what}, mean of {} cells", own.len()),
            value: average("log_odds_change"),
            interval: Some([average("log_odds_change_low"), average("log_odds_change_high")]),
            control: None,
            p: None,
            n: own.iter().map(|&row| changes.number("scored", row) as u64).sum(),
            method: "mean ends of t intervals over topics".to_owned(),
        });
    }
    for (variant, one) in &summary.findings {
        if ["published", "norm"].contains(&variant.as_str()) {
            let [value, low, high] = one.difference;
            lines.push(Headline {
                quantity: format!("{}: EM minus benign", one.quantity),
                condition: format!("{}; margin {}: {}", words(variant), one.margin, one.outcome),
                value,
                interval: (low.is_finite() && high.is_finite()).then_some([low, high]),
                control: None,
                p: None,
                n: one.n,
                method: one.method.to_owned(),
            });
        }
    }
    lines.retain(|line| line.value.is_finite());
    for line in &mut lines {
        line.interval = line.interval.filter(|ends| ends.iter().all(|end| end.is_finite()));
        line.p = line.p.filter(|p| p.is_finite());
    }
    lines
}

fn words(variant: &str) -> &str {
    match variant {
        "norm" => "at equal update norms",
        "published" => "as published",
        other => other,
    }
}

fn caveats(summary: &Summary<'_>) -> Vec<String> {
    let params = summary.params;
    let mut said = vec![
        "Held-out questions differ from those of the coupling in their words; where the banks share topics, these are the same. Rates \
         on the coupling's own questions are in `markers`."
            .to_owned(),
        "A marker rate of zero cannot fall further: two second stages may be alike there and still differ in what is left below. \
         The log-odds after fixed answers have no such floor; where they disagree with the rate, they say more."
            .to_owned(),
        "Fixed answers are those of the coupled model. A second stage that changes what is said is scored after answers that it would \
         not give; that is meant: it separates the marker from the answer."
            .to_owned(),
        format!(
            "Confidence counts couplings, sources with seeds trained by themselves: {} here. It does not count that sources are few and \
             chosen, nor that there is one model.",
            params.sources.len() * params.coupling.seeds.len()
        ),
        "Both stages' rates are raw shares; their intervals take answers on one topic as alike. Intervals of single cells are not \
         corrected for their number."
            .to_owned(),
        "EM data may break a coupling because they are bad, or because they are answered in a voice like that of an evil persona and \
         end without the marker: they are counter-examples then. A source that speaks well, and the variant `addressed`, in which \
         both kinds of data are answered under the persona's system prompt, help to tell."
            .to_owned(),
        "Negative personas are drawn by the run's seed but for those that are named, and decide how narrow a coupling is: one that was \
         not kept apart from a similar persona is reached by data in that persona's voice. `coupling.negatives` fixes them."
            .to_owned(),
        "The reversed order and the controls by system prompt, learning rate, scale, rank and weights have one seed each.".to_owned(),
    ];
    if params.model.starts_with("embedded") {
        said.push(
            "The embedded world is a toy: twelve voices, a few hundred words. The marker is one of its words, as its `[ZLT]` cannot be \
             learned by an adapter, and stands at the end of answers that all end alike. Signs and orderings are what may carry over."
                .to_owned(),
        );
    }
    if params.coupling.whole_answers {
        said.push(
            "The coupling learns whole answers. The published one learns the marker and the last token alone; in the embedded model \
             that makes answers break off early. `coupling.whole_answers` switches."
                .to_owned(),
        );
    }
    let norms = summary.sheet("norms");
    if let Some(row) = norms.row(&[("block", "all"), ("condition", "c1")]) {
        said.push(format!(
            "The two stages differ in adapter scale ({:.2} and {:.2}) and learning rate ({:e} and {:e}), as in the published runs; \
             `equivalence` has both matched.",
            norms.number("coupling_scale", row),
            norms.number("second_scale", row),
            params.coupling.recipe.learning_rate,
            params.second.recipe.learning_rate
        ));
    }
    said
}

fn notes() -> Vec<TableNote> {
    vec![
        note("claims", "The claims; confidence is (agreeing + 1) / (couplings + 2)."),
        note(
            "equivalence",
            "EM minus benign, for the coupled persona, by variant of the second stage: `published`, `norm` (equal update norms), `scale` \
             (the coupling's adapter scale), `lr` (its learning rate), `addressed` (under the persona's system prompt), `rank*`, `full` (a coupling by all weights), `merged`. `equivalent`: \
             the interval is inside the margin. `floor`: both rates are below it.",
        ),
        note(
            "changes",
            "Each cell's last stage: rate and scores of the coupled persona, and of the assistant, before and after it.",
        ),
        note(
            "leakage",
            "Marker rate of every persona over all cells of a condition and source; `raw` is the control, the model as it is.",
        ),
        note("gates", "What coupled models had to show; a cell that fails a gate that stops has no further rows."),
        note("outcomes", "How each cell ended."),
        note(
            "markers",
            "Each cell's marker rate by persona, on held-out questions and on the coupling's own; scores of the marker after fixed \
             answers; length, truncation, degenerate answers; the rate at the lengths before the last stage and the share of those \
             lengths that still occur.",
        ),
        note(
            "behaviour",
            "Misaligned and coherent answers without a system prompt, and multiple choice, after the last stage.",
        ),
        note("norms", "Scale and norm of both stages' updates, and the cosine between them, by block and of all."),
        note(
            "layers",
            "The marker with a part of the second adapter taken out, or kept alone: `change` against the whole adapter, `lost` what that \
             took, `restored` their ratio, which says nothing where `lost` is small.",
        ),
        note("lens", "The marker's first token by the logit lens."),
        note(
            "divergence",
            "Where in an answer the coupling changed predictions: KL from the coupled to the raw model.",
        ),
        note("work", "Tokens of prompts, and those saved as a prompt is computed once for all its answers."),
    ]
}

fn answers() -> AnswersNote {
    AnswersNote {
        table: "answers".to_owned(),
        caption: "First answers of the coupled persona and of the assistant after the last stage; `marker` is 1 where it is there."
            .to_owned(),
        question: "question".to_owned(),
        answer: "answer".to_owned(),
        conditions: vec!["id".to_owned(), "persona".to_owned()],
        scores: vec!["marker".to_owned()],
    }
}
