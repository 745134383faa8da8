//! Named points of the forward pass, and what a caller does there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use candle_core::{DType, Tensor};

use super::error::{ModelError, Result};

/// A point of the forward pass. All but `Logits` and the adapters' scalars hold `[tokens, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// Output of the token embedding.
    Embed,
    /// A point inside block `.0` (0-based).
    Block(usize, BlockSite),
    /// Output of the final normalisation.
    FinalNorm,
    /// Scores over the vocabulary, `[tokens, vocabulary]`.
    Logits,
}

/// A point inside a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockSite {
    /// The residual stream as it enters the block.
    ResidPre,
    /// What attention adds to the residual stream.
    AttnOut,
    /// The residual stream between attention and MLP.
    ResidMid,
    /// What the MLP adds to the residual stream.
    MlpOut,
    /// The residual stream as it leaves the block.
    ResidPost,
    /// The scalars `A x` of the adapters at a projection, `[tokens, ranks of the adapters together]`.
    Lora(Projection),
}

/// A projection of a block, by its name in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// `q_proj`.
    Q,
    /// `k_proj`.
    K,
    /// `v_proj`.
    V,
    /// `qkv_proj`: the three in one.
    Qkv,
    /// `o_proj`.
    O,
    /// `gate_proj`.
    Gate,
    /// `up_proj`.
    Up,
    /// `gate_up_proj`: the two in one.
    GateUp,
    /// `down_proj`.
    Down,
}

const PROJECTIONS: [(Projection, &str); 9] = [
    (Projection::Q, "q_proj"),
    (Projection::K, "k_proj"),
    (Projection::V, "v_proj"),
    (Projection::Qkv, "qkv_proj"),
    (Projection::O, "o_proj"),
    (Projection::Gate, "gate_proj"),
    (Projection::Up, "up_proj"),
    (Projection::GateUp, "gate_up_proj"),
    (Projection::Down, "down_proj"),
];

impl Projection {
    /// The projection of that name.
    pub fn named(name: &str) -> Option<Self> {
        PROJECTIONS.iter().find(|(_, known)| *known == name).map(|(projection, _)| *projection)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        PROJECTIONS.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }
}

const BLOCK_SITES: [(BlockSite, &str); 5] = [
    (BlockSite::ResidPre, "resid_pre"),
    (BlockSite::AttnOut, "attn_out"),
    (BlockSite::ResidMid, "resid_mid"),
    (BlockSite::MlpOut, "mlp_out"),
    (BlockSite::ResidPost, "resid_post"),
];

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed => f.write_str("embed"),
            Self::FinalNorm => f.write_str("final_norm"),
            Self::Logits => f.write_str("logits"),
            Self::Block(block, BlockSite::Lora(projection)) => {
                write!(f, "blocks.{block}.lora.{}", projection.name())
            }
            Self::Block(block, site) => {
                let name = BLOCK_SITES.iter().find(|(s, _)| s == site).map_or("", |(_, name)| name);
                write!(f, "blocks.{block}.{name}")
            }
        }
    }
}

impl Site {
    /// The block that a site lies in; block 0 for the embedding, none after the last block.
    pub fn block(self) -> Option<usize> {
        match self {
            Self::Embed => Some(0),
            Self::Block(block, _) => Some(block),
            Self::FinalNorm | Self::Logits => None,
        }
    }

    /// The sites that patterns name in a model of `blocks` blocks, in forward order.
    ///
    /// A pattern is a name, or `blocks.WHICH.NAME` where `WHICH` is a number, `*`, or an inclusive range
    /// `{2..4}`, and `NAME` is a block site, `*` for the five of the residual stream, or `lora.MODULE`.
    pub fn select(patterns: &[String], blocks: usize) -> Result<Vec<Self>> {
        let mut found = BTreeSet::new();
        for pattern in patterns {
            found.extend(Self::matching(pattern.trim(), blocks)?);
        }
        Ok(found.into_iter().collect())
    }

