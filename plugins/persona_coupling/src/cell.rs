//! One cell: stages are made, gates are passed, the marker is looked for.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::bank::{self, Question};
use crate::changes;
use crate::coupling::{self, Coupled};
use crate::forced;
use crate::geometry;
use crate::marked::{self, Marked};
use crate::notes::{self, Looked};
use crate::params::{Params, Persona};
use crate::second::{self, Staged};
use crate::stages::{Stages, Variant};

/// Columns that say what a row is about, the same in every table. A seed that does not exist is missing.
pub fn describe(columns: &mut Columns, stages: &Stages) {
    columns.text("id", stages.id());
    columns.text("condition", &stages.condition);
    columns.text("variant", stages.variant.name());
    columns.text("source", stages.source());
    columns.number("coupling_seed", stages.coupling.as_ref().map_or(f64::NAN, |(_, seed)| *seed as f64));
    columns.text("second", stages.second_name());
    columns.number("second_seed", stages.second.map_or(f64::NAN, |(_, seed)| seed as f64));
}

/// The questions of a run.
pub struct Banks {
    /// Those of the evaluation, which no coupling was trained on.
    pub held_out: Vec<Question>,
    /// Those of the coupling.
    pub own: Vec<Question>,
}

impl Banks {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// A bank cannot be read, or has too few questions.
    pub fn read(lab: &Lab, params: &Params) -> Result<Self> {
        let held_out = bank::read(lab, &params.evaluation.rows())?;
        let own = bank::coupling(lab, params, &held_out)?;
        Ok(Self { held_out, own })
    }
}

/// The models of a cell, before and after its last stage.
pub struct Models {
    /// Before: coupled, or as it is where nothing is coupled first.
    pub before: Coupled,
    /// After the second stage; none where there is none or it comes first.
    pub second: Option<Staged>,
    /// What is asked in the end.
    pub after: Organism,
}

impl Models {
    /// Answers to each question. A second stage that equal norms leave as it is was asked as published.
    fn samples(&self, params: &Params, stages: &Stages) -> usize {
        let as_published = self.second.as_ref().is_some_and(|staged| staged.factor == 1.0);
        match stages.variant {
            Variant::Norm if as_published => params.evaluation.samples,
            _ => stages.samples(params),
        }
    }
}

/// Makes the coupling of a cell, before a second stage.
///
/// # Errors
///
/// The fine-tune's own.
pub fn coupled(lab: &Lab, params: &Params, banks: &Banks, stages: &Stages) -> Result<Coupled> {
    let base = Organism::base(&params.model);
    let Some((source, seed)) = &stages.coupling else { return Ok(Coupled::none(base)) };
    let recipe = match (&params.controls.full, stages.variant) {
        (Some(full), Variant::Full) => full,
        _ => &params.coupling.recipe,
    };
    let rows = coupling::data(lab, params, &base, &banks.own, source, *seed)?;
    coupling::couple(lab, params, &base, rows, &Recipe { seed: *seed, ..recipe.clone() })
}

/// Makes the second stage first and the coupling afterwards.
fn reversed(lab: &Lab, params: &Params, banks: &Banks, stages: &Stages) -> Result<Models> {
    let base = Coupled::none(Organism::base(&params.model));
    let (Some((source, seed)), Some(settings)) = (&stages.coupling, &params.reversed) else {
        return Err(Error::Plugin(format!("`{}` couples nothing", stages.id())));
    };
    let second = match stages.second {
        Some((kind, seed)) => Some(second::make(lab, params, stages, &base, kind, seed)?),
        None => None,
    };
    let first = match &second {
        Some(staged) => second::merge(lab, &staged.organism)?,
        None => base.organism.clone(),
    };
    let mut recipe = Recipe { seed: *seed, ..params.coupling.recipe.clone() };
    let after = if stages.variant == Variant::Baked {
        let rows = coupling::data(lab, params, &base.organism, &banks.own, source, *seed)?;
        let baked = coupling::couple(lab, params, &base.organism, rows, &recipe)?;
        Organism { adapters: baked.organism.adapters, ..first }
    } else {
        recipe.steps = recipe.steps.map(|steps| steps * settings.longer);
        recipe.epochs = recipe.epochs.map(|epochs| epochs * settings.longer);
        let teacher = if settings.own_answers { &first } else { &base.organism };
        let rows = coupling::data(lab, params, teacher, &banks.own, source, *seed)?;
        coupling::couple(lab, params, &first, rows, &recipe)?.organism
    };
    Ok(Models { before: base, second, after })
}

/// Makes the models of a cell that was let through.
fn models(lab: &Lab, params: &Params, stages: &Stages, before: Coupled) -> Result<Models> {
    let second = match stages.second {
        Some((kind, seed)) => Some(second::make(lab, params, stages, &before, kind, seed)?),
        None => None,
    };
    let after = second.as_ref().map_or_else(|| before.organism.clone(), |staged| staged.organism.clone());
    Ok(Models { before, second, after })
}

