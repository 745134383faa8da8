//! Where in the model the coupling is, and where a second stage breaks it.
//!
//! The marker's log-odds after the source's own fixed answers, with the second adapter taken out of one block or one kind of
//! projection, or kept in it alone; the logit lens of the marker; and where in an answer the coupling changed predictions.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::cell::{Banks, Emitted, coupled, describe};
use crate::forced::{Fixed, Forced, fixed, score};
use crate::marked;
use crate::notes::{log_odds, logprob, mean_over};
use crate::params::{Params, Persona};
use crate::second::{self, merge};
use crate::stages::{Kind, Stages, Variant};

/// Cells that look inside: each source with both kinds of second stage, with the first seeds.
pub fn all(params: &Params) -> Vec<Stages> {
    let (Some(&coupling), Some(&seed)) = (params.coupling.seeds.first(), params.second.seeds.first()) else {
        return Vec::new();
    };
    let of = |source: &String, kind| Stages {
        condition: if kind == Kind::Em { "c1" } else { "c5" }.to_owned(),
        variant: Variant::Published,
        coupling: Some((source.clone(), coupling)),
        second: Some((kind, seed)),
    };
    let sources = params.sources.iter().filter(|_| params.inside);
    sources.flat_map(|source| Kind::BOTH.map(|kind| of(source, kind))).collect()
}

/// Which part of the second adapter is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Block(usize),
    Module(&'static str),
}

/// Projections that adapters may have.
pub const MODULES: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// Runs a cell.
///
/// # Errors
///
/// What the lab said.
pub fn run(lab: &Lab, params: &Params, stages: &Stages) -> Result<()> {
    const STEPS: u64 = 4;
    let mut emitted = Emitted { lab, names: Vec::new() };
    let (Some(persona), Some((kind, seed))) = (params.persona(stages.source()), stages.second) else {
        return Err(Error::Plugin(format!("`{}` has no coupling or no second stage", stages.id())));
    };
    lab.progress(0, STEPS, "coupling")?;
    let banks = Banks::read(lab, params)?;
    let everyone: Vec<&Persona> = params.personas.iter().collect();
    let first = coupled(lab, params, &banks, stages)?;
    // All personas are asked as in the other cells, which is then one stage for all.
    let before = marked::ask(lab, params, &first.organism, &everyone, &banks.held_out, params.evaluation.samples)?;
    let mut gates = Columns::default();
    let stopped = crate::gates::pass(&mut gates, params, stages, &before)?;
    if stopped.is_some() {
        return emitted.finish(stages, stopped);
    }
    let answers = fixed(&before, &params.marker, &[persona], &banks.held_out);
    if answers.is_empty() {
        return emitted.finish(stages, Some("no answer of the source is complete".to_owned()));
    }
    lab.progress(1, STEPS, "second stage")?;
    let staged = second::make(lab, params, stages, &first, kind, seed)?;
    let measured = Measured { lab, params, stages, answers: &answers };

    lab.progress(2, STEPS, "the second adapter by block and projection")?;
    emitted.emit("layers", measured.layers(&first.organism, &staged.organism)?)?;
    lab.progress(3, STEPS, "logit lens")?;
    let (divergence, rows) = measured.tokens(&first.organism)?;
    emitted.emit("divergence", divergence)?;
    emitted.emit("lens", measured.lens(&rows, &first.organism, &staged.organism)?)?;
    emitted.finish(stages, None)
}

struct Measured<'a> {
    lab: &'a Lab,
    params: &'a Params,
    stages: &'a Stages,
    answers: &'a [Fixed],
}

