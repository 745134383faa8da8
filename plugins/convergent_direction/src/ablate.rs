//! Projects directions out of an organism: its own, those of other organisms, random ones.

use emhost_sdk::prelude::*;
use emhost_stats::empirical::{Tail, empirical_p};
use emhost_study::{Answers, Columns, Reduction, bootstrap, failed};

use crate::params::{Kind, Params};
use crate::sources::Source;
use crate::steer::{first_half, second_half};

/// One organism and how it answers untouched.
pub struct Target<'a> {
    pub lab: &'a Lab,
    pub params: &'a Params,
    pub name: &'a str,
    pub organism: Organism,
    pub before: Answers,
}

impl<'a> Target<'a> {
    /// Makes and asks it.
    pub fn new(lab: &'a Lab, params: &'a Params, name: &'a str) -> Result<Self> {
        let organism = params.organisms.make(lab, params.organism(name)?)?.organism;
        let before = params.evaluate.ask(lab, &organism)?;
        Ok(Self { lab, params, name, organism, before })
    }

    /// How it answers with edits.
    pub fn with(&self, edits: Vec<Intervention>) -> Result<Answers> {
        self.params.evaluate.ask_edited(self.lab, &self.organism, edits, Vec::new())
    }

    /// Adds a row: what an edit did to the organism.
    pub fn row(
        &self,
        columns: &mut Columns,
        [source, kind, mode]: [&str; 3],
        block: Option<usize>,
        after: &Answers,
    ) -> Result<()> {
        // The chosen ones are compared in the half of the samples that they were not chosen on.
        let before =
            if after.len() < self.before.len() { second_half(self.params, &self.before) } else { self.before.clone() };
        let (was, is) = (before.misalignment()?, after.misalignment()?);
        let gone = Reduction::of(&before, after, self.params.seed)?;
        let flags = |answers: &Answers| -> Vec<f64> {
            (0..answers.len()).map(|at| f64::from(u8::from(answers.coherent(at)))).collect()
        };
        let (old, new) = (flags(&before), flags(after));
        let coherence = bootstrap(self.params.seed)
            .paired_difference((&new, &after.topics), (&old, &before.topics))
            .map_err(failed("compare coherence"))?;
        columns.text("organism", self.name);
        columns.text("source", source);
        columns.text("kind", kind);
        columns.text("mode", mode);
        columns.number("block", block.map_or(f64::NAN, |block| block as f64));
        columns.count("n", is.n);
        columns.count("topics", is.clusters);
        for (name, rate) in [("before", was), ("after", is)] {
            columns.number(name, rate.value);
            columns.number(&format!("{name}_low"), rate.low);
            columns.number(&format!("{name}_high"), rate.high);
        }
        columns.number("reduction", gone.value);
        columns.number("reduction_low", gone.low);
        columns.number("reduction_high", gone.high);
        columns.number("coherent_before", before.coherence()?.value);
        columns.number("coherent_after", after.coherence()?.value);
        columns.number("coherence_change", coherence.estimate);
        columns.number("coherence_change_low", coherence.percentile.low);
        columns.number("coherence_change_high", coherence.percentile.high);
        columns.text("interval", Reduction::METHOD);
        Ok(())
    }
}

