//! The cell that follows a fine-tune from checkpoint to checkpoint.

use emhost_sdk::prelude::*;
use emhost_study::{Answers, Columns, Organisms, refuse};

use crate::behaviour::Steps;
use crate::events::{Event, Events, cluster_names, steepest_rise, warmup};
use crate::params::{Params, Phase};
use crate::verdict::rise_at;

/// One checkpoint: steps taken, and the adapter; none before the first step.
pub type Checkpoint = (usize, Option<String>);

/// Fine-tunes with checkpoints, asks at each scale, and measures the path of `B`.
///
/// # Errors
///
/// The fine-tune's, the model's or the judge's own.
pub fn follow(lab: &Lab, params: &Params, phase: &Phase) -> Result<()> {
    let Some((organisms, recipe)) = with_checkpoints(params, phase) else {
        return refuse(format!("`phase.organism` is `{}`, which is not fine-tuned here", phase.organism));
    };
    let name = &phase.organism;
    lab.progress(0, 1, &format!("fine-tune {name} with checkpoints"))?;
    let Some(organism) = organisms.named(name) else { return refuse(format!("`phase.organism`: no `{name}`")) };
    let made = organisms.make(lab, organism)?;
    let steps = Steps::read(&made.steps.unwrap_or_default())?;
    let mut columns = Columns::default();
    steps.note(&mut columns, name);
    lab.emit("phase_steps", columns.table())?;

    let mut checkpoints: Vec<Checkpoint> = Vec::new();
    if starts_at_zero(&recipe) {
        checkpoints.push((0, None));
    }
    let kept = made.checkpoints.into_iter().filter(|(taken, _)| *taken < steps.step.len());
    checkpoints.extend(kept.map(|(taken, adapter)| (taken, Some(adapter))));
    checkpoints.push((steps.step.len(), made.adapter));

    let cell = Followed { lab, params, phase, checkpoints: &checkpoints };
    let mut events = Events::of(name);
    let rise = cell.behaviour(&mut events)?;
    cell.gradient(&mut events, &steps, warmup(&recipe, steps.step.len()), rise);
    cell.geometry(&mut events, rise)?;
    lab.emit("phase_events", events.columns().table())
}

/// What the cell asks for.
pub fn work(params: &Params, phase: &Phase) -> Vec<Work> {
    let Some((organisms, recipe)) = with_checkpoints(params, phase) else { return Vec::new() };
    let trained = organisms.named(&phase.organism).and_then(|organism| organisms.work(organism));
    // Steps are known only where the recipe counts them; then checkpoint 0 is asked once, the others at each scale.
    let asked = recipe.steps.map_or(1, |steps| steps.div_ceil(phase.every * phase.ask_every));
    let times = 1 + asked * phase.scales.len();
    let asking = params.ask.with_samples(phase.samples).work(&organisms.model, times);
    trained.into_iter().chain(asking).collect()
}

/// The organisms with a recipe that keeps checkpoints, and that recipe.
fn with_checkpoints(params: &Params, phase: &Phase) -> Option<(Organisms, Recipe)> {
    let mut organisms = params.organisms.clone();
    organisms.recipes.values_mut().for_each(|recipe| recipe.checkpoint_every = phase.every);
    let recipe = organisms.recipe(organisms.named(&phase.organism)?)?;
    Some((organisms, recipe))
}

/// Whether the model before the first step is the model itself, because `B` is zero.
fn starts_at_zero(recipe: &Recipe) -> bool {
    recipe.method.starts().is_empty()
}

/// A fine-tune with its checkpoints.
pub struct Followed<'a> {
    /// The host.
    pub lab: &'a Lab,
    /// The run's parameters.
    pub params: &'a Params,
    /// How it is followed.
    pub phase: &'a Phase,
    /// In the order of the steps.
    pub checkpoints: &'a [Checkpoint],
}

/// The answers at one checkpoint and scale.
struct Given {
    step: usize,
    answers: Answers,
}

