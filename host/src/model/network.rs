//! The forward pass of every family: a decoder that follows its description.

use std::sync::Arc;

use candle_core::Tensor;

use super::config::{Config, Rotation};
use super::error::Result;
use super::families::{Module, embedding, final_norm, head, modules, norms};
use super::kernels::{Look, Rope, add_scaled, rms_norm, rotate};
use super::linear::{Linear, Matrix, Placement, take};
use super::mlp::Mlp;
use super::packed::Packed;
use super::site::{BlockSite, Projection, Site, Tap};
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
    /// Nothing comes after it but the final norm.
    last: bool,
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
        let weight = take(weights, name, &[width], placement)?;
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
        let shape = [config.vocab, config.width];
        let embed = Matrix::take(weights, &embedding(config), shape, placement)?;
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
            blocks.push(Block::take(config, at, rope, weights, placement)?);
        }
        let final_norm = Norm::take(weights, &final_norm(config), config.width, config, placement)?;
        let head = if config.tied { embed.clone() } else { Matrix::take(weights, &head(config), shape, placement)? };
        Ok(Self { config: Arc::new(config.clone()), placement: placement.clone(), embed, blocks, final_norm, head })
    }

    /// The projection `module` of `block`.
    pub fn linear_mut(&mut self, block: usize, module: &Module) -> Option<&mut Linear> {
        let block = self.blocks.get_mut(block)?;
        match (module.name, &mut block.qkv) {
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
        let mut x = self.embed(batch, tap)?;
        for at in 0..self.blocks.len() {
            x = self.block(at, x, batch, tap)?;
        }
        let x = self.finish(&x, tap)?;
        if tap.wants_logits() {
            tap.visit(Site::Logits, self.logits(&x)?)?;
        }
        Ok(x)
    }

    /// The residual stream as it enters block 0, `[tokens, width]`.
    pub fn embed(&self, batch: &Packed<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        let mut x = self.embed.rows(&batch.tokens, &self.placement.device)?;
        if let Some(scale) = self.config.embed_scale {
            x = (x * scale)?;
        }
        tap.visit(Site::Embed, x)
    }

    /// The residual stream as it leaves block `at`, from the one that enters it. Of the last block, the tokens of
    /// `batch.leaving` alone where that is set.
    pub fn block(&self, at: usize, x: Tensor, batch: &mut Packed<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        self.blocks[at].forward(at, x, batch, tap)
    }

    /// The final norm of what leaves the last block.
    pub fn finish(&self, x: &Tensor, tap: &mut dyn Tap) -> Result<Tensor> {
        tap.visit(Site::FinalNorm, self.final_norm.forward(x)?)
    }

    /// Ranks of the adapters at a projection of a block together.
    pub fn rank(&self, block: usize, projection: Projection) -> usize {
        let Some(block) = self.blocks.get(block) else { return 0 };
        let linear = match (projection, &block.qkv) {
            (Projection::Q, Qkv::Split([q, _, _])) => Some(q),
            (Projection::K, Qkv::Split([_, k, _])) => Some(k),
            (Projection::V, Qkv::Split([_, _, v])) => Some(v),
            (Projection::Qkv, Qkv::Fused(qkv)) => Some(qkv),
            (Projection::O, _) => Some(&block.o),
            _ => block.mlp.linear(projection),
        };
        linear.map_or(0, Linear::rank)
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Number of logits.
    pub fn vocabulary(&self) -> usize {
        self.config.vocab
    }

    /// The matrix that gives logits from the final norm, and their cap.
    pub fn head(&self) -> (&Matrix, Option<f64>) {
        (&self.head, self.config.logit_cap)
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
    fn take(config: &Config, at: usize, rope: Arc<Rope>, weights: &mut Weights, placement: &Placement) -> Result<Self> {
        let names = norms(config, at);
        let norm = |weights: &mut Weights, name: &str, width| Norm::take(weights, name, width, config, placement);
        let optional = |weights: &mut Weights, name: &Option<String>| {
            name.as_ref().map(|name| norm(weights, name, config.width)).transpose()
        };
        let modules = modules(config, at);
        let linear = |weights: &mut Weights, name: &str| {
            let module = modules.iter().find(|m| m.name == name).expect("every block has its family's projections");
            Linear::take(weights, at, module, placement)
        };
        let qkv = if config.fused {
            Qkv::Fused(linear(weights, "qkv_proj")?)
        } else {
            Qkv::Split([linear(weights, "q_proj")?, linear(weights, "k_proj")?, linear(weights, "v_proj")?])
        };
        let head_norms = match &names.heads {
            Some([q, k]) => Some([norm(weights, q, config.heads.dim)?, norm(weights, k, config.heads.dim)?]),
            None => None,
        };
        Ok(Self {
            last: at + 1 == config.blocks,
            attention_norm: norm(weights, &names.before_attention, config.width)?,
            qkv,
            head_norms,
            rope,
            look: Look {
                heads: config.heads,
                scale: config.attention_scale as f32,
                cap: config.attention_cap.map(|cap| cap as f32),
                window: config.layers[at].window,
            },
            o: linear(weights, "o_proj")?,
            attention_out_norm: optional(weights, &names.after_attention)?,
            mlp_norm: norm(weights, &names.before_mlp, config.width)?,
            mlp: Mlp::take(config, at, weights, placement)?,
            mlp_out_norm: optional(weights, &names.after_mlp)?,
        })
    }

    fn forward(&self, at: usize, x: Tensor, batch: &mut Packed<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        let site = |site| Site::Block(at, site);
        let out_norm = |norm: &Option<Norm>, x: Tensor| norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x));
        let x = tap.visit(site(BlockSite::ResidPre), x)?;
        let [q, k, v] = self.queries(&self.attention_norm.forward(&x)?, batch, tap)?;
        let mut mixed = batch.attend(at, &q, &k, &v, &self.look)?;
        let mut x = x;
        if let Some(tokens) = batch.leaving.as_ref().filter(|_| self.last) {
            (x, mixed) = (x.index_select(tokens, 0)?, mixed.index_select(tokens, 0)?);
        }
        let attn_out = out_norm(&self.attention_out_norm, self.o.forward(&mixed, tap)?)?;
        let attn_out = tap.visit(site(BlockSite::AttnOut), attn_out)?;
        let x = tap.visit(site(BlockSite::ResidMid), add_scaled(&x, &attn_out, 1.0)?)?;
        let mlp_out = out_norm(&self.mlp_out_norm, self.mlp.forward(&self.mlp_norm.forward(&x)?, tap)?)?;
        let mlp_out = tap.visit(site(BlockSite::MlpOut), mlp_out)?;
        tap.visit(site(BlockSite::ResidPost), add_scaled(&x, &mlp_out, 1.0)?)
    }

    /// Queries and keys, rotated, and values.
    fn queries(&self, h: &Tensor, batch: &Packed<'_>, tap: &mut dyn Tap) -> Result<[Tensor; 3]> {
        let [mut q, mut k, v] = match &self.qkv {
            Qkv::Split([q, k, v]) => [q.forward(h, tap)?, k.forward(h, tap)?, v.forward(h, tap)?],
            Qkv::Fused(all) => {
                let all = all.forward(h, tap)?;
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