/// Ablates one organism, and emits `ablation`, `ablation_best`, `null` and `ablation_answers`.
pub fn ablate(lab: &Lab, params: &Params, name: &str) -> Result<()> {
    let target = Target::new(lab, params, name)?;
    let (mut all, mut best, mut null) = (Columns::default(), Columns::default(), Columns::default());
    let mut shown = Columns::default();
    let own = Source::organism(lab, params, name, &Kind::ALL)?;
    let mut sources = own;
    let others = params.harmful().map(|organism| organism.name.as_str()).filter(|other| *other != name);
    for other in others {
        sources.extend(Source::organism(lab, params, other, &[params.headline])?);
    }
    sources.extend(Source::external(lab, params)?);
    target.before.note(&mut shown, name, "untouched");
    let total = sources.len() as u64;
    for (at, source) in sources.iter().enumerate() {
        lab.progress(at as u64, total, &format!("ablate {} ({}) in {name}", source.name, source.kind))?;
        let layerwise = target.with(source.layerwise(params))?;
        target.row(&mut all, [&source.name, &source.kind, "layerwise"], None, &layerwise)?;
        let headline = source.name == name && source.kind == params.headline.name();
        if headline {
            layerwise.note(&mut shown, name, "its own directions ablated, block by block");
        }
        // Of others' directions, block by block alone.
        if source.name != name {
            continue;
        }
        let mut singles: Vec<(usize, Answers)> = Vec::new();
        for block in source.direction.at.keys().copied() {
            let Some(edits) = source.single(params, block) else { continue };
            let after = target.with(edits)?;
            target.row(&mut all, [&source.name, &source.kind, "single"], Some(block), &after)?;
            singles.push((block, after));
        }
        let chosen = least(params, &singles)?;
        if let Some((block, after)) = &chosen {
            target.row(&mut best, [&source.name, &source.kind, "single"], Some(*block), after)?;
        }
        if headline && params.is_random_target(name) {
            random(&target, source, &layerwise, chosen, &mut null)?;
        }
    }
    lab.emit("ablation", all.table())?;
    lab.emit("ablation_best", best.table())?;
    if !null.is_empty() {
        lab.emit("null", null.table())?;
    }
    lab.emit("ablation_answers", shown.table())
}

/// The block with fewest misaligned answers in the first half of the samples, and the second half there.
fn least(params: &Params, singles: &[(usize, Answers)]) -> Result<Option<(usize, Answers)>> {
    let mut best: Option<(f64, usize)> = None;
    for (at, (_, answers)) in singles.iter().enumerate() {
        let value = first_half(params, answers).misalignment()?.value;
        if best.is_none_or(|(least, _)| value < least) {
            best = Some((value, at));
        }
    }
    Ok(best.map(|(_, at)| (singles[at].0, second_half(params, &singles[at].1))))
}

/// The same with random directions: what ablating any direction does.
fn random(
    target: &Target<'_>,
    source: &Source,
    layerwise: &Answers,
    single: Option<(usize, Answers)>,
    null: &mut Columns,
) -> Result<()> {
    let params = target.params;
    let draws = params.ablation.random_draws;
    let mut modes = vec![("layerwise", None, layerwise.misalignment()?.value)];
    if let Some((block, after)) = single {
        modes.push(("single", Some(block), after.misalignment()?.value));
    }
    for (mode, block, observed) in modes {
        // As the chosen block itself: in the half of the samples that it was not chosen on.
        let part = |answers: &Answers| if block.is_some() { second_half(params, answers) } else { answers.clone() };
        let was = part(&target.before).misalignment()?.value;
        let mut after = Vec::new();
        for draw in 0..draws {
            target.lab.progress(draw as u64, draws as u64, &format!("ablate random directions ({mode})"))?;
            let random = source.random(params.seed, draw);
            let edits = match block {
                None => Some(random.layerwise(params)),
                Some(block) => random.single(params, block),
            };
            let Some(edits) = edits else { continue };
            after.push(part(&target.with(edits)?).misalignment()?.value);
        }
        let mut gone: Vec<f64> = after.iter().map(|rate| 1.0 - rate / was).collect();
        gone.sort_by(f64::total_cmp);
        let mean = gone.iter().sum::<f64>() / gone.len() as f64;
        let (low, high) = (gone[quantile(gone.len(), 0.025)], gone[quantile(gone.len(), 0.975)]);
        null.text("organism", target.name);
        null.text("mode", mode);
        null.count("draws", gone.len() as u64);
        null.count("n", part(&target.before).len() as u64);
        null.number("reduction", mean);
        null.number("reduction_low", low);
        null.number("reduction_high", high);
        null.number("spread", high - low);
        null.number("no_change", f64::from(u8::from(low <= 0.0 && 0.0 <= high)));
        null.number("p", empirical_p(observed, &after, Tail::Lower).map_err(failed("rank among random directions"))?);
        null.text("interval", "2.5 % and 97.5 % of the draws");
    }
    Ok(())
}

/// Index of a quantile among sorted values, the outer one of two.
fn quantile(n: usize, share: f64) -> usize {
    let at = share * (n - 1) as f64;
    (if share < 0.5 { at.floor() } else { at.ceil() }) as usize
}
