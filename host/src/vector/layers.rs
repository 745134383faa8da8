//! What "layer 24" means in five code bases, as sites, and back.
//!
//! In a model of `n` blocks the Hugging Face list `hidden_states` has `n + 1` entries: entry 0 is the embedding, entry
//! `l` is what enters block `l` and left block `l - 1`, and the *last* entry is behind the final norm, so that no entry
//! is the last block's output.

use serde::{Deserialize, Serialize};

use super::error::VectorError;
use crate::model::site::{BlockSite, Site};

/// A code base, with its way to count layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
pub enum Convention {
    /// `mo`, model organisms for emergent misalignment: the output of block `l`, from 0.
    #[serde(rename = "mo")]
    #[value(name = "mo")]
    MeanDifference,
    /// `pv`, persona vectors: `hidden_states[l]`.
    #[serde(rename = "pv")]
    #[value(name = "pv")]
    PersonaVectors,
    /// `rd`, refusal direction: the input of block `l`, from 0.
    #[serde(rename = "rd")]
    #[value(name = "rd")]
    RefusalDirection,
    /// `re`, repeng and llama.cpp: `direction.l`, added to the output of block `l`, from 1.
    ///
    /// repeng measures key `l` at `hidden_states[l + 1]` (repeng/extract.py, `batched_get_hiddens`), which is behind the
    /// final norm for the last key, and adds it to the output of block `l`. llama.cpp stores `direction.l` at offset
    /// `(l - 1) * width` and block `il` reads offset `(il - 1) * width` (common/common.cpp,
    /// `common_control_vector_load_one`; src/llama-adapter.cpp, `llama_adapter_cvec::apply`), so it adds to block `l`
    /// too, and refuses `l = 0`. llama.cpp's own cvector-generator measures `direction.l` one block earlier, at the
    /// output of block `l - 1` (tools/cvector-generator/mean.hpp): the site given here is where it acts.
    #[serde(rename = "re")]
    #[value(name = "re")]
    Repeng,
    /// `emg`, em-generalization: `hidden_states[l]` and the parts of the block before it, blocks counted from 1.
    ///
    /// Its `mlp_post_resid` is [`Part::Residual`], `mlp_pre_resid` [`Part::Mlp`], `attn_post_resid` [`Part::Middle`] and
    /// `attn_pre_resid` [`Part::Attention`] (activation_analysis/get_activations/get_activation_attention_mlp.py).
    #[serde(rename = "emg")]
    #[value(name = "emg")]
    EmGeneralization,
}

/// Which value of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Part {
    /// The residual stream: what "layer" means where nothing else is said.
    #[default]
    Residual,
    /// The residual stream between attention and MLP.
    Middle,
    /// What attention adds.
    Attention,
    /// What the MLP adds.
    Mlp,
}

/// Over which tokens a code base averages before it takes differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// One mean over all tokens of all answers: long answers weigh more.
    AnswerTokenMean,
    /// The mean of each answer's mean: answers weigh the same.
    MeanOfAnswerMeans,
    /// One token of the chat template, behind the user's text.
    TemplateToken,
    /// The last token of a text.
    LastToken,
    /// The last token of the prompt.
    LastPromptToken,
    /// The mean over the prompt.
    PromptMean,
    /// The mean over the completion.
    CompletionMean,
}

impl Pooling {
    /// The name in a direction's provenance.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnswerTokenMean => "answer-token-mean",
            Self::MeanOfAnswerMeans => "mean-of-answer-means",
            Self::TemplateToken => "template-token",
            Self::LastToken => "last-token",
            Self::LastPromptToken => "last-prompt-token",
            Self::PromptMean => "prompt-mean",
            Self::CompletionMean => "completion-mean",
        }
    }
}

impl Convention {
    /// All five.
    pub const ALL: [Self; 5] =
        [Self::MeanDifference, Self::PersonaVectors, Self::RefusalDirection, Self::Repeng, Self::EmGeneralization];

    /// The short name, as in commands and provenance.
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanDifference => "mo",
            Self::PersonaVectors => "pv",
            Self::RefusalDirection => "rd",
            Self::Repeng => "re",
            Self::EmGeneralization => "emg",
        }
    }

    /// What its layer `l` is.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::MeanDifference => "output of block l, from 0",
            Self::PersonaVectors => "hidden_states[l]",
            Self::RefusalDirection => "input of block l, from 0",
            Self::Repeng => "output of block l, from 1",
            Self::EmGeneralization => "hidden_states[l], blocks counted from 1",
        }
    }

    /// The poolings that the code base uses, its usual one first.
    pub fn poolings(self) -> &'static [Pooling] {
        use Pooling::*;
        match self {
            Self::MeanDifference => &[AnswerTokenMean],
            Self::PersonaVectors => &[MeanOfAnswerMeans, PromptMean, LastPromptToken],
            Self::RefusalDirection => &[TemplateToken],
            Self::Repeng => &[LastToken],
            Self::EmGeneralization => &[LastPromptToken, PromptMean, CompletionMean],
        }
    }
}

