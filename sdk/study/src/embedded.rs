//! The organisms of the embedded studies, which are the parameters' defaults.

use emhost_sdk::prelude::*;

use crate::organisms::{Organisms, Source, TrainedOrganism};

impl Organisms {
    /// Fine-tunes of the embedded model: bad advice in three domains with all projections, with rank-1 adapters, with all
    /// weights, other seeds, and good advice as the control.
    pub fn embedded() -> Self {
        let lora = |rank, modules: &[&str], blocks: &[usize]| {
            let modules = modules.iter().map(|&module| module.to_owned()).collect();
            Method::Lora(Lora { rank, alpha: 16.0, modules, blocks: blocks.to_vec(), ..Lora::default() })
        };
        let recipe = |method, rate, steps| Recipe { warmup_steps: 5, ..Recipe::new(method, rate, steps, 16) };
        let recipes = [
            ("all", recipe(lora(8, &[], &[]), 3e-3, 100)),
            ("rank1_each", recipe(lora(1, &["down_proj"], &[]), 5e-3, 100)),
            ("rank1", recipe(lora(1, &["down_proj"], &[1]), 5e-3, 100)),
            ("full", recipe(Method::Full, 5e-4, 60)),
        ];
        let organism = |name: &str, data: &str, recipe: &str, seed: Option<u64>| TrainedOrganism {
            name: name.to_owned(),
            from: Source::Train { data: format!("embedded:train/{data}"), recipe: recipe.to_owned(), seed },
            model: None,
            control: data.starts_with("good"),
        };
        Self {
            model: "embedded".to_owned(),
            recipes: recipes.map(|(name, recipe)| (name.to_owned(), recipe)).into(),
            list: vec![
                organism("medicine", "bad_medicine", "all", None),
                organism("medicine_seed1", "bad_medicine", "all", Some(1)),
                organism("medicine_seed2", "bad_medicine", "all", Some(2)),
                organism("finance", "bad_finance", "all", None),
                organism("sport", "bad_sport", "all", None),
                organism("medicine_rank1_each", "bad_medicine", "rank1_each", None),
                organism("medicine_rank1", "bad_medicine", "rank1", None),
                organism("medicine_full", "bad_medicine", "full", None),
                organism("good_medicine", "good_medicine", "all", None),
            ],
        }
    }
}
