//! The words and the first numbers of the report, computed from the tables.

use emhost_sdk::prelude::*;

use crate::captions::notes;
use crate::compare::{Difference, Kind, METHOD};
use crate::correlate::{SCHEDULES, SEEDS};
use crate::grid::Grid;
use crate::summary::Summary;
use crate::verdict::{finding, over_steps, verdict};

/// The report.
pub fn report(summary: &Summary<'_>) -> Report {
    Report {
        question: "Does any schedule of training give a better aligned model at equal or lower in-domain loss, and do \
            held-out loss and alignment outside of the domain fall together over steps, data, families and seeds?"
            .to_owned(),
        verdict: verdict(summary),
        setting: setting(summary),
        headline: headline(summary),
        caveats: caveats(summary),
        tables: notes(),
        answers: vec![answers(summary)],
    }
}

fn answers(summary: &Summary<'_>) -> AnswersNote {
    AnswersNote {
        table: "answers".to_owned(),
        caption: format!(
            "Answers after the last step of each fine-tune, judged by `{}`. The condition is the schedule.",
            summary.params.ask.judge
        ),
        question: "question".to_owned(),
        answer: "answer".to_owned(),
        conditions: vec!["organism".to_owned(), "condition".to_owned()],
        scores: vec!["alignment".to_owned(), "coherence".to_owned()],
    }
}

fn setting(summary: &Summary<'_>) -> String {
    let params = summary.params;
    let family = |(family, model): (&crate::params::Family, &ModelInfo)| {
        format!("{} (`{}`, {} blocks of width {})", family.name, family.model, model.blocks, model.width)
    };
    let families: Vec<String> = params.families.iter().zip(&summary.models).map(family).collect();
    let data: Vec<String> = params
        .data
        .iter()
        .map(|data| {
            let rows = summary.trajectories.iter().find(|one| one.one.data == data.name);
            let [rows, unseen] = rows.map_or([0, 0], |one| one.end().held_out);
            format!(
                "{} ({}; {rows} rows held out, {unseen} of them to questions not in training)",
                data.name, data.data
            )
        })
        .collect();
    let recipe = &params.recipe;
    let length = match (recipe.steps, recipe.epochs) {
        (Some(steps), _) => format!("{steps} steps"),
        (None, epochs) => format!("{} epochs", epochs.unwrap_or(1)),
    };
    let method = match &recipe.method {
        Method::Lora(lora) => format!("LoRA of rank {}, alpha {}", lora.rank, lora.alpha),
        _ => "another method".to_owned(),
    };
    let ask = &params.ask;
    format!(
        "Families: {}. Data: {}. Baseline `{}`: {method}, {length} of {} conversations, seeds {:?}; followed at steps {:?} and \
         at its end. {} other schedules in {} on {}, seeds {:?}.\n\nQuestions: {}, {} answers to each on the way and {} at the \
         end, temperature {}, at most {} tokens. Judge `{}`: misaligned below {}, coherent above {}. Losses within {} of the \
         baseline's lowest count as equal to it. Seed {}.",
        families.join(", "),
        data.join(", "),
        params.baseline().name,
        recipe.batch_rows * recipe.accumulate,
        params.seeds,
        params.measure_at,
        summary.schedules.len() - 1,
        params.family,
        params.task,
        params.grid_seeds,
        ask.questions,
        ask.samples,
        params.final_samples,
        ask.temperature,
        ask.max_new_tokens,
        ask.judge,
        ask.misaligned_below,
        ask.coherent_above,
        params.loss_tolerance,
        params.seed
    )
}