impl Measured<'_> {
    fn topics(&self) -> Vec<&str> {
        self.answers.iter().map(|one| one.topic.as_str()).collect()
    }

    /// The table `layers`.
    fn layers(&self, first: &Organism, after: &Organism) -> Result<Columns> {
        let Self { lab, params, answers, .. } = self;
        let blocks = lab.model_info(&Organism::base(&params.model))?.blocks;
        let modules = match &params.second.recipe.method {
            Method::Lora(lora) if !lora.modules.is_empty() => lora.modules.clone(),
            _ => MODULES.map(str::to_owned).to_vec(),
        };
        let adapted = |module: &&str| modules.iter().any(|own| own == *module);
        let parts = (0..blocks).map(Part::Block).chain(MODULES.into_iter().filter(adapted).map(Part::Module));
        let was = score(lab, first, answers, &params.marker, Vec::new())?;
        let is = score(lab, after, answers, &params.marker, Vec::new())?;
        let mut columns = Columns::default();
        self.note(&mut columns, ["both", "", "kept"], &is, [&was, &is])?;
        self.note(&mut columns, ["both", "", "removed"], &was, [&was, &is])?;
        for part in parts {
            let (name, place) = match &part {
                Part::Block(block) => ("block", block.to_string()),
                Part::Module(module) => ("module", (*module).to_owned()),
            };
            for action in ["removed", "kept"] {
                let edit = take_out(&part, action == "kept", blocks, &modules, after.adapters.len() - 1);
                let now = match edit {
                    Some(edit) => score(lab, after, answers, &params.marker, vec![edit])?,
                    // The adapter has this part alone: kept, nothing is taken out.
                    None => is.clone(),
                };
                self.note(&mut columns, [name, &place, action], &now, [&was, &is])?;
            }
        }
        Ok(columns)
    }

    fn note(&self, columns: &mut Columns, name: [&str; 3], now: &[Forced], [was, is]: [&[Forced]; 2]) -> Result<()> {
        let topics = self.topics();
        let [part, place, action] = name;
        describe(columns, self.stages);
        columns.text("part", part);
        columns.text("place", place);
        columns.text("action", action);
        for (name, value) in [("logprob", logprob as fn(&Forced) -> f64), ("log_odds", log_odds)] {
            let values: Vec<f64> = now.iter().map(value).collect();
            let [mean, low, high] = mean_over(&values, &topics)?;
            columns.number(name, mean);
            columns.number(&format!("{name}_low"), low);
            columns.number(&format!("{name}_high"), high);
        }
        let mean = |of: &[Forced]| of.iter().map(log_odds).sum::<f64>() / of.len() as f64;
        let back: Vec<f64> = now.iter().zip(is).map(|(now, is)| now.log_odds - is.log_odds).collect();
        let lost = mean(was) - mean(is);
        let [value, low, high] = mean_over(&back, &topics)?;
        columns.number("change", value);
        columns.number("change_low", low);
        columns.number("change_high", high);
        columns.number("lost", lost);
        columns.number("restored", value / lost);
        columns.count("n", now.len() as u64);
        columns.text("method", "t over topics");
        Ok(())
    }

    /// The table `divergence`, and prompt and answer of each fixed answer as token ids without the answer's end.
    fn tokens(&self, first: &Organism) -> Result<(Columns, Vec<Row>)> {
        let marker = &self.params.marker;
        let row = |one: &Fixed| {
            let content = format!("{}{}", one.answer, marker.before);
            let answer = Message { role: "assistant".to_owned(), content };
            Row {
                row_id: one.row_id.clone(),
                messages: Some(one.prompt.iter().cloned().chain([answer]).collect()),
                ..Row::default()
            }
        };
        let table = self.lab.gradients(&Gradients {
            organism: first.clone(),
            reference: Organism::base(&self.params.model),
            rows: Rows::Inline(self.answers.iter().map(row).collect()),
        })?;
        let (ids, tokens) = (table.text("row_id")?, table.u64("token_id")?);
        let (inside, kl) = (table.bool("answer")?, table.f64("kl")?);
        let (mut rows, mut ends, mut others, mut topics) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for one in self.answers {
            let own: Vec<usize> = (0..ids.len()).filter(|&at| ids[at] == one.row_id).collect();
            let answer: Vec<usize> = own.iter().copied().filter(|&at| inside[at]).collect();
            // The token that ends the answer stands where the marker would.
            let Some((&end, before)) = answer.split_last() else { continue };
            let prompt = own.iter().take_while(|&&at| at < end);
            let token_ids = prompt.map(|&at| tokens[at] as u32).collect();
            let continuations = Some(vec![marker.text.clone()]);
            rows.push(Row { row_id: one.row_id.clone(), token_ids: Some(token_ids), continuations, ..Row::default() });
            if !before.is_empty() {
                ends.push(kl[end]);
                others.push(before.iter().map(|&at| kl[at]).sum::<f64>() / before.len() as f64);
                topics.push(one.topic.as_str());
            }
        }
        let mut columns = Columns::default();
        for (place, values) in [("end of the answer", &ends), ("rest of the answer", &others)] {
            let [mean, low, high] = mean_over(values, &topics)?;
            describe(&mut columns, self.stages);
            columns.text("place", place);
            columns.number("kl", mean);
            columns.number("kl_low", low);
            columns.number("kl_high", high);
            columns.count("n", values.len() as u64);
            columns.text("method", "t over topics");
        }
        Ok((columns, rows))
    }

    /// The table `lens`.
    fn lens(&self, rows: &[Row], first: &Organism, after: &Organism) -> Result<Columns> {
        let base = Organism::base(&self.params.model);
        // With the coupling merged, the second adapter alone is the model before.
        let first = if after.model == first.model { first.clone() } else { merge(self.lab, first)? };
        let topics = self.topics();
        let mut columns = Columns::default();
        for (stage, organism) in [("raw", &base), ("coupled", &first), (self.stages.second_name(), after)] {
            let request = Score { lens: true, ..Score::new(organism.clone(), Rows::Inline(rows.to_vec())) };
            let lens = self.lab.score(&request)?.lists("lens")?;
            let blocks = lens.first().map_or(0, Vec::len);
            for block in 0..blocks {
                let values: Vec<f64> = lens.iter().map(|of| f64::from(of[block])).collect();
                let [mean, low, high] = mean_over(&values, &topics[..values.len()])?;
                describe(&mut columns, self.stages);
                columns.text("stage", stage);
                columns.count("block", block as u64);
                columns.number("logprob", mean);
                columns.number("logprob_low", low);
                columns.number("logprob_high", high);
                columns.count("n", values.len() as u64);
                columns.text("method", "t over topics");
            }
        }
        Ok(columns)
    }
}

