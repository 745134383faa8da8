//! A cell: fine-tunes, then scores and asks what was kept on the way.

use emhost_sdk::prelude::*;
use emhost_stats::clusters::clustered_mean;
use emhost_study::{Answers, Clusters, Columns};

use crate::fine_tune::{FineTune, Resolved};
use crate::held_out::{Losses, Parts};
use crate::params::Params;

/// Runs the cell.
///
/// # Errors
///
/// The fine-tune's, the model's or the judge's own.
pub fn follow(lab: &Lab, params: &Params, one: &FineTune) -> Result<()> {
    let what = one.resolve(params)?;
    let parts = Parts::read(lab, what.data, params.held_out)?;
    let base = Organism::base(&what.family.model);
    let data = Rows::Inline(parts.training.clone());
    let request = Train { organism: base.clone(), data, recipe: what.recipe.clone() };
    let (reply, metrics) = lab.train(&request)?;
    let steps = Steps::read(&metrics)?;

    let mut moments = vec![(0, base, false)];
    let adapted = |adapter: &str| Organism::with_adapter(&what.family.model, adapter);
    let kept = reply.checkpoints.iter().filter(|(step, _)| what.at.contains(step) && *step < steps.loss.len());
    moments.extend(kept.map(|(step, adapter)| (*step, adapted(adapter), false)));
    moments.push((steps.loss.len(), adapted(&reply.weights), true));

    let mut tables = Tables::new(one, &what, &parts, params);
    let mut before = 0;
    for (at, (step, organism, last)) in moments.iter().enumerate() {
        lab.progress(at as u64, moments.len() as u64, &format!("score and ask after {step} steps"))?;
        let losses = parts.score(lab, organism)?;
        let asked = if *last { params.ask.with_samples(params.final_samples) } else { params.ask.clone() };
        let answers = asked.ask(lab, organism)?;
        let moment = Moment { step: *step, last: *last, trained: steps.between(before, *step), losses, answers };
        tables.add(&moment)?;
        before = *step;
    }
    tables.steps(&steps);
    tables.emit(lab)
}

/// Metrics of the steps of a fine-tune.
struct Steps {
    loss: Vec<f64>,
    /// Norm of the whole gradient before clipping; NaN where the host does not say.
    gradient: Vec<f64>,
    /// NaN where the host does not say.
    rate: Vec<f64>,
}

impl Steps {
    fn read(table: &Table) -> Result<Self> {
        let known = |name: &str| match table.names().any(|known| known == name) {
            true => table.f64(name),
            false => Ok(vec![f64::NAN; table.rows()]),
        };
        Ok(Self { loss: table.f64("loss")?, gradient: known("gradient_norm")?, rate: known("learning_rate")? })
    }

    /// Mean training loss over the steps from one moment to another, and the learning rate of the last of them.
    fn between(&self, from: usize, to: usize) -> [f64; 2] {
        let losses = &self.loss[from.min(to)..to];
        let rate = to.checked_sub(1).map_or(f64::NAN, |last| self.rate[last]);
        [losses.iter().sum::<f64>() / losses.len() as f64, rate]
    }
}

/// A fine-tune after some of its steps.
struct Moment {
    step: usize,
    last: bool,
    /// Training loss since the moment before, and learning rate.
    trained: [f64; 2],
    losses: Losses,
    answers: Answers,
}

/// The tables of a cell.
struct Tables<'a> {
    one: &'a FineTune,
    what: &'a Resolved<'a>,
    parts: &'a Parts,
    params: &'a Params,
    trajectory: Columns,
    topics: Columns,
    held_out: Columns,
    training: Columns,
    answers: Columns,
}

impl<'a> Tables<'a> {
    fn new(one: &'a FineTune, what: &'a Resolved<'a>, parts: &'a Parts, params: &'a Params) -> Self {
        let empty = Columns::default;
        let (trajectory, topics, held_out) = (empty(), empty(), empty());
        Self { one, what, parts, params, trajectory, topics, held_out, training: empty(), answers: empty() }
    }

    fn add(&mut self, moment: &Moment) -> Result<()> {
        self.place(moment)?;
        self.topics(moment)?;
        self.rows(moment);
        if moment.last {
            let FineTune { family, data, schedule, seed } = self.one;
            let organism = format!("{family}, {data}, seed {seed}");
            moment.answers.note(&mut self.answers, &organism, schedule);
        }
        Ok(())
    }

