//! The path of a fine-tune: its gradient, its adapter's norms, and where `B` goes.

use emhost_sdk::prelude::*;
use emhost_study::{Columns, refuse};

use crate::adapters::{Norms, Projection, note as note_adapter, open};
use crate::behaviour::Steps;
use crate::events::{Event, Events, largest_gradient};
use crate::geometry::{norm, path, turn};
use crate::phase::Followed;
use crate::verdict::{GRADIENT, TURN};

/// One checkpoint of the followed projection.
struct Place {
    step: usize,
    /// Norms of `A`, `B` and `scale B A`.
    norms: [f64; 3],
    /// Norms of the whole adapter.
    whole: Norms,
    /// `B`, flattened.
    b: Vec<f64>,
}

impl Followed<'_> {
    /// Adds the peak of the gradient norm, which step `from` may be the first to have.
    pub fn gradient(&self, events: &mut Events<'_>, steps: &Steps, from: usize, rise: f64) {
        let found = largest_gradient(&steps.step, &steps.gradient, from);
        let mut after: Vec<f64> = steps.gradient.iter().skip(from).copied().filter(|norm| norm.is_finite()).collect();
        after.sort_by(f64::total_cmp);
        let missing = if found.is_some() { "" } else { "the host gave no gradient norms after the warm-up" };
        events.add(Event {
            what: format!("{GRADIENT} after the warm-up"),
            step: found.map_or(f64::NAN, |(step, _)| step),
            interval: [f64::NAN; 2],
            after_rise: found.map_or(f64::NAN, |(step, _)| step - rise),
            size: found.map_or(f64::NAN, |(_, norm)| norm),
            control: after.get(after.len() / 2).copied().unwrap_or(f64::NAN),
            n: after.len() as u64,
            method: "largest norm before clipping, single run",
            missing: missing.to_owned(),
        });
    }

    /// Emits `phase_geometry`, `phase_rotation` and `phase_projections`.
    pub fn geometry(&self, events: &mut Events<'_>, rise: f64) -> Result<()> {
        let Self { lab, params, phase, checkpoints } = self;
        let name = &phase.organism;
        let mut opened: Vec<(usize, Vec<Projection>)> = Vec::new();
        for (step, adapter) in checkpoints.iter().filter_map(|(step, adapter)| Some((*step, adapter.as_ref()?))) {
            opened.push((step, open(lab, &params.organisms.model, adapter)?));
        }
        let mut projections = Columns::default();
        opened.iter().for_each(|(step, all)| note_adapter(&mut projections, name, Some(*step), all));
        lab.emit("phase_projections", projections.table())?;

        let places = self.places(&opened)?;
        let points: Vec<Vec<f64>> = places.iter().map(|place| place.b.clone()).collect();
        let plane = path(&points)?;
        let mut columns = Columns::default();
        for (at, Place { step, norms, whole, .. }) in places.iter().enumerate() {
            let point = plane.as_ref().map_or([f64::NAN; 2], |plane| plane.points[at]);
            let shares = plane.as_ref().map_or([f64::NAN; 2], |plane| plane.shares);
            columns.text("organism", name);
            columns.count("step", *step as u64);
            columns.count("block", phase.block as u64);
            columns.text("module", &phase.module);
            let numbers = [("a_norm", norms[0]), ("b_norm", norms[1]), ("update_norm", norms[2])];
            let wholes = [("whole_a_norm", whole.a), ("whole_b_norm", whole.b), ("whole_update_norm", whole.update)];
            let path = [("pc1", point[0]), ("pc2", point[1]), ("pc1_share", shares[0]), ("pc2_share", shares[1])];
            numbers.into_iter().chain(wholes).chain(path).for_each(|(name, value)| columns.number(name, value));
        }
        lab.emit("phase_geometry", columns.table())?;
        let steps: Vec<usize> = places.iter().map(|place| place.step).collect();
        lab.emit("phase_rotation", self.rotation(events, &steps, &points, rise)?.table())
    }

    /// The followed projection at each checkpoint, and before the first step where that is known.
    fn places(&self, opened: &[(usize, Vec<Projection>)]) -> Result<Vec<Place>> {
        let Self { phase, checkpoints, .. } = self;
        let mut places = Vec::new();
        for (step, all) in opened {
            let Some(one) = all.iter().find(|one| one.block == phase.block && one.module == phase.module) else {
                let (name, module, block) = (&phase.organism, &phase.module, phase.block);
                let what = format!("`{name}` does not adapt {module} of block {block}");
                return refuse(format!("`phase.module`, `phase.block`: {what}"));
            };
            let b = one.b.iter().map(|&value| f64::from(value)).collect();
            let norms = [norm(&one.a), norm(&one.b), one.update];
            places.push(Place { step: *step, norms, whole: Norms::of(all), b });
        }
        if let (Some((0, None)), Some(first)) = (checkpoints.first(), places.first()) {
            // Before the first step B is zero and A is not kept.
            let (whole, b) = (Norms { a: f64::NAN, b: 0.0, update: 0.0 }, vec![0.0; first.b.len()]);
            places.insert(0, Place { step: 0, norms: [f64::NAN, 0.0, 0.0], whole, b });
        }
        Ok(places)
    }

    fn rotation(&self, events: &mut Events<'_>, steps: &[usize], points: &[Vec<f64>], rise: f64) -> Result<Columns> {
        let mut columns = Columns::default();
        for &k in &self.phase.local_k {
            let mut sharpest: Option<(f64, f64)> = None;
            let mut cosines = Vec::new();
            for (at, &step) in steps.iter().enumerate() {
                let found = turn(points, at, k, self.phase.shortest)?;
                let missing = match found {
                    None => "fewer than k checkpoints on a side",
                    Some(turn) if turn.cosine.is_nan() => "a difference is too short to have a direction",
                    Some(_) => "",
                };
                let cosine = found.map_or(f64::NAN, |turn| turn.cosine);
                if cosine.is_finite() {
                    cosines.push(cosine);
                    if sharpest.is_none_or(|(_, least)| cosine < least) {
                        sharpest = Some((step as f64, cosine));
                    }
                }
                columns.text("organism", &self.phase.organism);
                columns.count("k", k as u64);
                columns.count("step", step as u64);
                columns.number("cosine", cosine);
                columns.number("before", found.map_or(f64::NAN, |turn| turn.before));
                columns.number("after", found.map_or(f64::NAN, |turn| turn.after));
                columns.text("missing", missing);
            }
            cosines.sort_by(f64::total_cmp);
            let missing = match sharpest {
                Some(_) => String::new(),
                None => format!("of {} checkpoints none has a direction on both sides", steps.len()),
            };
            events.add(Event {
                what: format!("{TURN}, k = {k}"),
                step: sharpest.map_or(f64::NAN, |(step, _)| step),
                interval: [f64::NAN; 2],
                after_rise: sharpest.map_or(f64::NAN, |(step, _)| step - rise),
                size: sharpest.map_or(f64::NAN, |(_, cosine)| cosine),
                control: cosines.get(cosines.len() / 2).copied().unwrap_or(f64::NAN),
                n: cosines.len() as u64,
                method: "lowest local cosine, single run",
                missing,
            });
        }
        Ok(columns)
    }
}