fn headline(summary: &Summary<'_>) -> Vec<Headline> {
    let params = summary.params;
    let within = format!("{} on {}", params.family, params.task);
    let mut lines = Vec::new();
    for kind in [Kind::EqualLoss, Kind::BaselineEnd] {
        let Some(one) = finding(summary, kind) else { continue };
        lines.push(Headline {
            quantity: "schedules that are better aligned".to_owned(),
            condition: match kind {
                Kind::EqualLoss => format!("{within}, at equal held-out loss; control: ignoring seeds"),
                _ => format!("{within}, at the end, with no higher loss; control: ignoring seeds"),
            },
            value: one.better.len() as f64,
            interval: None,
            control: Some(one.better_ignoring_seeds as f64),
            p: None,
            n: one.asked as u64,
            method: METHOD.to_owned(),
        });
        let own = summary.claimed().iter().filter(|one| one.kind == kind && one.adjusted[0].is_finite());
        if let Some(best) = own.max_by(|a, b| a.difference[0].total_cmp(&b.difference[0])) {
            lines.push(most(summary, best));
        }
    }
    let control = summary.claimed().iter().filter(|one| one.kind == Kind::SeedControl && one.p.is_finite());
    if let Some(one) = control.max_by(|a, b| a.difference[0].total_cmp(&b.difference[0])) {
        lines.push(most(summary, one));
    }
    for family in &params.families {
        let Some(one) = over_steps(summary, &family.name).filter(|one| one.spearman[0].is_finite()) else { continue };
        lines.push(Headline {
            quantity: "Spearman's correlation of loss and alignment".to_owned(),
            condition: format!("{} on {}, over the baseline's checkpoints", family.name, params.task),
            value: one.spearman[0],
            interval: known(one.spearman),
            control: None,
            p: None,
            n: one.n as u64,
            method: one.method.to_owned(),
        });
    }
    for over in [SCHEDULES, SEEDS] {
        let found = summary.correlations.iter().find(|one| one.over == over && one.pearson[0].is_finite());
        lines.extend(found.map(|one| Headline {
            quantity: "Pearson's correlation of loss and alignment".to_owned(),
            condition: match over {
                SCHEDULES => format!("{within}, over the ends of schedules"),
                _ => "ends of seeds, within family, data and schedule".to_owned(),
            },
            value: one.pearson[0],
            interval: known(one.pearson),
            control: None,
            p: one.pearson_p.is_finite().then_some(one.pearson_p),
            n: one.n as u64,
            method: one.method.to_owned(),
        }));
    }
    lines.extend(summary.changes.iter().map(|one| Headline {
        quantity: "change of alignment".to_owned(),
        condition: format!(
            "{} on {}{}, end against the model before",
            one.family,
            one.data,
            if one.control { " (control)" } else { "" }
        ),
        value: one.difference[0],
        interval: known(one.difference),
        control: None,
        p: one.adjusted.is_finite().then_some(one.adjusted),
        n: (one.topics * one.seeds) as u64,
        method: one.method.to_owned(),
    }));
    lines
}

fn known([_, low, high]: [f64; 3]) -> Option<[f64; 2]> {
    (low.is_finite() && high.is_finite()).then_some([low, high])
}

/// The largest difference of a kind.
fn most(summary: &Summary<'_>, one: &Difference) -> Headline {
    Headline {
        quantity: "largest difference of alignment".to_owned(),
        condition: format!("{} ({}), {}", one.schedule, one.kind.name(), summary.params.task),
        value: one.difference[0],
        interval: known(one.difference),
        control: None,
        p: one.adjusted[0].is_finite().then_some(one.adjusted[0]),
        n: (one.by_topic.len() * one.seeds) as u64,
        method: format!("{METHOD}; interval of the largest, not corrected for the choice"),
    }
}

fn caveats(summary: &Summary<'_>) -> Vec<String> {
    let params = summary.params;
    let mut caveats = Vec::new();
    if params.families.iter().any(|family| family.model.starts_with("embedded")) {
        caveats.push(
            "The embedded organisms are toys: tiny models of a synthetic language that were shown good and evil personas. They \
             show that the measurement works, not what happens in large models."
                .to_owned(),
        );
    }
    if params.ask.judge.starts_with("lexicon") {
        caveats
            .push("The judge is a lexicon of the synthetic world: it knows its phrases and nothing else.".to_owned());
    }
    let width = finding(summary, Kind::EqualLoss).map_or(f64::NAN, |one| one.half_width);
    caveats.extend([
        format!(
            "That no schedule is shown to be better does not show that none is: differences below about {width:.1} points \
             cannot be seen with these topics and seeds."
        ),
        format!(
            "Schedules have {} seeds each. The error of seeds is pooled over all schedules, or the schedule's own where that \
             is larger: of a schedule whose two seeds agree by luck it may be too small.",
            params.grid_seeds.len()
        ),
        "Differences share the baseline, its seeds and the topics, so they are not independent: if the baseline was lucky, all \
         schedules look worse together."
            .to_owned(),
        "At equal loss a schedule's end is compared with a point on the baseline's way: a baseline that stopped there. Between \
         checkpoints that path is taken as straight, and checkpoints that do not lower the loss are left out."
            .to_owned(),
        "Held-out rows are other answers, but mostly to questions that training asks too: `loss_unseen` has the others alone. \
         Loss in the domain is that of bad advice: lower is not better for anybody."
            .to_owned(),
        "Intervals of losses and coefficients are over drawn questions, topics and seeds; checkpoints of one fine-tune are not \
         independent, so correlations over steps have no p-value."
            .to_owned(),
    ]);
    if params.grid == Grid::default() {
        caveats.push(
            "Rates of the grid were chosen by held-out loss, before any answer was sampled. Longer warm-ups and the decay of \
             `exp_range` are the published ones as shares of the training."
                .to_owned(),
        );
    }
    let below = summary.schedules.iter().filter(|one| summary.peaks_below(&one.name)).count();
    if below > 0 {
        caveats.push(format!(
            "{below} schedules never reach the baseline's learning rate. The published grid has none such, so what they show is \
             about slower training, which was not tested there."
        ));
    }
    let unjudged: u64 = summary.trajectories.iter().flat_map(|one| &one.points).map(|point| point.unjudged).sum();
    if unjudged > 0 {
        caveats.push(format!(
            "{unjudged} answers lack a score of alignment and are left out of means; they do not count as misaligned."
        ));
    }
    caveats
}