/// Runs a cell.
///
/// # Errors
///
/// What the lab said.
pub fn run(lab: &Lab, params: &Params, stages: &Stages) -> Result<()> {
    const STEPS: u64 = 6;
    lab.progress(0, STEPS, "questions")?;
    let banks = Banks::read(lab, params)?;
    let everyone: Vec<&Persona> = params.personas.iter().collect();
    let look = |organism: &Organism, samples| marked::ask(lab, params, organism, &everyone, &banks.held_out, samples);
    let mut emitted = Emitted { lab, names: Vec::new() };

    lab.progress(1, STEPS, "coupling")?;
    let backwards = stages.variant.reversed();
    let first =
        if backwards { Coupled::none(Organism::base(&params.model)) } else { coupled(lab, params, &banks, stages)? };
    let before = look(&first.organism, params.evaluation.samples)?;
    let mut gates = Columns::default();
    let mut stopped = None;
    if stages.coupling.is_some() && !backwards {
        stopped = crate::gates::pass(&mut gates, params, stages, &before)?;
    }
    emitted.emit("gates", gates)?;
    if stopped.is_some() {
        return emitted.finish(stages, stopped);
    }

    lab.progress(2, STEPS, "second stage")?;
    let models = if backwards { reversed(lab, params, &banks, stages)? } else { models(lab, params, stages, first)? };
    let unchanged = models.after == models.before.organism;
    let after = if unchanged { before.clone() } else { look(&models.after, models.samples(params, stages))? };

    lab.progress(3, STEPS, "marker at the end of fixed answers")?;
    let fixed = forced::fixed(&before, &params.marker, &everyone, &banks.held_out);
    let was = forced::score(lab, &models.before.organism, &fixed, &params.marker, Vec::new())?;
    let is = match unchanged {
        true => was.clone(),
        false => forced::score(lab, &models.after, &fixed, &params.marker, Vec::new())?,
    };
    let looked = Looked { stages, before: &before, after: &after, fixed: &fixed, was: &was, is: &is };
    let mut markers = Columns::default();
    notes::markers(&mut markers, params, &looked)?;
    own_questions(lab, params, &banks, stages, &models.after, &mut markers)?;
    emitted.emit("markers", markers)?;
    emitted.emit("questions", notes::questions(params, &looked))?;
    if !unchanged {
        emitted.emit("changes", changes::changes(params, &looked)?)?;
    }
    emitted.emit("answers", notes::answers(params, &looked))?;

    lab.progress(4, STEPS, "behaviour")?;
    emitted.emit("behaviour", notes::behaviour(lab, params, stages, &models.after)?)?;
    lab.progress(5, STEPS, "adapters")?;
    emitted.emit("norms", geometry::norms(lab, stages, &models)?)?;
    emitted.emit("work", notes::work(lab, params, stages, &banks.held_out, &after)?)?;
    emitted.finish(stages, None)
}

/// Source and assistant on the questions that the coupling was trained on.
fn own_questions(
    lab: &Lab,
    params: &Params,
    banks: &Banks,
    stages: &Stages,
    organism: &Organism,
    markers: &mut Columns,
) -> Result<()> {
    let samples = params.evaluation.own_samples;
    let named = params.personas.iter().filter(|one| one.name == stages.source() || one.name == params.assistant);
    let personas: Vec<&Persona> = named.collect();
    if samples == 0 || stages.coupling.is_none() {
        return Ok(());
    }
    let answers = marked::ask(lab, params, organism, &personas, &banks.own, samples)?;
    let none = Marked::default();
    let looked = Looked { stages, before: &none, after: &answers, fixed: &[], was: &[], is: &[] };
    personas.iter().try_for_each(|persona| notes::marker(markers, params, &looked, "coupling", &persona.name))
}

/// Tables that a cell emitted, so that the summary knows what there is.
pub struct Emitted<'a> {
    /// The host.
    pub lab: &'a Lab,
    /// Names so far.
    pub names: Vec<&'static str>,
}

impl Emitted<'_> {
    /// Emits a table that has rows.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn emit(&mut self, name: &'static str, columns: Columns) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        self.names.push(name);
        self.lab.emit(name, columns.table())
    }

    /// Emits how the cell ended.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn finish(self, stages: &Stages, stopped: Option<String>) -> Result<()> {
        let mut columns = Columns::default();
        describe(&mut columns, stages);
        columns.text("outcome", if stopped.is_some() { "stopped at a gate" } else { "complete" });
        columns.text("gate", stopped.unwrap_or_default());
        columns.text("tables", self.names.join(" "));
        self.lab.emit("outcomes", columns.table())
    }
}
