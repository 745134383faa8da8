//! What a decoder-only transformer computes, as data: read from a checkpoint, followed by the forward pass.

use std::fmt;

use serde_json::{Value, json};

use super::error::Result;
use super::families;
use super::files::Files;
use super::kernels::Heads;

/// Description of a network. With `N` the norm and `x [tokens, width]` the residual stream, each block is
/// `x += post1(attention(N1(x)))`, then `x += post2(mlp(N2(x)))`, where `post` is a norm in sandwich
/// families and nothing elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Family, as `model_type` names it.
    pub family: Family,
    /// Rows of the embedding matrix.
    pub vocab: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width of the hidden layer of a dense MLP.
    pub mlp_width: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Attention heads; `dim` need not be `width / query`.
    pub heads: Heads,
    /// The RMS norms.
    pub norm: Norm,
    /// The outputs of attention and MLP are normalised before they are added (Gemma 2, arXiv 2408.00118, sec. 2).
    pub sandwich: bool,
    /// Each head of queries and keys is RMS-normalised before its rotation, with one weight `[dim]` for all heads.
    pub qk_norm: bool,
    /// Which projections have a bias.
    pub bias: Bias,
    /// Queries, keys and values share one tensor `qkv_proj`, gate and up another, `gate_up_proj` (Phi-3); parts
    /// stand below each other in that order.
    pub fused: bool,
    /// The function `f` of the gated MLP `down(f(gate(x)) * up(x))`.
    pub activation: Activation,
    /// Factor on the token embeddings (Gemma: `sqrt(width)`).
    pub embed_scale: Option<f64>,
    /// Factor on the attention scores: `1 / sqrt(dim)`, or `1 / sqrt(query_pre_attn_scalar)`.
    pub attention_scale: f64,
    /// Soft cap `c` on the scaled attention scores before the mask: `c * tanh(x / c)` (Gemma 2).
    pub attention_cap: Option<f64>,
    /// Soft cap on the logits.
    pub logit_cap: Option<f64>,
    /// What differs between blocks; one entry per block.
    pub layers: Vec<Layer>,
    /// The mixture of experts in the blocks that have one.
    pub experts: Option<Experts>,
    /// Longest sequence, in tokens. For long-rope checkpoints the context of their short factors.
    pub context: usize,
    /// The output matrix is the embedding matrix.
    pub tied: bool,
    /// Tokens that end an answer.
    pub end_tokens: Vec<u32>,
    /// What the names of the checkpoint's tensors start with: `model`, or `language_model.model` where the text
    /// model is a part of a multimodal one.
    pub prefix: &'static str,
}

/// A family of models: those that one `model_type` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Qwen2 and Qwen2.5 (arXiv 2407.10671).
    Qwen2,
    /// Llama 1 to 3.x (arXiv 2407.21783), text only.
    Llama,
    /// Qwen3, dense (arXiv 2505.09388).
    Qwen3,
    /// Qwen3, mixture of experts.
    Qwen3Moe,
    /// Gemma 2 (arXiv 2408.00118).
    Gemma2,
    /// Gemma 3 (arXiv 2503.19786), text.
    Gemma3,
    /// Phi-3 (arXiv 2404.14219), Phi-4 and Phi-4-mini.
    Phi3,
    /// Mistral 7B and what shares its code (arXiv 2310.06825).
    Mistral,
}

/// The RMS norms of a network: `x / sqrt(mean(x^2) + eps)`, times `w`, or times `1 + w` (Gemma).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// What is added to the mean square.
    pub eps: f64,
    /// The factor is `1 + w`.
    pub plus_one: bool,
}

/// Which projections have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bias {
    /// Queries, keys and values.
    pub qkv: bool,
    /// The output of attention.
    pub o: bool,
    /// The three matrices of the MLP.
    pub mlp: bool,
}

/// The nonlinearity of the MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))` (arXiv 1606.08415), `gelu_pytorch_tanh`.
    GeluTanh,
    /// `0.5 x (1 + erf(x / sqrt(2)))`, `gelu`.
    Gelu,
}

/// One block.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// With `Some(w)`, a token sees itself and the `w - 1` tokens before it; otherwise all before it.
    pub window: Option<usize>,
    /// Rotation of queries and keys.
    pub rotation: Rotation,
    /// The MLP is a mixture of [`Config::experts`].
    pub experts: bool,
}

/// Rotary position embedding (arXiv 2104.09864), half-split: entries `i` and `i + dim / 2` of a head turn by
/// `position * frequencies[i]`. Entries from `dim` on stay as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    /// Entries of each head that turn; even, at most the head's width.
    pub dim: usize,
    /// Base `b` of the frequencies before scaling, `b^(-2i/dim)`.
    pub base: f64,
    /// Angle per position, in radians, after scaling: `dim / 2` numbers.
    pub frequencies: Vec<f64>,
    /// Factor on cosines and sines (long rope); 1 elsewhere.
    pub factor: f64,
}