    fn matching(pattern: &str, blocks: usize) -> Result<Vec<Self>> {
        let refuse = |problem: String| ModelError::Site { pattern: pattern.to_owned(), problem };
        match pattern {
            "embed" => return Ok(vec![Self::Embed]),
            "final_norm" => return Ok(vec![Self::FinalNorm]),
            "logits" => return Ok(vec![Self::Logits]),
            _ => {}
        }
        let known = "expected embed, blocks.{i}.resid_pre|attn_out|resid_mid|mlp_out|resid_post, \
                     blocks.{i}.lora.{module}, final_norm or logits";
        let rest = pattern.strip_prefix("blocks.");
        let split = rest.and_then(|rest| rest.split_once(".lora.")).map(|(which, name)| (which, name, true));
        let Some((which, name, lora)) =
            split.or_else(|| rest.and_then(|rest| rest.rsplit_once('.')).map(|(which, name)| (which, name, false)))
        else {
            return Err(refuse(known.to_owned()));
        };
        let number = |text: &str| text.parse::<usize>().map_err(|_| refuse(format!("`{text}` is not a block number")));
        let (first, last) = match which.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            _ if which == "*" => (0, blocks - 1),
            Some(range) => {
                let (a, b) =
                    range.split_once("..").ok_or_else(|| refuse("a range is written {first..last}".to_owned()))?;
                (number(a)?, number(b)?)
            }
            None => (number(which)?, number(which)?),
        };
        if last >= blocks || first > last {
            return Err(refuse(format!("the model has blocks 0 to {}", blocks - 1)));
        }
        let sites: Vec<BlockSite> = if lora {
            let named = PROJECTIONS.iter().filter(|(_, n)| name == "*" || *n == name);
            named.map(|(projection, _)| BlockSite::Lora(*projection)).collect()
        } else {
            BLOCK_SITES.iter().filter(|(_, n)| name == "*" || *n == name).map(|(s, _)| *s).collect()
        };
        if sites.is_empty() {
            return Err(refuse(known.to_owned()));
        }
        Ok((first..=last).flat_map(|block| sites.iter().map(move |site| Self::Block(block, *site))).collect())
    }
}

/// What a caller of the forward pass does at its sites.
pub trait Tap {
    /// Sees the value at a site, `[tokens, width]`, and returns the value to go on with.
    fn visit(&mut self, site: Site, value: Tensor) -> Result<Tensor>;

    /// What the adapter `number` of a projection is given in place of `x`, where a share of it is to be dropped:
    /// nothing outside of training.
    fn dropped(&mut self, _site: Site, _number: usize, _share: f64, _x: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// Whether logits are needed for every token.
    fn wants_logits(&self) -> bool {
        false
    }
}

/// Does nothing.
pub struct Untapped;

impl Tap for Untapped {
    fn visit(&mut self, _site: Site, value: Tensor) -> Result<Tensor> {
        Ok(value)
    }
}

/// Keeps the values at some sites.
#[derive(Debug, Default)]
pub struct Capture {
    wanted: BTreeSet<Site>,
    tokens: Option<Vec<u32>>,
    /// The values, by site.
    pub taken: BTreeMap<Site, Tensor>,
}

impl Capture {
    /// Keeps the values at `sites`.
    pub fn new(sites: &[Site]) -> Self {
        Self { wanted: sites.iter().copied().collect(), ..Self::default() }
    }

    /// Keeps the values of some tokens of the batch at `sites`, in the given order.
    pub fn of_tokens(sites: &[Site], tokens: Vec<u32>) -> Self {
        Self { tokens: Some(tokens), ..Self::new(sites) }
    }

    /// Takes the numbers at a site, `[tokens * width]`, so that they are held once.
    pub fn take(&mut self, site: Site) -> Result<Vec<f32>> {
        let value = self.taken.remove(&site);
        value.map_or_else(|| Ok(Vec::new()), |value| numbers(&value))
    }

    /// The numbers at a site, `[tokens * width]`; none if it was not visited.
    pub fn numbers(&self, site: Site) -> Result<Vec<f32>> {
        self.taken.get(&site).map_or_else(|| Ok(Vec::new()), numbers)
    }
}

fn numbers(value: &Tensor) -> Result<Vec<f32>> {
    Ok(value.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

impl Tap for Capture {
    fn visit(&mut self, site: Site, value: Tensor) -> Result<Tensor> {
        if self.wanted.contains(&site) {
            let kept = match &self.tokens {
                // As a rule every token is wanted.
                Some(tokens) if !tokens.iter().copied().eq(0..value.dims()[0] as u32) => {
                    value.index_select(&Tensor::from_slice(tokens, tokens.len(), value.device())?, 0)?
                }
                _ => value.clone(),
            };
            self.taken.insert(site, kept);
        }
        Ok(value)
    }

    fn wants_logits(&self) -> bool {
        self.wanted.contains(&Site::Logits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: &[&str]) {
        let names: Vec<String> = Site::select(&[pattern.to_owned()], 4).unwrap().iter().map(Site::to_string).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn patterns_name_sites_in_forward_order() {
        check("embed", &["embed"]);
        check("blocks.2.mlp_out", &["blocks.2.mlp_out"]);
        check("blocks.{1..2}.lora.down_proj", &["blocks.1.lora.down_proj", "blocks.2.lora.down_proj"]);
        check("blocks.{1..2}.resid_post", &["blocks.1.resid_post", "blocks.2.resid_post"]);
        check(
            "blocks.*.resid_pre",
            &["blocks.0.resid_pre", "blocks.1.resid_pre", "blocks.2.resid_pre", "blocks.3.resid_pre"],
        );
    }

    #[test]
    fn a_pattern_that_names_nothing_is_an_error() {
        for pattern in [
            "block.1.resid_post",
            "blocks.4.resid_post",
            "blocks.{2..1}.mlp_out",
            "blocks.x.mlp_out",
            "blocks.1.mlp",
            "",
        ] {
            assert!(Site::select(&[pattern.to_owned()], 4).is_err(), "{pattern}");
        }
    }
}
