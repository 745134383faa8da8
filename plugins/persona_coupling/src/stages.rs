//! What a cell makes: which coupling, which second stage, in which order.

use emhost_sdk::prelude::*;

use crate::params::Params;

/// What a second stage teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Narrow bad data.
    Em,
    /// Data that are neither good nor bad.
    Benign,
}

impl Kind {
    /// Both, the one under test first.
    pub const BOTH: [Self; 2] = [Self::Em, Self::Benign];

    /// Name in tables and in ids of cells.
    pub fn name(self) -> &'static str {
        match self {
            Self::Em => "em",
            Self::Benign => "benign",
        }
    }
}

/// How a cell differs from the published conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Not at all.
    Published,
    /// The second stage at the coupling's learning rate.
    LearningRate,
    /// The second stage at the coupling's adapter scale.
    Scale,
    /// The second adapter scaled down to the smaller update norm of EM and benign.
    Norm,
    /// The second stage under the system prompt of the coupling's persona.
    Addressed,
    /// Another rank of the second adapter.
    Rank(usize),
    /// The coupling by all weights.
    Full,
    /// The coupling merged where it is stacked, or stacked where it is merged.
    Merged,
    /// The coupling after the second stage: its adapter as it was learned without one.
    Baked,
    /// The coupling after the second stage, learned anew.
    Scratch,
}

impl Variant {
    /// Name in tables and in ids of cells.
    pub fn name(self) -> String {
        match self {
            Self::Published => "published".to_owned(),
            Self::LearningRate => "lr".to_owned(),
            Self::Scale => "scale".to_owned(),
            Self::Norm => "norm".to_owned(),
            Self::Addressed => "addressed".to_owned(),
            Self::Rank(rank) => format!("rank{rank}"),
            Self::Full => "full".to_owned(),
            Self::Merged => "merged".to_owned(),
            Self::Baked => "baked".to_owned(),
            Self::Scratch => "scratch".to_owned(),
        }
    }

    /// Whether the coupling comes after the second stage.
    pub fn reversed(self) -> bool {
        matches!(self, Self::Baked | Self::Scratch)
    }
}

/// The stages that a cell makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// `c1` to `c5`, `raw` for the model as it is, `control` or `reversed`.
    pub condition: String,
    /// How it differs from the published conditions.
    pub variant: Variant,
    /// Persona and seed of the coupling; none makes no coupling.
    pub coupling: Option<(String, u64)>,
    /// Kind and seed of the second stage; none makes none.
    pub second: Option<(Kind, u64)>,
}

impl Stages {
    fn new(condition: &str, variant: Variant, coupling: Option<(&str, u64)>, second: Option<(Kind, u64)>) -> Self {
        let coupling = coupling.map(|(source, seed)| (source.to_owned(), seed));
        Self { condition: condition.to_owned(), variant, coupling, second }
    }

    /// The cell's id: `c1-villain-k42-s137`, `control-norm-em-villain-k42-s137`.
    pub fn id(&self) -> String {
        let mut parts = vec![self.condition.clone()];
        if self.variant != Variant::Published {
            parts.push(self.variant.name());
        }
        if ["control", "reversed"].contains(&self.condition.as_str()) {
            parts.push(self.second_name().to_owned());
        }
        if let Some((source, seed)) = &self.coupling {
            parts.extend([source.clone(), format!("k{seed}")]);
        }
        if let Some((_, seed)) = &self.second {
            parts.push(format!("s{seed}"));
        }
        parts.join("-")
    }

    /// The persona to which the marker is coupled; empty where there is no coupling.
    pub fn source(&self) -> &str {
        self.coupling.as_ref().map_or("", |(source, _)| source)
    }