/// A mixture of experts: the router's softmax over `count` experts, of which each token uses `per_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experts {
    /// Experts per block.
    pub count: usize,
    /// Experts that a token uses: those of the largest probabilities.
    pub per_token: usize,
    /// Width of an expert's hidden layer.
    pub width: usize,
    /// The chosen probabilities are divided by their sum.
    pub normalise: bool,
}

/// The sizes that every network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the embedding matrix.
    pub vocab: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width of the MLP.
    pub mlp_width: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Attention heads.
    pub heads: Heads,
    /// Longest sequence.
    pub context: usize,
}

impl Rotation {
    /// The unscaled rotation: frequencies `base^(-2i/dim)`.
    pub fn plain(dim: usize, base: f64) -> Self {
        let frequencies = (0..dim / 2).map(|i| base.powf(-2.0 * i as f64 / dim as f64)).collect();
        Self { dim, base, frequencies, factor: 1.0 }
    }
}

impl Config {
    /// Reads `config.json` and the end tokens of `generation_config.json`.
    pub fn read(files: &Files) -> Result<Self> {
        families::read(files)
    }

    /// A network of this shape and rotation without any family's peculiarities: no biases, SiLU, norms with
    /// epsilon 1e-6, full attention, an output matrix of its own.
    pub fn plain(family: Family, shape: Shape, rotation: Rotation) -> Self {
        Self {
            family,
            vocab: shape.vocab,
            width: shape.width,
            mlp_width: shape.mlp_width,
            blocks: shape.blocks,
            heads: shape.heads,
            norm: Norm { eps: 1e-6, plus_one: false },
            sandwich: false,
            qk_norm: false,
            bias: Bias::default(),
            fused: false,
            activation: Activation::Silu,
            embed_scale: None,
            attention_scale: 1.0 / (shape.heads.dim as f64).sqrt(),
            attention_cap: None,
            logit_cap: None,
            layers: vec![Layer { window: None, rotation, experts: false }; shape.blocks],
            experts: None,
            context: shape.context,
            tied: false,
            end_tokens: Vec::new(),
            prefix: "model",
        }
    }

    /// A Qwen2 network of this shape.
    pub fn qwen2(shape: Shape, rope_base: f64) -> Self {
        let plain = Self::plain(Family::Qwen2, shape, Rotation::plain(shape.heads.dim, rope_base));
        Self { bias: Bias { qkv: true, ..Bias::default() }, ..plain }
    }

    /// A Llama network of this shape.
    pub fn llama(shape: Shape, rope_base: f64) -> Self {
        Self::plain(Family::Llama, shape, Rotation::plain(shape.heads.dim, rope_base))
    }

    /// The `config.json` of a Qwen2 checkpoint without sliding windows or a Llama checkpoint without scaled rotation, in
    /// the form that old and new readers take.
    pub fn to_json(&self, dtype: &str) -> Value {
        let base = self.layers.first().map(|layer| layer.rotation.base);
        let (architecture, own) = match self.family {
            Family::Llama => ("LlamaForCausalLM", json!({ "attention_bias": false, "mlp_bias": false })),
            _ => ("Qwen2ForCausalLM", json!({ "use_sliding_window": false })),
        };
        let mut all = json!({
            "architectures": [architecture],
            "attention_dropout": 0.0,
            "dtype": dtype,
            "eos_token_id": self.end_tokens,
            "head_dim": self.heads.dim,
            "hidden_act": "silu",
            "hidden_size": self.width,
            "initializer_range": 0.02,
            "intermediate_size": self.mlp_width,
            "max_position_embeddings": self.context,
            "model_type": self.family.to_string(),
            "num_attention_heads": self.heads.query,
            "num_hidden_layers": self.blocks,
            "num_key_value_heads": self.heads.kv,
            "rms_norm_eps": self.norm.eps,
            "rope_parameters": { "rope_theta": base, "rope_type": "default" },
            "rope_theta": base,
            "tie_word_embeddings": self.tied,
            "vocab_size": self.vocab,
        });
        if let (Value::Object(all), Value::Object(own)) = (&mut all, own) {
            all.extend(own);
        }
        all
    }
}

impl fmt::Display for Family {
    /// `model_type` of the family's text checkpoints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qwen2 => "qwen2",
            Self::Llama => "llama",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3_moe",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Phi3 => "phi3",
            Self::Mistral => "mistral",
        })
    }
}