/// The site that a convention calls layer `layer`, in a model of `blocks` blocks.
///
/// The number of blocks matters for the last `hidden_states` entry, which is `final_norm`.
pub fn site(convention: Convention, layer: usize, part: Part, blocks: usize) -> Result<String, VectorError> {
    use Convention::*;
    let refuse = |problem: String| VectorError::Layer { layer, convention: convention.name(), problem };
    let (first, last) = match convention {
        MeanDifference | RefusalDirection => (0, blocks.checked_sub(1)),
        PersonaVectors => (0, Some(blocks)),
        Repeng => (1, blocks.checked_sub(1).filter(|last| *last > 0)),
        EmGeneralization => (1, Some(blocks).filter(|last| *last > 0)),
    };
    let Some(last) = last else { return Err(refuse(format!("a model of {blocks} block(s) has no layer of it"))) };
    if layer < first || layer > last {
        let note = if convention == Repeng && layer == 0 { ": it cannot name block 0" } else { "" };
        // Without a number of blocks the caller gives the largest one.
        let counts = match blocks {
            usize::MAX => format!("it counts from {first}"),
            blocks => format!("it counts {first} to {last} in a model of {blocks} blocks"),
        };
        return Err(refuse(format!("{counts}{note}")));
    }
    let counted_from_one = convention == EmGeneralization;
    let block = layer - usize::from(counted_from_one);
    let named = match (convention, part) {
        (PersonaVectors | EmGeneralization, Part::Residual) if layer == blocks => Site::FinalNorm,
        (PersonaVectors, Part::Residual) if layer == 0 => Site::Embed,
        (PersonaVectors, Part::Residual) => Site::Block(layer - 1, BlockSite::ResidPost),
        (RefusalDirection, Part::Residual) => Site::Block(layer, BlockSite::ResidPre),
        (_, Part::Residual) => Site::Block(block, BlockSite::ResidPost),
        (MeanDifference | EmGeneralization, Part::Attention) => Site::Block(block, BlockSite::AttnOut),
        (MeanDifference | EmGeneralization, Part::Mlp) => Site::Block(block, BlockSite::MlpOut),
        (EmGeneralization, Part::Middle) => Site::Block(block, BlockSite::ResidMid),
        (_, part) => {
            return Err(refuse(format!("it has no {part:?} part, only the residual stream").to_lowercase()));
        }
    };
    Ok(named.to_string())
}

/// The number that a convention gives to a site, in a model of `blocks` blocks.
///
/// The input of a block and the output of the block before it are one point and have one number.
pub fn layer(convention: Convention, site: &str, blocks: usize) -> Result<usize, VectorError> {
    use Convention::*;
    let refuse = |problem: &str| VectorError::Site { site: site.to_owned(), problem: problem.to_owned() };
    let none =
        || Err(refuse(&format!("convention `{}` ({}) has no number for it", convention.name(), convention.meaning())));
    let named = parse(site, blocks)?;
    let boundary = match named {
        Site::Embed => 0,
        Site::Block(block, BlockSite::ResidPre) => block,
        Site::Block(block, BlockSite::ResidPost) => block + 1,
        Site::FinalNorm if matches!(convention, PersonaVectors | EmGeneralization) => return Ok(blocks),
        Site::Block(block, BlockSite::AttnOut | BlockSite::MlpOut) if convention == MeanDifference => return Ok(block),
        Site::Block(block, _) if convention == EmGeneralization => return Ok(block + 1),
        _ => return none(),
    };
    match convention {
        PersonaVectors | EmGeneralization if boundary == blocks => Err(refuse(
            "hidden_states has no entry for the last block's output: its last entry is behind the final norm",
        )),
        MeanDifference if boundary > 0 => Ok(boundary - 1),
        Repeng if boundary > 1 => Ok(boundary - 1),
        EmGeneralization if boundary > 0 => Ok(boundary),
        PersonaVectors => Ok(boundary),
        RefusalDirection if boundary < blocks => Ok(boundary),
        _ => none(),
    }
}

/// The point of the forward pass that a site names, for comparing and for forward order: what enters a block is what
/// the block before it gave. None for a text that names no site.
pub(crate) fn point(site: &str) -> Option<Site> {
    match parse(site, usize::MAX).ok()? {
        Site::Block(block, BlockSite::ResidPre) if block > 0 => Some(Site::Block(block - 1, BlockSite::ResidPost)),
        site => Some(site),
    }
}

