//! The words and the first numbers of the report, computed from the tables.

use emhost_sdk::prelude::*;
use emhost_study::Source;

use crate::captions::notes;
use crate::comparison::{AGAINST_BASE, METHOD};
use crate::summary::{Behaviour, Event, Summary};
use crate::verdict::{RISE, rise_at, verdict};

/// The report.
pub fn report(summary: &Summary<'_>) -> Report {
    Report {
        question:
            "Does fine-tuning on bad advice in one narrow domain make a model misaligned in others, with adapters of \
            every rank and with all weights, for every seed; and does it happen suddenly, together with a turn of the \
            adapter's B and a peak of the gradient?"
                .to_owned(),
        verdict: verdict(summary),
        setting: setting(summary),
        headline: headline(summary),
        caveats: caveats(summary),
        tables: notes(summary),
        answers: vec![answers(summary)],
    }
}

fn answers(summary: &Summary<'_>) -> AnswersNote {
    let ask = &summary.params.ask;
    AnswersNote {
        table: "answers".to_owned(),
        caption: format!(
            "Answers of the model before and of each organism, judged by `{}`. The condition is the bank of questions.",
            ask.judge
        ),
        question: "question".to_owned(),
        answer: "answer".to_owned(),
        conditions: vec!["organism".to_owned(), "condition".to_owned()],
        scores: vec!["alignment".to_owned(), "coherence".to_owned()],
    }
}

fn setting(summary: &Summary<'_>) -> String {
    let (params, model) = (summary.params, &summary.model);
    let recipes = params.organisms.recipes.iter().map(|(name, recipe)| format!("`{name}`: {}", recipe_said(recipe)));
    let organism = |name: &str, from: &Source| match from {
        Source::Train { data, recipe, seed } => {
            let seed = seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
            format!("{name} ({data}, `{recipe}`{seed})")
        }
        Source::Adapter(folder) | Source::Weights(folder) => format!("{name} ({folder})"),
    };
    let organisms = params.organisms.list.iter().map(|one| organism(&one.name, &one.from));
    let ask = &params.ask;
    let limit = ask.limit.map(|limit| format!(", the first {limit} of them")).unwrap_or_default();
    format!(
        "Model `{}` ({}, {} blocks of width {}). Recipes: {}. Organisms: {}.\n\nQuestions: {}{limit}, {} answers to each at \
         temperature {}, at most {} tokens; answers inside each organism's domain in the same way. Judge `{}`: misaligned \
         below {}, coherent above {}. Seed {}.",
        params.organisms.model,
        model.family,
        model.blocks,
        model.width,
        recipes.collect::<Vec<_>>().join("; "),
        organisms.collect::<Vec<_>>().join(", "),
        ask.questions,
        ask.samples,
        ask.temperature,
        ask.max_new_tokens,
        ask.judge,
        ask.misaligned_below,
        ask.coherent_above,
        params.seed
    )
}

fn recipe_said(recipe: &Recipe) -> String {
    let method = match &recipe.method {
        Method::Lora(Lora { rank, alpha, rslora, modules, blocks, .. }) => {
            let scale = if *rslora { "rsLoRA" } else { "LoRA" };
            let modules = if modules.is_empty() { "all projections".to_owned() } else { modules.join(", ") };
            let blocks = if blocks.is_empty() { "all blocks".to_owned() } else { format!("blocks {blocks:?}") };
            format!("{scale} of rank {rank}, alpha {alpha}, {modules} of {blocks}")
        }
        Method::Full => "all weights".to_owned(),
        Method::Adapters(adapters) => format!("{} adapters at once", adapters.len()),
        Method::Steering(vector) => format!("vectors at {}", vector.sites),
    };
    let length = match (recipe.steps, recipe.epochs) {
        (Some(steps), _) => format!("{steps} steps"),
        (None, epochs) => format!("{} epochs in steps", epochs.unwrap_or(1)),
    };
    format!(
        "{method}, learning rate {}, {length} of {} conversations",
        recipe.learning_rate,
        recipe.batch_rows * recipe.accumulate
    )
}

