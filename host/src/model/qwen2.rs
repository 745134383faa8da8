//! Qwen2 and Qwen2.5 (arXiv 2407.10671): grouped-query attention with biases, SwiGLU, RMS norm before each part.

use std::sync::Arc;

use candle_core::Tensor;

use super::config::{Config, Family};
use super::error::Result;
pub use super::families::shapes;
use super::kernels::{Rope, rms_norm, rotate, swiglu};
use super::linear::{Linear, product};
use super::packed::Packed;
use super::site::{BlockSite, Site, Tap};
use super::weights::Weights;

/// The network; tokens of all sequences stand one after another, `[tokens, width]`.
#[derive(Debug, Clone)]
pub struct Qwen2 {
    config: Config,
    embed: Tensor,
    blocks: Vec<Block>,
    final_norm: Tensor,
    head: Option<Tensor>,
    rope: Arc<Rope>,
}

#[derive(Debug, Clone)]
struct Block {
    attention_norm: Tensor,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    mlp_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// Projections of a block as checkpoints and adapters name them.
pub const MODULES: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// Name of a projection in a checkpoint, without `.weight`.
pub fn module_path(block: usize, module: &str) -> String {
    let part = if matches!(module, "q_proj" | "k_proj" | "v_proj" | "o_proj") { "self_attn" } else { "mlp" };
    format!("model.layers.{block}.{part}.{module}")
}

impl Qwen2 {
    /// Takes the network's tensors out of `weights`.
    pub fn take(config: &Config, weights: &mut Weights) -> Result<Self> {
        if config.family != Family::Qwen2 || config.layers.iter().any(|layer| layer.window.is_some()) {
            let problem = format!("a {} network with its windows is not supported yet", config.family);
            return Err(candle_core::Error::Msg(problem).into());
        }
        let (d, m) = (config.width, config.mlp_width);
        let (q, kv) = (config.heads.query_width(), config.heads.kv_width());
        let embed = weights.take("model.embed_tokens.weight", &[config.vocab, d])?;
        let blocks = (0..config.blocks)
            .map(|at| {
                let mut linear = |module, widths, bias| Linear::take(weights, &module_path(at, module), widths, bias);
                let [q, k, v] = [
                    linear("q_proj", [q, d], true)?,
                    linear("k_proj", [kv, d], true)?,
                    linear("v_proj", [kv, d], true)?,
                ];
                let o = linear("o_proj", [d, config.heads.query_width()], false)?;
                let [gate, up] = [linear("gate_proj", [m, d], false)?, linear("up_proj", [m, d], false)?];
                let down = linear("down_proj", [d, m], false)?;
                Ok(Block {
                    attention_norm: weights.take(&format!("model.layers.{at}.input_layernorm.weight"), &[d])?,
                    mlp_norm: weights.take(&format!("model.layers.{at}.post_attention_layernorm.weight"), &[d])?,
                    q,
                    k,
                    v,
                    o,
                    gate,
                    up,
                    down,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            embed,
            blocks,
            final_norm: weights.take("model.norm.weight", &[d])?,
            head: if config.tied { None } else { Some(weights.take("lm_head.weight", &[config.vocab, d])?) },
            rope: Arc::new(Rope::new(config.heads.dim, config.layers[0].rotation.base, config.context)),
            config: config.clone(),
        })
    }

    /// The projection `module` of `block`.
    pub fn linear_mut(&mut self, block: usize, module: &str) -> Option<&mut Linear> {
        let block = self.blocks.get_mut(block)?;
        match module {
            "q_proj" => Some(&mut block.q),
            "k_proj" => Some(&mut block.k),
            "v_proj" => Some(&mut block.v),
            "o_proj" => Some(&mut block.o),
            "gate_proj" => Some(&mut block.gate),
            "up_proj" => Some(&mut block.up),
            "down_proj" => Some(&mut block.down),
            _ => None,
        }
    }

    /// Runs packed sequences through all blocks and the final norm: `[tokens, width]`.
    pub fn forward(&self, batch: &mut Packed<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        let tokens = Tensor::from_slice(&batch.tokens, batch.tokens.len(), self.embed.device())?;
        let mut x = tap.visit(Site::Embed, self.embed.index_select(&tokens, 0)?)?;
        for (at, block) in self.blocks.iter().enumerate() {
            x = self.block(at, block, x, batch, tap)?;
        }
        let x = tap.visit(Site::FinalNorm, rms_norm(&x, &self.final_norm, self.config.norm.eps)?)?;
        if tap.wants_logits() {
            tap.visit(Site::Logits, self.logits(&x)?)?;
        }
        Ok(x)
    }

    /// Scores over the vocabulary, `[tokens, vocabulary]`, from the output of `forward`.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        product(hidden, self.head.as_ref().unwrap_or(&self.embed))
    }

    fn block(&self, at: usize, block: &Block, x: Tensor, batch: &mut Packed<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        let mut tap = |site, value| tap.visit(Site::Block(at, site), value);
        let eps = self.config.norm.eps;
        let x = tap(BlockSite::ResidPre, x)?;
        let h = rms_norm(&x, &block.attention_norm, eps)?;
        let q = rotate(&block.q.forward(&h)?, &self.rope, &batch.positions)?;
        let k = rotate(&block.k.forward(&h)?, &self.rope, &batch.positions)?;
        let mixed = batch.attend(at, &q, &k, &block.v.forward(&h)?, self.config.heads)?;
        let attn_out = tap(BlockSite::AttnOut, block.o.forward(&mixed)?)?;
        let x = tap(BlockSite::ResidMid, (x + attn_out)?)?;
        let h = rms_norm(&x, &block.mlp_norm, eps)?;
        let hidden = swiglu(&block.gate.forward(&h)?, &block.up.forward(&h)?)?;
        let mlp_out = tap(BlockSite::MlpOut, block.down.forward(&hidden)?)?;
        tap(BlockSite::ResidPost, (x + mlp_out)?)
    }
}
