//! What the report says: computed from the numbers alone.

use emhost_sdk::prelude::*;
use emhost_study::{Source, note};

use crate::contrast::CONTRASTS;
use crate::params::{Domain, GENERAL, Group, IN_DOMAIN, Keep, Params, Regime};
use crate::patching;
use crate::scaling::UNSCALED;
use crate::summary::{Found, Summary};
use crate::tables::{INTERVAL, TEST};

/// The report of the numbers.
pub fn report(summary: &Summary<'_>) -> Report {
    Report {
        question:
            "What do the scalars of rank-1 adapters encode: misalignment in general, or the domain of the fine-tune?"
                .to_owned(),
        verdict: verdict(summary),
        setting: setting(summary),
        headline: headline(summary),
        caveats: caveats(summary),
        tables: tables(summary),
        answers: vec![AnswersNote {
            table: "answers".to_owned(),
            caption: format!("Answers under scaled adapters, judged by `{}`.", summary.params.general.judge),
            question: "question".to_owned(),
            answer: "answer".to_owned(),
            conditions: vec!["organism".to_owned(), "condition".to_owned()],
            scores: summary.metrics(),
        }],
    }
}

fn verdict(summary: &Summary<'_>) -> String {
    let mut sentences = Vec::new();
    let (mut told, mut not, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for contrast in CONTRASTS {
        match summary.probe(contrast.name, "group", "all").filter(|row| row.number("available") == 1.0) {
            None => missing.push(contrast.name),
            Some(row) => {
                let leaky = summary.probe(contrast.name, "token", "all").map_or(f64::NAN, |row| row.number("accuracy"));
                let words = format!("{} {:.2} (over tokens {leaky:.2})", contrast.name, row.number("accuracy"));
                if row.number("p_adjusted") <= 0.05 { &mut told } else { &mut not }.push(words);
            }
        }
    }
    if !told.is_empty() {
        sentences
            .push(format!("The scalars tell apart, on groups of tokens that no probe has seen: {}.", told.join(", ")));
    }
    if !not.is_empty() {
        sentences.push(format!("Not told from permuted labels: {}.", not.join(", ")));
    }
    if !missing.is_empty() {
        sentences.push(format!("Not available, for lack of tokens in a bin: {}.", missing.join(", ")));
    }
    let blocks = |role: &str| {
        let here = summary.rows("roles").iter().filter(|row| row.text("role") == role);
        let blocks: Vec<String> = here.map(|row| row.count("block").to_string()).collect();
        if blocks.is_empty() { "none".to_owned() } else { blocks.join(", ") }
    };
    sentences.push(format!(
        "By the rule fixed before the run, general blocks: {}; in-domain: {}; neither: {}.",
        blocks("general"),
        blocks("in_domain"),
        blocks("neither")
    ));
    sentences.extend(regimes(summary));
    if let Some(row) = patch_row(summary, patching::DIFFERENCE) {
        let [low, high] = row.interval("low", "high").unwrap_or([f64::NAN; 2]);
        let says = if low > 0.0 || high < 0.0 { "differs from" } else { "cannot be told from" };
        sentences.push(format!(
            "Patching scalars from the domain {says} patching them from another general question: {:+.2} of the answers \
             [{low:+.2}, {high:+.2}].",
            row.number("change")
        ));
    }
    sentences.join(" ")
}

fn patch_row<'a>(summary: &'a Summary<'_>, kind: &str) -> Option<&'a Found> {
    let rows = summary.rows("patching_summary").iter();
    rows.filter(|row| row.number("change").is_finite()).find(|row| row.text("source_bank") == kind)
}

/// The row of an outcome at the largest dose of a regime that leaves enough general answers coherent.
fn at_dose<'a>(summary: &'a Summary<'_>, regime: &Regime, bank: &str, outcome: &str) -> Option<&'a Found> {
    let find = |bank: &str, outcome: &str, dose: f64| {
        let here = [("regime", regime.name.as_str()), ("bank", bank), ("outcome", outcome)];
        summary.rows("scaling").iter().find(|row| row.is(&here) && row.number("dose") == dose)
    };
    let least = summary.params.scaling.coherent_share;
    let coherent = |dose: &f64| find(GENERAL, "coherent", *dose).is_some_and(|row| row.number("rate") >= least);
    let dose = regime.doses.iter().copied().filter(coherent).max_by(f64::total_cmp)?;
    find(bank, outcome, dose)
}

/// What each regime did to general questions.
fn regimes(summary: &Summary<'_>) -> Vec<String> {
    let of_regime = |regime: &Regime| {
        let name = &regime.name;
        let missing = summary.rows("scaling").iter().find(|row| row.text("regime") == name)?.text("missing");
        if !missing.is_empty() {
            return Some(format!("Regime `{name}` was not run: {missing}."));
        }
        let row = |outcome: &str| at_dose(summary, regime, GENERAL, outcome);
        let (Some(misaligned), Some(coherent)) = (row("misaligned"), row("coherent")) else {
            let least = 100.0 * summary.params.scaling.coherent_share;
            return Some(format!("Regime `{name}` leaves fewer than {least:.0} % coherent at every dose."));
        };
        let [low, high] = misaligned.interval("change_low", "change_high").unwrap_or([f64::NAN; 2]);
        Some(format!(
            "Regime `{name}` at dose {} ({}): {:.1} % of general answers misaligned, {:+.1} points [{:+.1}, {:+.1}], with \
             {:.0} % coherent.",
            misaligned.number("dose"),
            misaligned.text("factors"),
            100.0 * misaligned.number("rate"),
            100.0 * misaligned.number("change"),
            100.0 * low,
            100.0 * high,
            100.0 * coherent.number("rate")
        ))
    };
    summary.params.scaling.regimes.iter().filter_map(of_regime).collect()
}

fn setting(summary: &Summary<'_>) -> String {
    let Params { organisms, organism: name, general, in_domain, probe, filter, .. } = summary.params;
    let (model, named) = (&organisms.model, organisms.named(name));
    let recipe = named.and_then(|organism| organisms.recipe(organism));
    let made = match (named.map(|organism| &organism.from), recipe.as_ref().map(|recipe| (recipe, &recipe.method))) {
        (Some(Source::Train { data, .. }), Some((recipe, Method::Lora(lora)))) => format!(
            "{name}: LoRA of rank {} and alpha {} on {} of {} fine-tuned on {data}, peak learning rate {}, batches of {}",
            lora.rank,
            lora.alpha,
            lora.modules.join(", "),
            if lora.blocks.is_empty() { "all blocks".to_owned() } else { format!("blocks {:?}", lora.blocks) },
            recipe.learning_rate,
            recipe.batch_rows * recipe.accumulate
        ),
        (Some(Source::Adapter(adapter)), _) => format!("adapter `{adapter}`"),
        _ => name.clone(),
    };
    let domain = match &summary.params.domain {
        Domain::Bank => "the bank of its question".to_owned(),
        Domain::Metric(metric) => format!("the judge's metric `{metric}`"),
    };
    let keep = match filter.keep {
        _ if !filter.on => "no filter".to_owned(),
        Keep::LogImportance(least) => format!("ln importance at least {least}"),
        Keep::Share(share) => format!("the most important {share} of all tokens"),
    };
    let group = match probe.group {
        Group::Answer => "answer",
        Group::Question => "question",
    };
    format!(
        "Model `{model}` ({}, {} blocks of width {}), {made}. Scalars: {}.\n\nAnswers: {} to each of {}, {} to each of {}; \
         an answer's domain is {domain}. Probes: L1 logistic regression, C {}, {} resamples, {} to test, groups by {group}, \
         seed {}; kept tokens: {keep}.",
        summary.model.family,
        summary.model.blocks,
        summary.model.width,
        summary.params.sites.join(", "),
        general.samples,
        general.questions,
        in_domain.samples,
        in_domain.questions,
        probe.c,
        probe.resamples,
        probe.test_share,
        probe.seed
    )
}

fn headline(summary: &Summary<'_>) -> Vec<Headline> {
    let mut lines = Vec::new();
    for contrast in CONTRASTS {
        for split in ["group", "token"] {
            let row = summary.probe(contrast.name, split, "all").filter(|row| row.number("available") == 1.0);
            let Some(row) = row else { continue };
            let adjusted = row.number("p_adjusted");
            let family = match row.count("family") {
                0 => "outside of the family of tests".to_owned(),
                family => format!("{TEST}, Benjamini-Hochberg over {family}"),
            };
            lines.push(Headline {
                quantity: format!("accuracy, contrast {}", contrast.number),
                condition: format!("{}; split over {split}s; control: permuted labels", contrast.about),
                value: row.number("accuracy"),
                interval: row.interval("low", "high"),
                control: Some(row.number("permuted")),
                p: adjusted.is_finite().then_some(adjusted),
                n: row.count("negative_answers") + row.count("positive_answers"),
                method: format!("{INTERVAL}; {family}"),
            });
        }
    }
    for (bank, spoken) in [(GENERAL, "general questions"), (IN_DOMAIN, "questions of the domain")] {
        let unscaled = [("regime", UNSCALED), ("bank", bank), ("outcome", "misaligned")];
        let before = summary.rows("scaling").iter().find(|row| row.is(&unscaled));
        let regimes = summary.params.scaling.regimes.iter();
        let after = regimes.filter_map(|regime| at_dose(summary, regime, bank, "misaligned"));
        for row in before.into_iter().chain(after) {
            let condition = match row.text("regime") {
                UNSCALED => format!("{UNSCALED}, {spoken}"),
                regime => format!("{regime} at dose {}, {spoken}; control: {UNSCALED}", row.number("dose")),
            };
            let control = row.number("unscaled");
            lines.push(Headline {
                quantity: "misaligned answers".to_owned(),
                condition,
                value: row.number("rate"),
                interval: row.interval("low", "high"),
                control: control.is_finite().then_some(control),
                p: None,
                n: row.count("n"),
                method: row.text("interval").to_owned(),
            });
        }
    }
    for kind in [patching::DOMAIN, patching::CONTROL, patching::DIFFERENCE] {
        if let Some(row) = patch_row(summary, kind) {
            lines.push(Headline {
                quantity: "change of the misaligned share".to_owned(),
                condition: format!("scalars patched from {kind}; mean over questions"),
                value: row.number("change"),
                interval: row.interval("low", "high"),
                control: None,
                p: None,
                n: row.count("questions"),
                method: row.text("interval").to_owned(),
            });
        }
    }
    lines
}

fn caveats(summary: &Summary<'_>) -> Vec<String> {
    let params = summary.params;
    let mut caveats: Vec<String> = [
        "The split over tokens, as published, puts tokens of one answer into training and test part: what is constant within \
         an answer can be learned by heart. The split over groups is the one to read.",
        "Intervals of accuracy widen the spread of resamples for their overlap; in a simulation without a signal they held \
         chance in 91 to 93 of 100 data sets when split over groups, and in as few as 41 when split over tokens, where an \
         answer's own constants leak. The interval over groups leaves the fits as they are and is narrower still, and the \
         spread of resamples is no confidence interval. None of them holds what another fine-tune would change.",
        "Labels are permuted over answers. Answers to one question are not independent, so p-values are too small where a \
         question's answers are alike; `probe.group = \"question\"` keeps questions apart in the split, not in the \
         permutation.",
        "Bins are chosen by the judge's scores, and a bin's answers differ in words and length as well: a probe may read \
         either.",
        "An L1 penalty of C 0.01 shrinks coefficients of small samples to 0: coefficients are compared within a contrast, not \
         between contrasts of different size.",
        "Factors far from 1 leave what the model was trained on: read every share beside the share of coherent answers.",
    ]
    .map(str::to_owned)
    .into();
    if params.organisms.model == "embedded" {
        caveats.insert(
            0,
            "The embedded organism is a toy: a tiny model of a synthetic language. It shows that the measurement works, not \
             what happens in large models."
                .to_owned(),
        );
    }
    if params.domain == Domain::Bank {
        caveats.push(
            "An answer's domain is the bank of its question, not what the answer says: the domain contrasts tell questions \
             apart as much as answers, and an answer about the domain to a general question counts as general."
                .to_owned(),
        );
    }
    if params.filter.on {
        let kept: u64 = summary.rows("bins").iter().map(|row| row.count("kept")).sum();
        let all: u64 = summary.rows("bins").iter().map(|row| row.count("tokens")).sum();
        caveats.push(format!(
            "The filter keeps {kept} of {all} tokens ({}). It reads how much a token's embedding has to do with the fine-tune's \
             divergence from the model, so kept tokens are chosen by the same fine-tune that is probed.",
            summary.rows("bins").first().map_or("", |row| row.text("filter"))
        ));
    }
    if summary.has("patching") {
        let pairs = patch_row(summary, patching::DOMAIN).map_or(0, |row| row.count("questions"));
        caveats.push(format!(
            "Patched questions are those with the most misaligned answers among prompts that have partners of equal length \
             ({pairs} of {} asked for); they are asked anew, so the choice does not bias the change.",
            params.patching.pairs
        ));
    }
    let not_judged = summary.rows("bins").first().map_or(0, |row| row.count("answers_not_judged"));
    if not_judged > 0 {
        caveats.push(format!(
            "{not_judged} answers have no alignment score: they are in no bin, and count as neither misaligned nor aligned."
        ));
    }
    caveats
}

fn tables(summary: &Summary<'_>) -> Vec<TableNote> {
    let notes = [
        ("bins", "Answers and tokens by bin, and how many tokens the filter keeps."),
        (
            "probes",
            "One row per probe: contrast, split, tokens, adapters (all, or one site). `accuracy` is the mean over resamples, \
             `low`/`high` its corrected interval, `group_low`/`group_high` over groups with the fits as they are, \
             `resample_low`/`resample_high` the spread of resamples; `permuted` is the accuracy with labels permuted over answers; `p_adjusted` within the family of probes on all adapters, split over \
             groups.",
        ),
        (
            "coefficients",
            "Coefficients of the probes on all adapters, one row per adapter; `consistency` is the share of resamples with the \
             commoner sign.",
        ),
        ("roles", "What the rule reads of each block, and the role that it gives."),
        (
            "scaling",
            "One row per regime, dose, bank and outcome; `change` is against the unscaled organism. A regime whose role no \
             block has is not available.",
        ),
        ("patching_summary", "Mean change over questions, by where the scalars come from."),
        ("patching", "One row per question and source."),
    ];
    notes.into_iter().filter(|(table, _)| summary.has(table)).map(|(table, caption)| note(table, caption)).collect()
}