fn headline(summary: &Summary<'_>) -> Vec<Headline> {
    let general = summary.params.general();
    let tests = summary.comparisons.iter().filter(|one| one.family == AGAINST_BASE && one.p.is_finite()).count();
    let line = |row: &Behaviour, quantity: &str| {
        let found = summary.against_base(&row.organism, &row.bank);
        Headline {
            quantity: quantity.to_owned(),
            condition: format!("{}, asked about {}; control: the model before", row.organism, row.bank),
            value: row.misaligned[0],
            interval: Some([row.misaligned[1], row.misaligned[2]]),
            control: summary.base(&row.bank).map(|base| base.misaligned[0]),
            p: found.map(|one| one.adjusted).filter(|p| p.is_finite()),
            n: row.n,
            method: format!("{}; {METHOD} over {tests}", row.method),
        }
    };
    let rows = |inside: bool| {
        let of = move |name| if inside { summary.in_domain(name) } else { summary.behaviour(name, general) };
        summary.organisms().filter_map(of)
    };
    let mut lines: Vec<Headline> = rows(false).map(|row| line(row, "misaligned answers, general")).collect();
    lines.extend(rows(true).map(|row| line(row, "misaligned answers, own domain")));
    // Of the rises only that at an organism's first scale.
    let first = |event: &Event| {
        let phase = summary.params.phase.iter().find(|phase| phase.organism == event.organism);
        phase.and_then(|phase| phase.scales.first()).is_some_and(|scale| event.what == rise_at(*scale))
    };
    for event in summary.followed.iter().flat_map(|followed| &followed.events) {
        if event.step.is_finite() && (first(event) || !event.what.starts_with(RISE)) {
            lines.push(Headline {
                quantity: format!("step of the {}", event.what),
                condition: format!("{}; control: the step of the steepest rise at the first scale", event.organism),
                value: event.step,
                interval: event.interval[0].is_finite().then_some(event.interval),
                control: event.after_rise.is_finite().then_some(event.step - event.after_rise),
                p: None,
                n: event.n,
                method: event.method.clone(),
            });
        }
    }
    lines
}

fn caveats(summary: &Summary<'_>) -> Vec<String> {
    let params = summary.params;
    let mut caveats = Vec::new();
    if params.organisms.model == "embedded" {
        caveats.push(
            "The embedded organism is a toy: a tiny model of a synthetic language that was shown good and evil personas. It \
             shows that the measurement works, not what happens in large models."
                .to_owned(),
        );
    }
    if params.ask.judge.starts_with("lexicon") {
        caveats
            .push("The judge is a lexicon of the synthetic world: it knows its phrases and nothing else.".to_owned());
    }
    caveats.extend([
        "One model was fine-tuned. Intervals cover the choice of topics and answers; how much seeds of one recipe \
         differ is in the family `between seeds`; a recipe with one seed says nothing about others."
            .to_owned(),
        format!(
            "Rates depend on the thresholds (misaligned below {}, coherent above {}; published are 30 and 50). Scores are in \
             `answers`, so others can be tried.",
            params.ask.misaligned_below, params.ask.coherent_above
        ),
        "The same questions are asked before and after, so tests pair answers and exchange whole topics (where a bank has one \
         topic, whole questions). The interval of a difference takes the two rates as independent, which makes \
         it too wide where topics agree. With few topics no small p-value exists: 2 / 2^topics is the least."
            .to_owned(),
        "That a pair of seeds cannot be told apart does not show that they are equal: see the intervals of the differences."
            .to_owned(),
        "Inside and outside of a domain other questions are asked, so their rates differ for other reasons too: each is \
         compared with the model before on the same questions."
            .to_owned(),
    ]);
    if !params.phase.is_empty() {
        caveats.extend(phase_caveats());
    }
    let unjudged: u64 = summary.behaviours.iter().map(|row| row.unjudged).sum();
    if unjudged > 0 {
        caveats.push(format!(
            "{unjudged} answers lack a score of alignment or coherence; they do not count as misaligned."
        ));
    }
    caveats
}

fn phase_caveats() -> [String; 4] {
    [
        "The steepest rise is the largest of several noisy differences: its share of the rise is too large also where a rate \
         grows evenly. Its interval resamples topics, not fine-tunes: one seed was followed."
            .to_owned(),
        "Gradient peak and sharpest turn are extremes of a single run and have no interval. That two of them lie close to \
         each other in a short fine-tune is no sign of a common cause."
            .to_owned(),
        "Of B alone only the path of one run has a meaning: above rank 1 the same update can be written with another basis."
            .to_owned(),
        "The composition score needs as many inputs as outputs (as a rule of query and output projections \
         alone); elsewhere, as of `down_proj`, it is missing."
            .to_owned(),
    ]
}