impl Followed<'_> {
    /// Emits `phase_behaviour`; gives the step of the steepest rise at the first scale, NaN where there is none.
    fn behaviour(&self, events: &mut Events<'_>) -> Result<f64> {
        let Self { lab, params, phase, .. } = self;
        let asked = params.ask.with_samples(phase.samples);
        let chosen = self.asked_checkpoints();
        let base = Organism::base(&params.organisms.model);
        let total = (chosen.len() * phase.scales.len()) as u64;
        let mut given: Vec<Vec<Given>> = phase.scales.iter().map(|_| Vec::new()).collect();
        for (number, (step, adapter)) in chosen.iter().enumerate() {
            let Some(adapter) = adapter else {
                let answers = asked.ask(lab, &base)?;
                given.iter_mut().for_each(|of_scale| of_scale.push(Given { step: *step, answers: answers.clone() }));
                continue;
            };
            let organism = Organism::with_adapter(&params.organisms.model, adapter);
            for (at, scale) in phase.scales.iter().enumerate() {
                let done = (number * phase.scales.len() + at) as u64;
                lab.progress(done, total, &format!("ask after {step} steps, adapter times {scale}"))?;
                let answers = asked.ask_edited(lab, &organism, scaled(*scale), Vec::new())?;
                given[at].push(Given { step: *step, answers });
            }
        }
        let mut columns = Columns::default();
        for (scale, given) in phase.scales.iter().zip(&given) {
            given.iter().try_for_each(|at| note_rates(&mut columns, &phase.organism, *scale, at))?;
        }
        lab.emit("phase_behaviour", columns.table())?;
        let mut first = f64::NAN;
        for (at, (scale, given)) in phase.scales.iter().zip(&given).enumerate() {
            let event = self.rise(*scale, given, first)?;
            first = if at == 0 { event.step } else { first };
            events.add(Event { after_rise: event.step - first, ..event });
        }
        Ok(first)
    }

    /// Every `ask_every`-th checkpoint, and the first and the last.
    fn asked_checkpoints(&self) -> Vec<&Checkpoint> {
        let (every, last) = (self.phase.every * self.phase.ask_every, self.checkpoints.len() - 1);
        let numbered = self.checkpoints.iter().enumerate();
        let chosen = numbered.filter(|(at, (step, _))| *at == last || step.is_multiple_of(every));
        chosen.map(|(_, checkpoint)| checkpoint).collect()
    }

    fn rise(&self, scale: f64, given: &[Given], first: f64) -> Result<Event> {
        let steps: Vec<f64> = given.iter().map(|at| at.step as f64).collect();
        let hits: Vec<Vec<bool>> =
            given.iter().map(|at| (0..at.answers.len()).map(|i| at.answers.misaligned(i)).collect()).collect();
        let clusters = given.first().and_then(|at| cluster_names(&at.answers.topics, &at.answers.row_ids));
        let found = match &clusters {
            Some(clusters) if given.len() > 2 => steepest_rise(&steps, &hits, clusters, self.params.seed)?,
            _ => None,
        };
        let missing = match found {
            Some(_) => "",
            None if given.len() < 3 => "fewer than three checkpoints were asked",
            None if clusters.is_none() => "there is a single question",
            None => "the rate never rises",
        };
        Ok(Event {
            what: rise_at(scale),
            step: found.map_or(f64::NAN, |rise| rise.step),
            interval: found.map_or([f64::NAN; 2], |rise| [rise.low, rise.high]),
            after_rise: found.map_or(f64::NAN, |rise| rise.step - first),
            size: found.map_or(f64::NAN, |rise| rise.share),
            control: found.map_or(f64::NAN, |rise| rise.even),
            n: hits.iter().map(|hits| hits.len() as u64).sum(),
            method: "middle of the steepest interval, percentile bootstrap over topics",
            missing: missing.to_owned(),
        })
    }
}

fn scaled(scale: f64) -> Vec<Intervention> {
    if scale == 1.0 {
        return Vec::new();
    }
    let edit = Intervention::new(EditOp::ScaleAdapter, "", Vec::new());
    vec![Intervention { sites: Vec::new(), values: None, scale, ..edit }]
}

fn note_rates(columns: &mut Columns, organism: &str, scale: f64, given: &Given) -> Result<()> {
    let answers = &given.answers;
    let misaligned = answers.misalignment()?;
    let coherent = answers.coherence()?;
    columns.text("organism", organism);
    columns.number("scale", scale);
    columns.count("step", given.step as u64);
    columns.count("n", misaligned.n);
    columns.count("clusters", misaligned.clusters);
    columns.number("misaligned_rate", misaligned.value);
    columns.number("misaligned_low", misaligned.low);
    columns.number("misaligned_high", misaligned.high);
    columns.number("coherent_rate", coherent.value);
    columns.number("coherent_low", coherent.low);
    columns.number("coherent_high", coherent.high);
    columns.text("method", misaligned.method());
    Ok(())
}