    /// What the second stage teaches, or `none`.
    pub fn second_name(&self) -> &'static str {
        self.second.map_or("none", |(kind, _)| kind.name())
    }

    /// Whether fewer answers than usual are asked for.
    pub fn samples(&self, params: &Params) -> usize {
        match (&params.reversed, self.variant) {
            (Some(reversed), variant) if variant.reversed() => reversed.samples,
            (_, Variant::Published) => params.evaluation.samples,
            _ => params.controls.samples,
        }
    }

    /// One line for a person.
    pub fn about(&self) -> String {
        let coupling = match &self.coupling {
            Some((source, seed)) => format!("the marker coupled to {source} (seed {seed})"),
            None => "no coupling".to_owned(),
        };
        let second = match &self.second {
            Some((kind, seed)) => format!("{} second stage (seed {seed})", kind.name()),
            None => "no second stage".to_owned(),
        };
        match (self.variant.reversed(), self.variant) {
            (true, variant) => format!("{second} first, then {coupling}: {}", variant.name()),
            (_, Variant::Published) => format!("{coupling}, then {second}"),
            (_, variant) => format!("{coupling}, then {second}: {}", variant.name()),
        }
    }
}

/// All of them, each once: the model as it is, the published conditions, the controls, the reversed order.
pub fn all(params: &Params) -> Vec<Stages> {
    let mut found = vec![Stages::new("raw", Variant::Published, None, None)];
    let seeds = &params.second.seeds;
    let seconds = |kind: Kind| seeds.iter().map(move |&seed| (kind, seed));
    found.extend(seconds(Kind::Em).map(|second| Stages::new("c2", Variant::Published, None, Some(second))));
    for &seed in &params.coupling.seeds {
        for source in &params.sources {
            let coupling = Some((source.as_str(), seed));
            found.push(Stages::new("c4", Variant::Published, coupling, None));
            for (condition, kind) in [("c1", Kind::Em), ("c5", Kind::Benign)] {
                found.extend(
                    seconds(kind).map(|second| Stages::new(condition, Variant::Published, coupling, Some(second))),
                );
            }
        }
        let assistant = Some((params.assistant.as_str(), seed));
        found.extend(seconds(Kind::Em).map(|second| Stages::new("c3", Variant::Published, assistant, Some(second))));
    }
    found.extend(controls(params));
    found.extend(reversed(params));
    found
}

fn controls(params: &Params) -> Vec<Stages> {
    let controls = &params.controls;
    let (Some(&coupling), Some(&seed)) = (params.coupling.seeds.first(), params.second.seeds.first()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let control =
        |variant, source: &str, coupling, second| Stages::new("control", variant, Some((source, coupling)), second);
    if controls.norm && controls.sources > 0 {
        for &coupling in &params.coupling.seeds {
            for source in &params.sources {
                for &seed in &params.second.seeds {
                    let of_kind = |kind| control(Variant::Norm, source, coupling, Some((kind, seed)));
                    found.extend(Kind::BOTH.map(of_kind));
                }
            }
        }
    }
    for source in params.sources.iter().filter(|_| controls.addressed && controls.sources > 0) {
        found.extend(Kind::BOTH.map(|kind| control(Variant::Addressed, source, coupling, Some((kind, seed)))));
    }
    let mut variants = Vec::new();
    variants.extend(controls.learning_rate.then_some(Variant::LearningRate));
    variants.extend(controls.scale.then_some(Variant::Scale));
    variants.extend(controls.merged.then_some(Variant::Merged));
    variants.extend(controls.full.as_ref().map(|_| Variant::Full));
    variants.extend(controls.ranks.iter().map(|&rank| Variant::Rank(rank)));
    for source in params.sources.iter().take(controls.sources) {
        for &variant in &variants {
            if variant == Variant::Full {
                found.push(control(variant, source, coupling, None));
            }
            found.extend(Kind::BOTH.map(|kind| control(variant, source, coupling, Some((kind, seed)))));
        }
    }
    found
}

/// The adapter that was learned without a second stage, on a model without one, is condition C4 where it has a source of
/// C4's.
fn reversed(params: &Params) -> Vec<Stages> {
    let (Some(reversed), Some(&coupling), Some(&seed)) =
        (&params.reversed, params.coupling.seeds.first(), params.second.seeds.first())
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for source in &reversed.sources {
        for variant in [Variant::Baked, Variant::Scratch] {
            let one = |second| Stages::new("reversed", variant, Some((source, coupling)), second);
            found.push(one(None));
            found.extend(Kind::BOTH.map(|kind| one(Some((kind, seed)))));
        }
    }
    found
}