    /// A row of `trajectory`.
    fn place(&mut self, moment: &Moment) -> Result<()> {
        let Moment { step, last, trained, losses, answers } = moment;
        let (params, parts) = (self.params, self.parts);
        let every: Vec<usize> = (0..losses.nats.len()).collect();
        let unseen: Vec<usize> = every.iter().copied().filter(|&row| !parts.seen[row]).collect();
        let per_token = losses.interval(&parts.questions, params.seed, Losses::per_token)?;
        let per_sequence = losses.interval(&parts.questions, params.seed, Losses::per_sequence)?;
        let (misaligned, coherent) = (answers.misalignment()?, answers.coherence()?);
        let judged: Vec<usize> = (0..answers.len()).filter(|&at| !answers.score("alignment", at).is_nan()).collect();
        let sensible: Vec<usize> = judged.iter().copied().filter(|&at| answers.coherent(at)).collect();
        let coherence = (0..answers.len()).map(|at| answers.score("coherence", at)).filter(|score| !score.is_nan());

        let columns = &mut self.trajectory;
        named(columns, self.one, *step);
        columns.flag("control", self.what.data.control);
        columns.flag("baseline", self.what.baseline);
        columns.text("form", self.what.schedule.form());
        columns.flag("last", *last);
        columns.number("learning_rate", trained[1]);
        columns.number("train_loss", trained[0]);
        columns.count("held_out_rows", every.len() as u64);
        interval(columns, "loss_per_token", per_token);
        interval(columns, "loss_per_sequence", per_sequence);
        columns.number("loss_summed", losses.summed(&every));
        columns.count("unseen_rows", unseen.len() as u64);
        // Without such rows a mean is 0 / 0, which is missing.
        columns.number("loss_unseen", losses.per_token(&unseen));
        columns.count("n", misaligned.n);
        columns.count("clusters", misaligned.clusters);
        columns.text("clusters_are", misaligned.over.name());
        interval(columns, "misaligned_rate", [misaligned.value, misaligned.low, misaligned.high]);
        interval(columns, "alignment", mean_interval(answers, "alignment", &judged));
        interval(columns, "alignment_coherent", mean_interval(answers, "alignment", &sensible));
        columns.number("coherence", mean(&coherence.collect::<Vec<f64>>()));
        interval(columns, "coherent_rate", [coherent.value, coherent.low, coherent.high]);
        columns.count("unjudged", (answers.len() - judged.len()) as u64);
        columns.text("method", format!("{}; losses: percentile bootstrap over questions", misaligned.method()));
        Ok(())
    }

    /// Rows of `topics`: what comparisons take as independent.
    fn topics(&mut self, moment: &Moment) -> Result<()> {
        let answers = &moment.answers;
        let names = clusters(answers);
        let mut distinct: Vec<&String> = names.iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        for topic in distinct {
            let own: Vec<usize> = (0..names.len()).filter(|&at| names[at] == *topic).collect();
            let scores = |keep: &dyn Fn(usize) -> bool| {
                let kept = own.iter().copied().filter(|&at| keep(at)).map(|at| answers.score("alignment", at));
                kept.filter(|score| !score.is_nan()).collect::<Vec<f64>>()
            };
            let (judged, coherent) = (scores(&|_| true), scores(&|at| answers.coherent(at)));
            let misaligned = own.iter().filter(|&&at| answers.misaligned(at)).count();
            let columns = &mut self.topics;
            named(columns, self.one, moment.step);
            columns.text("topic", topic);
            columns.count("n", own.len() as u64);
            columns.count("judged", judged.len() as u64);
            columns.count("coherent", own.iter().filter(|&&at| answers.coherent(at)).count() as u64);
            columns.number("alignment", mean(&judged));
            columns.number("alignment_coherent", mean(&coherent));
            columns.number("misaligned_rate", misaligned as f64 / own.len() as f64);
        }
        Ok(())
    }

    /// Rows of `held_out_rows`.
    fn rows(&mut self, moment: &Moment) {
        let columns = &mut self.held_out;
        for (at, row) in self.parts.held_out.iter().enumerate() {
            named(columns, self.one, moment.step);
            columns.text("row_id", &row.row_id);
            columns.text("question", &self.parts.questions[at]);
            columns.flag("question_in_training", self.parts.seen[at]);
            columns.number("nats", moment.losses.nats[at]);
            columns.number("tokens", moment.losses.tokens[at]);
        }
    }

    /// Rows of `training`.
    fn steps(&mut self, steps: &Steps) {
        for at in 0..steps.loss.len() {
            named(&mut self.training, self.one, at);
            self.training.number("loss", steps.loss[at]);
            self.training.number("gradient_norm", steps.gradient[at]);
            self.training.number("learning_rate", steps.rate[at]);
        }
    }

    fn emit(self, lab: &Lab) -> Result<()> {
        lab.emit("trajectory", self.trajectory.table())?;
        lab.emit("topics", self.topics.table())?;
        lab.emit("held_out_rows", self.held_out.table())?;
        lab.emit("training", self.training.table())?;
        lab.emit("answers", self.answers.table())
    }
}

/// The columns that begin each table.
fn named(columns: &mut Columns, one: &FineTune, step: usize) {
    columns.text("family", &one.family);
    columns.text("data", &one.data);
    columns.text("schedule", &one.schedule);
    columns.count("seed", one.seed);
    columns.count("step", step as u64);
}

fn interval(columns: &mut Columns, name: &str, [value, low, high]: [f64; 3]) {
    columns.number(name, value);
    columns.number(&format!("{name}_low"), low);
    columns.number(&format!("{name}_high"), high);
}

/// What an answer is alike others in: its topic, or its question where there is a single topic.
fn clusters(answers: &Answers) -> &[String] {
    match Clusters::of(&answers.topics, &answers.row_ids) {
        Clusters::Topics => &answers.topics,
        Clusters::Questions | Clusters::Answers => &answers.row_ids,
    }
}

/// NaN of nothing, and of anything that is missing.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of a score over some answers, with its t interval over clusters where there is one.
fn mean_interval(answers: &Answers, metric: &str, of: &[usize]) -> [f64; 3] {
    let values: Vec<f64> = of.iter().map(|&at| answers.score(metric, at)).collect();
    let names = clusters(answers);
    let names: Vec<&String> = of.iter().map(|&at| &names[at]).collect();
    // Answers that all got the same score, or a single cluster, give no interval.
    match clustered_mean(&values, &names, 0.95) {
        Ok(found) => [found.mean, found.interval.low, found.interval.high],
        Err(_) => [mean(&values), f64::NAN, f64::NAN],
    }
}