/// One site by its name; a pattern that names several is refused.
fn parse(site: &str, blocks: usize) -> Result<Site, VectorError> {
    let refuse = |problem: String| VectorError::Site { site: site.to_owned(), problem };
    if blocks == 0 {
        return Err(refuse("the model has no blocks".to_owned()));
    }
    if site.contains(['*', '{']) {
        return Err(refuse("a pattern names several sites, one is expected".to_owned()));
    }
    let named = Site::select(&[site.to_owned()], blocks).map_err(|e| refuse(e.to_string()))?;
    named.first().copied().ok_or_else(|| refuse("it names nothing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Convention::*;
    use super::*;

    #[track_caller]
    fn check(convention: Convention, number: usize, part: Part, expected: &str) {
        assert_eq!(site(convention, number, part, 48).unwrap(), expected, "{convention:?}");
        assert_eq!(layer(convention, expected, 48).unwrap(), number, "{convention:?} back");
    }

    #[test]
    fn layer_24_of_48_is_another_site_in_each_convention() {
        check(MeanDifference, 24, Part::Residual, "blocks.24.resid_post");
        check(PersonaVectors, 24, Part::Residual, "blocks.23.resid_post");
        check(RefusalDirection, 24, Part::Residual, "blocks.24.resid_pre");
        check(Repeng, 24, Part::Residual, "blocks.24.resid_post");
        check(EmGeneralization, 24, Part::Residual, "blocks.23.resid_post");
    }

    #[test]
    fn the_parts_of_a_layer_follow_the_code_base() {
        check(MeanDifference, 24, Part::Mlp, "blocks.24.mlp_out");
        check(MeanDifference, 24, Part::Attention, "blocks.24.attn_out");
        check(EmGeneralization, 24, Part::Mlp, "blocks.23.mlp_out");
        check(EmGeneralization, 24, Part::Attention, "blocks.23.attn_out");
        check(EmGeneralization, 24, Part::Middle, "blocks.23.resid_mid");
        for (convention, part) in
            [(PersonaVectors, Part::Mlp), (RefusalDirection, Part::Middle), (Repeng, Part::Attention)]
        {
            assert!(site(convention, 24, part, 48).is_err(), "{convention:?} {part:?}");
        }
    }

    #[test]
    fn the_first_and_the_last_layer_are_what_each_code_base_reads_there() {
        check(MeanDifference, 0, Part::Residual, "blocks.0.resid_post");
        check(MeanDifference, 47, Part::Residual, "blocks.47.resid_post");
        check(PersonaVectors, 0, Part::Residual, "embed");
        check(PersonaVectors, 47, Part::Residual, "blocks.46.resid_post");
        check(PersonaVectors, 48, Part::Residual, "final_norm");
        check(RefusalDirection, 0, Part::Residual, "blocks.0.resid_pre");
        check(RefusalDirection, 47, Part::Residual, "blocks.47.resid_pre");
        check(Repeng, 1, Part::Residual, "blocks.1.resid_post");
        check(Repeng, 47, Part::Residual, "blocks.47.resid_post");
        check(EmGeneralization, 1, Part::Residual, "blocks.0.resid_post");
        check(EmGeneralization, 48, Part::Residual, "final_norm");
        check(EmGeneralization, 48, Part::Mlp, "blocks.47.mlp_out");
    }

    #[test]
    fn what_enters_a_block_is_the_point_that_left_the_one_before() {
        assert_eq!(point("blocks.4.resid_pre"), point("blocks.3.resid_post"));
        assert_eq!(point("blocks.0.resid_pre").unwrap().to_string(), "blocks.0.resid_pre");
        assert!(point("blocks.9.resid_post") < point("blocks.10.attn_out"), "forward order, not that of the alphabet");
        assert_eq!(["layer 3", "blocks.*.resid_post", ""].map(point), [None; 3]);
    }

    #[test]
    fn a_number_outside_the_model_is_an_error() {
        for (convention, number) in [
            (MeanDifference, 48),
            (PersonaVectors, 49),
            (RefusalDirection, 48),
            (Repeng, 0),
            (Repeng, 48),
            (EmGeneralization, 0),
            (EmGeneralization, 49),
        ] {
            assert!(site(convention, number, Part::Residual, 48).is_err(), "{convention:?} {number}");
        }
        for convention in Convention::ALL {
            assert!(site(convention, 1, Part::Residual, 0).is_err(), "{convention:?} without blocks");
        }
    }

    #[test]
    fn a_site_without_a_number_is_an_error() {
        for (convention, name) in [
            (PersonaVectors, "blocks.47.resid_post"),
            (EmGeneralization, "blocks.47.resid_post"),
            (RefusalDirection, "blocks.47.resid_post"),
            (Repeng, "blocks.0.resid_post"),
            (Repeng, "blocks.1.resid_pre"),
            (Repeng, "final_norm"),
            (MeanDifference, "embed"),
            (MeanDifference, "final_norm"),
            (EmGeneralization, "blocks.0.resid_pre"),
            (PersonaVectors, "blocks.3.mlp_out"),
            (PersonaVectors, "logits"),
            (PersonaVectors, "blocks.*.resid_pre"),
            (PersonaVectors, "blocks.{1..2}.resid_pre"),
            (PersonaVectors, "layer 3"),
        ] {
            assert!(layer(convention, name, 48).is_err(), "{convention:?} {name}");
        }
    }

    #[test]
    fn one_point_has_one_number_under_both_of_its_names() {
        for convention in [MeanDifference, PersonaVectors, RefusalDirection, Repeng, EmGeneralization] {
            let after = layer(convention, "blocks.23.resid_post", 48).unwrap();
            assert_eq!(layer(convention, "blocks.24.resid_pre", 48).unwrap(), after, "{convention:?}");
        }
        assert_eq!(layer(PersonaVectors, "blocks.0.resid_pre", 48).unwrap(), 0);
    }
}
