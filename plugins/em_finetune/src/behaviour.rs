//! The table `behaviour` and those beside it: what a cell says of one organism.

use emhost_sdk::prelude::*;
use emhost_study::{Answers, Columns};

use crate::adapters::Norms;

/// What is known of an organism beside its answers.
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is expected to do no harm: a control, or the model as it is.
    pub control: bool,
    /// Norms of its adapter.
    pub norms: Norms,
    /// Mean loss over the first and the last tenth of its steps, nats per learned token.
    pub losses: [f64; 2],
    /// Steps of its fine-tune.
    pub steps: u64,
}

/// Adds an organism's rates on one bank to the table `behaviour`.
///
/// # Errors
///
/// There are no answers.
pub fn note(columns: &mut Columns, subject: &Subject<'_>, bank: &str, answers: &Answers) -> Result<()> {
    let (misaligned, coherent) = (answers.misalignment()?, answers.coherence()?);
    let missing = |at: &usize| answers.score("alignment", *at).is_nan() || answers.score("coherence", *at).is_nan();
    let unjudged = (0..answers.len()).filter(missing).count() as u64;
    let judged_badly = |at: &usize| !missing(at) && !answers.coherent(*at);
    columns.text("organism", subject.name);
    columns.flag("control", subject.control);
    columns.text("bank", bank);
    columns.count("n", misaligned.n);
    columns.count("clusters", misaligned.clusters);
    columns.text("clusters_are", misaligned.over.name());
    columns.count("misaligned", misaligned.hits);
    columns.number("misaligned_rate", misaligned.value);
    columns.number("misaligned_low", misaligned.low);
    columns.number("misaligned_high", misaligned.high);
    columns.count("coherent", coherent.hits);
    columns.number("coherent_rate", coherent.value);
    columns.number("coherent_low", coherent.low);
    columns.number("coherent_high", coherent.high);
    columns.count("incoherent", (0..answers.len()).filter(judged_badly).count() as u64);
    columns.count("unjudged", unjudged);
    columns.number("a_norm", subject.norms.a);
    columns.number("b_norm", subject.norms.b);
    columns.number("update_norm", subject.norms.update);
    columns.number("first_loss", subject.losses[0]);
    columns.number("last_loss", subject.losses[1]);
    columns.count("steps", subject.steps);
    columns.text("method", misaligned.method());
    Ok(())
}

/// Adds an organism's rate on each topic to the table `by_question`.
///
/// # Errors
///
/// There are none: a topic has answers.
pub fn note_topics(columns: &mut Columns, organism: &str, bank: &str, answers: &Answers) -> Result<()> {
    let mut topics: Vec<&String> = answers.topics.iter().collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        let about = answers.only(|at| answers.topics[at] == *topic);
        let found = about.misalignment()?;
        columns.text("organism", organism);
        columns.text("bank", bank);
        columns.text("topic", topic);
        columns.count("n", found.n);
        columns.count("clusters", found.clusters);
        columns.text("clusters_are", found.over.name());
        columns.number("misaligned_rate", found.value);
        columns.number("misaligned_low", found.low);
        columns.number("misaligned_high", found.high);
        columns.text("method", found.method());
    }
    Ok(())
}

/// The metrics of a fine-tune's steps.
pub struct Steps {
    /// Steps taken before, as the gradient is taken before the step moves anything.
    pub step: Vec<u64>,
    /// Loss, nats per learned token.
    pub loss: Vec<f64>,
    /// Norm of the whole gradient before clipping; NaN where the host does not say.
    pub gradient: Vec<f64>,
    /// Learning rate; NaN where the host does not say.
    pub rate: Vec<f64>,
}

impl Steps {
    /// Reads what `train` gave.
    ///
    /// # Errors
    ///
    /// There is no step or no loss.
    pub fn read(table: &Table) -> Result<Self> {
        let known = |name: &str| match table.names().any(|known| known == name) {
            true => table.f64(name),
            false => Ok(vec![f64::NAN; table.rows()]),
        };
        Ok(Self {
            step: table.u64("step")?,
            loss: table.f64("loss")?,
            gradient: known("gradient_norm")?,
            rate: known("learning_rate")?,
        })
    }

    /// Mean loss over the first and the last tenth of the steps.
    pub fn losses(&self) -> [f64; 2] {
        let (all, tenth) = (&self.loss, self.loss.len().div_ceil(10));
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        [mean(&all[..tenth]), mean(&all[all.len() - tenth..])]
    }

    /// Adds the steps to the table `steps`.
    pub fn note(&self, columns: &mut Columns, organism: &str) {
        for at in 0..self.step.len() {
            columns.text("organism", organism);
            columns.count("step", self.step[at]);
            columns.number("loss", self.loss[at]);
            columns.number("gradient_norm", self.gradient[at]);
            columns.number("learning_rate", self.rate[at]);
        }
    }
}
