//! The forward pass of every family: a decoder that follows its description.

use std::sync::Arc;

use candle_core::Tensor;

use super::config::{Config, Layer, Rotation};
use super::error::Result;
use super::kernels::{Look, Rope, rms_norm, rotate};
use super::linear::{Linear, Matrix, Placement, take};
use super::mlp::Mlp;
use super::packed::Packed;
use super::site::{BlockSite, Site, Tap};
use super::weights::Weights;

/// A network; tokens of all sequences stand one after another, `[tokens, width]`.
#[derive(Debug, Clone)]
pub struct Network {
    config: Arc<Config>,
    placement: Placement,
    embed: Matrix,
    blocks: Vec<Block>,
    final_norm: Norm,
    head: Matrix,
}

#[derive(Debug, Clone)]
struct Block {
    attention_norm: Norm,
    qkv: Qkv,
    /// Norms of each head of queries and keys.
    head_norms: Option<[Norm; 2]>,
    rope: Arc<Rope>,
    look: Look,
    o: Linear,
    /// Norm of what attention adds.
    attention_out_norm: Option<Norm>,
    mlp_norm: Norm,
    mlp: Mlp,
    /// Norm of what the MLP adds.
    mlp_out_norm: Option<Norm>,
}

#[derive(Debug, Clone)]
enum Qkv {
    Split([Linear; 3]),
    /// Queries above keys above values in one matrix.
    Fused(Linear),
}

#[derive(Debug, Clone)]
struct Norm {
    weight: Tensor,
    eps: f64,
    /// One is still to be added to the weight, because it learns.
    plus_one: bool,
}

impl Norm {
    fn take(weights: &mut Weights, name: &str, width: usize, config: &Config, placement: &Placement) -> Result<Self> {
        let weight = take(weights, &format!("{name}.weight"), &[width], placement)?;
        let now = config.norm.plus_one && !placement.learns;
        let weight = if now { (weight + 1.0)? } else { weight };
        Ok(Self { weight, eps: config.norm.eps, plus_one: config.norm.plus_one && placement.learns })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.plus_one {
            return Ok(rms_norm(x, &(&self.weight + 1.0)?, self.eps)?);
        }
        Ok(rms_norm(x, &self.weight, self.eps)?)
    }

    /// Each head of `x [tokens, heads * dim]` by itself.
    fn per_head(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let dim = self.weight.dims1()?;
        Ok(self.forward(&x.reshape((tokens * width / dim, dim))?)?.reshape((tokens, width))?)
    }
}

impl Network {
    /// Takes the network's tensors out of `weights`.
    pub fn take(config: &Config, weights: &mut Weights, placement: &Placement) -> Result<Self> {
        let (d, prefix) = (config.width, config.prefix);
        let embed = Matrix::take(weights, &format!("{prefix}.embed_tokens.weight"), [config.vocab, d], placement)?;
        let mut ropes: Vec<(Rotation, Arc<Rope>)> = Vec::new();
        let mut blocks = Vec::with_capacity(config.blocks);
        for (at, layer) in config.layers.iter().enumerate() {
            let rope = match ropes.iter().find(|(rotation, _)| *rotation == layer.rotation) {
                Some((_, rope)) => rope.clone(),
                None => {
                    let rope = Arc::new(Rope::new(config.heads.dim, &layer.rotation));
                    ropes.push((layer.rotation.clone(), rope.clone()));
                    rope
                }
            };
            let path = format!("{prefix}.layers.{at}");
            blocks.push(Block::take(config, layer, rope, weights, &path, placement)?);
        }
        let final_norm = Norm::take(weights, &format!("{prefix}.norm"), d, config, placement)?;
        let head = if config.tied {
            embed.clone()
        } else {
            Matrix::take(weights, config.head_name(), [config.vocab, d], placement)?
        };
        Ok(Self { config: Arc::new(config.clone()), placement: placement.clone(), embed, blocks, final_norm, head })
    }

    /// The projection `module` of `block`, such as `q_proj` or `experts.3.down_proj`.
    pub fn linear_mut(&mut self, block: usize, module: &str) -> Option<&mut Linear> {
        let block = self.blocks.get_mut(block)?;
        match (module, &mut block.qkv) {
            ("q_proj", Qkv::Split([q, _, _])) => Some(q),
            ("k_proj", Qkv::Split([_, k, _])) => Some(k),
            ("v_proj", Qkv::Split([_, _, v])) => Some(v),
            ("qkv_proj", Qkv::Fused(qkv)) => Some(qkv),
            ("o_proj", _) => Some(&mut block.o),
            _ => block.mlp.linear_mut(module),
        }
    }

    /// Runs packed sequences through all blocks and the final norm: `[tokens, width]`.
    pub fn forward(&self, batch: &mut Packed<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        let mut x = self.embed.rows(&batch.tokens, &self.placement.device)?;
        if let Some(scale) = self.config.embed_scale {
            x = (x * scale)?;
        }
        x = tap.visit(Site::Embed, x)?;
        for (at, block) in self.blocks.iter().enumerate() {
            x = block.forward(at, x, batch, tap)?;
        }
        let x = tap.visit(Site::FinalNorm, self.final_norm.forward(&x)?)?;
        if tap.wants_logits() {
            tap.visit(Site::Logits, self.logits(&x)?)?;
        }
        Ok(x)
    }