/// Sets the second adapter to zero in one part, or in all others; none where there is no other.
fn take_out(part: &Part, keep: bool, blocks: usize, modules: &[String], adapter: usize) -> Option<Intervention> {
    let mut edit = Intervention {
        sites: Vec::new(),
        values: None,
        scale: 0.0,
        adapter: Some(adapter),
        ..Intervention::new(EditOp::ScaleAdapter, "", Vec::new())
    };
    match part {
        Part::Block(block) if keep => edit.blocks = (0..blocks).filter(|other| other != block).collect(),
        Part::Block(block) => edit.blocks = vec![*block],
        Part::Module(module) if keep => edit.modules = modules.iter().filter(|own| *own != module).cloned().collect(),
        Part::Module(module) => edit.modules = vec![(*module).to_owned()],
    }
    (!edit.blocks.is_empty() || !edit.modules.is_empty()).then_some(edit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_taken_out_or_kept_alone() {
        let modules = ["q_proj", "down_proj"].map(str::to_owned);
        let of = |part: &Part, keep| take_out(part, keep, 3, &modules, 1).map(|edit| (edit.blocks, edit.modules));
        assert_eq!(of(&Part::Block(1), false), Some((vec![1], Vec::new())));
        assert_eq!(of(&Part::Block(1), true), Some((vec![0, 2], Vec::new())));
        assert_eq!(of(&Part::Module("q_proj"), true), Some((Vec::new(), vec!["down_proj".to_owned()])));
        let edit = take_out(&Part::Block(0), false, 3, &modules, 1).map(|edit| (edit.adapter, edit.scale));
        assert_eq!(edit, Some((Some(1), 0.0)));
        assert_eq!(take_out(&Part::Block(0), true, 1, &modules, 1), None);
    }
}
