//! `scale_adapter`: a copy of the network in which adapters weigh more or less.

use emhost_abi::wire::{Intervention, Tokens};

use super::plan::{Edit, Interventions, Operand};
use crate::model::organism::Organism;

impl Interventions {
    /// Scales the named updates; tensors are shared with the organism's own network.
    pub(super) fn scale_adapter(
        &mut self,
        organism: &Organism,
        intervention: &Intervention,
        strengths: &[f64],
    ) -> Result<Edit, String> {
        if !intervention.sites.is_empty() || intervention.vector.is_some() || intervention.values.is_some() {
            return Err("it takes `adapter`, `modules` and `blocks`, neither sites nor a vector".to_owned());
        }
        if intervention.positions != Tokens::All || intervention.from.is_some() {
            return Err("it holds for every token of every row: leave `positions` and `from` out".to_owned());
        }
        if intervention.scale == 1.0 {
            return Err(
                "it needs `scale`, the factor of the update at strength 1: 0 switches the adapter off".to_owned()
            );
        }
        let strength = strengths.first().copied().unwrap_or(1.0);
        if strengths.iter().any(|other| *other != strength) {
            return Err(
                "it needs one strength for all rows, because the weights themselves are scaled; run it once per \
                        strength"
                    .to_owned(),
            );
        }
        if organism.learned_biases {
            return Err("an adapter came with learned biases, which no factor of its matrices switches off".to_owned());
        }
        let count = organism.adapters.len();
        if let Some(adapter) = intervention.adapter.filter(|adapter| *adapter >= count) {
            return Err(format!("there is no adapter {adapter}: the organism has {count}, counted from 0"));
        }
        let pairs = || organism.adapters.iter().flatten();
        if let Some(module) = intervention.modules.iter().find(|name| pairs().all(|(_, module)| module.name != **name))
        {
            return Err(format!("no adapter changes a projection `{module}`"));
        }
        if let Some(block) = intervention.blocks.iter().find(|block| pairs().all(|(other, _)| other != *block)) {
            return Err(format!("no adapter changes block {block}"));
        }
        let multiplier = 1.0 + strength * (intervention.scale - 1.0);
        let network = self.scaled.get_or_insert_with(|| organism.network.clone());
        let mut projections = Vec::new();
        for (adapter, pairs) in organism.adapters.iter().enumerate() {
            for (block, module) in pairs {
                let named = intervention.adapter.is_none_or(|wanted| wanted == adapter)
                    && (intervention.modules.is_empty() || intervention.modules.iter().any(|m| m == module.name))
                    && (intervention.blocks.is_empty() || intervention.blocks.contains(block));
                if !named {
                    continue;
                }
                // Adapters are attached in order, each adding one update to the projections that it has.
                let earlier =
                    organism.adapters[..adapter].iter().filter(|p| p.contains(&(*block, module.clone()))).count();
                let linear = network.linear_mut(*block, module);
                if let Some(scale) = linear.and_then(|linear| linear.scales_mut().nth(earlier)) {
                    *scale *= multiplier;
                    projections.push(format!("{} of adapter {adapter}", module.path));
                }
            }
        }
        if projections.is_empty() {
            return Err(format!("it names no projection that an adapter changes; the organism has {count} adapters"));
        }
        Ok(Edit {
            op: intervention.op,
            sites: Vec::new(),
            scale: intervention.scale,
            positions: Tokens::All,
            operand: Operand::Adapter { projections, multiplier },
        })
    }
}