    /// Scores over the vocabulary, `[tokens, vocabulary]`, from the output of `forward`.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let logits = self.head.product(hidden)?;
        Ok(match self.config.logit_cap {
            Some(cap) => ((logits / cap)?.tanh()? * cap)?,
            None => logits,
        })
    }
}

impl Block {
    fn take(
        config: &Config,
        layer: &Layer,
        rope: Arc<Rope>,
        weights: &mut Weights,
        path: &str,
        placement: &Placement,
    ) -> Result<Self> {
        let (d, q, kv) = (config.width, config.heads.query_width(), config.heads.kv_width());
        let norm = |weights: &mut Weights, name: &str, width| {
            Norm::take(weights, &format!("{path}.{name}"), width, config, placement)
        };
        let linear = |weights: &mut Weights, name: &str, shape, bias| {
            Linear::take(weights, &format!("{path}.self_attn.{name}"), shape, bias, placement)
        };
        let qkv = if config.fused {
            Qkv::Fused(linear(weights, "qkv_proj", [q + 2 * kv, d], config.bias.qkv)?)
        } else {
            Qkv::Split([
                linear(weights, "q_proj", [q, d], config.bias.qkv)?,
                linear(weights, "k_proj", [kv, d], config.bias.qkv)?,
                linear(weights, "v_proj", [kv, d], config.bias.qkv)?,
            ])
        };
        let head_norms = if config.qk_norm {
            let dim = config.heads.dim;
            Some([norm(weights, "self_attn.q_norm", dim)?, norm(weights, "self_attn.k_norm", dim)?])
        } else {
            None
        };
        // Without sandwich norms, the norm before the MLP is called `post_attention_layernorm`.
        let (attention_out_norm, mlp_norm, mlp_out_norm) = if config.sandwich {
            (
                Some(norm(weights, "post_attention_layernorm", d)?),
                norm(weights, "pre_feedforward_layernorm", d)?,
                Some(norm(weights, "post_feedforward_layernorm", d)?),
            )
        } else {
            (None, norm(weights, "post_attention_layernorm", d)?, None)
        };
        Ok(Self {
            attention_norm: norm(weights, "input_layernorm", d)?,
            qkv,
            head_norms,
            rope,
            look: Look {
                heads: config.heads,
                scale: config.attention_scale as f32,
                cap: config.attention_cap.map(|cap| cap as f32),
                window: layer.window,
            },
            o: linear(weights, "o_proj", [d, q], config.bias.o)?,
            attention_out_norm,
            mlp_norm,
            mlp: Mlp::take(
                config,
                weights,
                &format!("{path}.mlp"),
                config.experts.filter(|_| layer.experts),
                placement,
            )?,
            mlp_out_norm,
        })
    }

    fn forward(&self, at: usize, x: Tensor, batch: &mut Packed<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        let mut tap = |site, value| tap.visit(Site::Block(at, site), value);
        let out_norm = |norm: &Option<Norm>, x: Tensor| norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x));
        let x = tap(BlockSite::ResidPre, x)?;
        let [q, k, v] = self.queries(&self.attention_norm.forward(&x)?, batch)?;
        let mixed = batch.attend(at, &q, &k, &v, &self.look)?;
        let attn_out = out_norm(&self.attention_out_norm, self.o.forward(&mixed)?)?;
        let attn_out = tap(BlockSite::AttnOut, attn_out)?;
        let x = tap(BlockSite::ResidMid, (x + attn_out)?)?;
        let mlp_out = out_norm(&self.mlp_out_norm, self.mlp.forward(&self.mlp_norm.forward(&x)?)?)?;
        let mlp_out = tap(BlockSite::MlpOut, mlp_out)?;
        tap(BlockSite::ResidPost, (x + mlp_out)?)
    }

    /// Queries and keys, rotated, and values.
    fn queries(&self, h: &Tensor, batch: &Packed<'_>) -> Result<[Tensor; 3]> {
        let [mut q, mut k, v] = match &self.qkv {
            Qkv::Split([q, k, v]) => [q.forward(h)?, k.forward(h)?, v.forward(h)?],
            Qkv::Fused(all) => {
                let all = all.forward(h)?;
                let (q, kv) = (self.look.heads.query_width(), self.look.heads.kv_width());
                [all.narrow(1, 0, q)?, all.narrow(1, q, kv)?, all.narrow(1, q + kv, kv)?]
            }
        };
        if let Some([q_norm, k_norm]) = &self.head_norms {
            (q, k) = (q_norm.per_head(&q)?, k_norm.per_head(&k)?);
        }
        Ok([rotate(&q, &self.rope, &batch.positions)?, rotate(&k, &self.rope, &batch.positions)?, v])
    }
}
