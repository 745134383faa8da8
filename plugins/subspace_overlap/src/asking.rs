//! Makes an organism, asks it and the model before, and says how their answers differ.

use emhost_sdk::prelude::*;
use emhost_study::{Answers, Columns, TrainedOrganism};

use crate::comparisons::{Scored, compare, question_scores};
use crate::params::{HEADLINE, Params};
use crate::tables::Behaviour;

/// An organism with its answers.
pub struct Asking {
    /// The model before the fine-tune.
    pub base: Organism,
    /// The organism.
    pub made: Organism,
    banks: Vec<Bank>,
}

/// Answers to one bank.
struct Bank {
    name: String,
    before: Answers,
    after: Answers,
}

/// Fine-tunes an organism or finds it, asks it before and after, and emits `training`, `behaviour`, `answers`,
/// `comparisons` and `question_scores`.
///
/// # Errors
///
/// The model's or the judge's own.
pub fn ask(lab: &Lab, params: &Params, organism: &TrainedOrganism) -> Result<Asking> {
    let TrainedOrganism { name, .. } = organism;
    let asked = asked(params);
    let total = 2 * asked.len() as u64 + 1;
    lab.progress(0, total, &format!("make {name}"))?;
    let made = params.organisms.make(lab, organism)?;
    if let Some(steps) = made.steps {
        let label: Vec<&str> = vec![name; steps.rows()];
        lab.emit("training", steps.with_text("organism", label))?;
    }
    let (base, made) = (Organism::base(params.organisms.model(organism)), made.organism);
    let (mut behaviours, mut given, mut banks) = (Vec::new(), Columns::default(), Vec::new());
    for (bank, asked) in asked {
        let mut both = Vec::new();
        for (condition, model) in [("before", &base), ("after", &made)] {
            lab.progress(1 + behaviours.len() as u64, total, &format!("sample and judge {bank} {condition}"))?;
            let answers = asked.ask(lab, model)?;
            answers.note(&mut given, name, condition);
            (0..answers.len()).for_each(|_| given.text("bank", bank));
            behaviours.push(Behaviour {
                organism: name.clone(),
                bank: bank.to_owned(),
                condition: condition.to_owned(),
                ..behaviour(&answers)?
            });
            both.push(answers);
        }
        if let (true, Ok([before, after])) = (bank != HEADLINE, <[Answers; 2]>::try_from(both)) {
            banks.push(Bank { name: bank.to_owned(), before, after });
        }
    }
    lab.emit("behaviour", Behaviour::table(&behaviours))?;
    lab.emit("answers", given.table())?;
    let (mut comparisons, mut questions) = (Columns::default(), Columns::default());
    for Bank { name: bank, before, after } in &banks {
        let (before, after) = (Scored::of(before), Scored::of(after));
        compare(&mut comparisons, [name, bank], &before, &after, params.bootstrap())?;
        question_scores(&mut questions, [name, bank], &before, &after);
    }
    if !comparisons.is_empty() {
        lab.emit("comparisons", comparisons.table())?;
        lab.emit("question_scores", questions.table())?;
    }
    Ok(Asking { base, made, banks })
}

impl Asking {
    /// The organism's answers to a bank, where it was asked.
    pub fn after(&self, bank: &str) -> Option<&Answers> {
        self.bank(bank).map(|bank| &bank.after)
    }

    /// The answers of the model before.
    pub fn before(&self, bank: &str) -> Option<&Answers> {
        self.bank(bank).map(|bank| &bank.before)
    }

    fn bank(&self, name: &str) -> Option<&Bank> {
        self.banks.iter().find(|bank| bank.name == name)
    }
}

/// What is asked, with its name.
pub fn asked(params: &Params) -> Vec<(&str, emhost_study::Asked)> {
    let banks = params.banks.iter().filter(|_| params.bank_samples > 0);
    let banks = banks.map(|bank| (bank.name.as_str(), params.asked(bank)));
    [(HEADLINE, params.behaviour.clone())].into_iter().chain(banks).collect()
}

fn behaviour(answers: &Answers) -> Result<Behaviour> {
    let (misaligned, coherent) = (answers.misalignment()?, answers.coherence()?);
    let mut questions = answers.row_ids.clone();
    questions.sort_unstable();
    questions.dedup();
    let unjudged = (0..answers.len()).filter(|&at| answers.coherent(at) && answers.score("alignment", at).is_nan());
    Ok(Behaviour {
        questions: questions.len() as u64,
        n: misaligned.n,
        clusters: misaligned.clusters,
        unjudged: unjudged.count() as u64,
        coherent: coherent.hits,
        coherent_rate: coherent.value,
        coherent_low: coherent.low,
        coherent_high: coherent.high,
        misaligned: misaligned.hits,
        misaligned_rate: misaligned.value,
        misaligned_low: misaligned.low,
        misaligned_high: misaligned.high,
        interval: misaligned.method().to_owned(),
        ..Behaviour::default()
    })
}
