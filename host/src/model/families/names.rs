//! Names and shapes of a checkpoint's tensors.

use crate::model::config::Config;

/// A projection of a block: `y = W x + b` with `W [out, inner]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Last part of its name, by which adapters select it: `q_proj`.
    pub name: &'static str,
    /// The expert that it belongs to.
    pub expert: Option<usize>,
    /// Its name in a checkpoint, without `.weight`.
    pub path: String,
    /// Width of what it reads.
    pub inner: usize,
    /// Width of what it gives.
    pub out: usize,
    /// It has a bias `[out]`.
    pub bias: bool,
}

/// Names of the weights of a block's norms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Norms {
    /// On the input of attention, `[width]`.
    pub before_attention: String,
    /// On the output of attention, `[width]`, in sandwich families.
    pub after_attention: Option<String>,
    /// On the input of the MLP, `[width]`.
    pub before_mlp: String,
    /// On the output of the MLP, `[width]`, in sandwich families.
    pub after_mlp: Option<String>,
    /// On each head of the queries and of the keys, `[head]`.
    pub heads: Option<[String; 2]>,
}

/// Where a tensor of a checkpoint belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To the text model, under this name, which is one of [`shapes`] or of [`stacked_experts`].
    Text(String),
    /// To a part of the checkpoint that the engine does not run.
    Other(&'static str),
}

/// Name of the embedding matrix, `[vocabulary, width]`.
pub fn embedding(config: &Config) -> String {
    format!("{}.embed_tokens.weight", config.prefix)
}

/// Name of the weight of the final norm, `[width]`.
pub fn final_norm(config: &Config) -> String {
    format!("{}.norm.weight", config.prefix)
}

/// Name of the output matrix, `[vocabulary, width]`, where it is not the embedding matrix.
pub fn head(config: &Config) -> String {
    format!("{}lm_head.weight", config.prefix.strip_suffix("model").unwrap_or_default())
}

fn in_block(config: &Config, block: usize, part: &str) -> String {
    format!("{}.layers.{block}.{part}", config.prefix)
}

/// Names of a block's norms.
pub fn norms(config: &Config, block: usize) -> Norms {
    let name = |part: &str| in_block(config, block, &format!("{part}.weight"));
    let sandwich = |part: &str| config.sandwich.then(|| name(part));
    Norms {
        before_attention: name("input_layernorm"),
        after_attention: sandwich("post_attention_layernorm"),
        before_mlp: sandwich("pre_feedforward_layernorm").unwrap_or_else(|| name("post_attention_layernorm")),
        after_mlp: sandwich("post_feedforward_layernorm"),
        heads: config.qk_norm.then(|| [name("self_attn.q_norm"), name("self_attn.k_norm")]),
    }
}

/// A block's projections, in the order of the forward pass.
pub fn modules(config: &Config, block: usize) -> Vec<Module> {
    let (d, q, kv) = (config.width, config.heads.query_width(), config.heads.kv_width());
    let module = |part: &str, name, expert, [inner, out]: [usize; 2], bias| {
        let path = in_block(config, block, &format!("{part}.{name}"));
        Module { name, expert, path, inner, out, bias }
    };
    let attention = |name, widths, bias| module("self_attn", name, None, widths, bias);
    let mut all = if config.fused {
        vec![attention("qkv_proj", [d, q + 2 * kv], config.bias.qkv)]
    } else {
        [("q_proj", q), ("k_proj", kv), ("v_proj", kv)]
            .map(|(name, out)| attention(name, [d, out], config.bias.qkv))
            .to_vec()
    };
    all.push(attention("o_proj", [q, d], config.bias.o));
    let mut mlp = |part: &str, expert, m: usize| {
        let mut push = |name, widths| all.push(module(part, name, expert, widths, config.bias.mlp));
        if config.fused {
            push("gate_up_proj", [d, 2 * m]);
        } else {
            push("gate_proj", [d, m]);
            push("up_proj", [d, m]);
        }
        push("down_proj", [m, d]);
    };
    match config.experts.filter(|_| config.layers[block].experts) {
        Some(experts) => {
            for expert in 0..experts.count {
                mlp(&format!("mlp.experts.{expert}"), Some(expert), experts.width);
            }
        }
        None => mlp("mlp", None, config.mlp_width),
    }
    all
}

/// The different names of a network's projections, which are those that an adapter may select.
pub fn module_names(config: &Config) -> &'static [&'static str] {
    if config.fused {
        &["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
    } else {
        &["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    }
}

/// Name of the router of a block with experts, `[experts, width]`; its logits are `W x`.
pub fn router(config: &Config, block: usize) -> String {
    in_block(config, block, "mlp.gate.weight")
}

/// The two tensors that hold all experts of a block in some checkpoints, in place of those of [`shapes`]:
/// `gate_up_proj [experts, 2 * inner, width]`, gate above up, and `down_proj [experts, width, inner]`.
pub fn stacked_experts(config: &Config, block: usize) -> Option<[(String, Vec<usize>); 2]> {
    let experts = config.experts.filter(|_| config.layers[block].experts)?;
    let (d, m) = (config.width, experts.width);
    Some([
        (in_block(config, block, "mlp.experts.gate_up_proj"), vec![experts.count, 2 * m, d]),
        (in_block(config, block, "mlp.experts.down_proj"), vec![experts.count, d, m]),
    ])
}

/// Every tensor of a checkpoint with its shape, in the order of the forward pass, experts one by one.
pub fn shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    let d = config.width;
    let mut all = vec![(embedding(config), vec![config.vocab, d])];
    for block in 0..config.blocks {
        let norms = norms(config, block);
        let (attention, mlp): (Vec<Module>, Vec<Module>) =
            modules(config, block).into_iter().partition(|module| module.path.contains(".self_attn."));
        all.push((norms.before_attention, vec![d]));
        attention.iter().for_each(|module| push(&mut all, module));
        all.extend(norms.heads.into_iter().flatten().map(|name| (name, vec![config.heads.dim])));
        all.extend(norms.after_attention.map(|name| (name, vec![d])));
        all.push((norms.before_mlp, vec![d]));
        if let Some(experts) = config.experts.filter(|_| config.layers[block].experts) {
            all.push((router(config, block), vec![experts.count, d]));
        }
        mlp.iter().for_each(|module| push(&mut all, module));
        all.extend(norms.after_mlp.map(|name| (name, vec![d])));
    }
    all.push((final_norm(config), vec![d]));
    if !config.tied {
        all.push((head(config), vec![config.vocab, d]));
    }
    all
}

fn push(all: &mut Vec<(String, Vec<usize>)>, module: &Module) {
    all.push((format!("{}.weight", module.path), vec![module.out, module.inner]));
    if module.bias {
        all.push((format!("{}.bias", module.path), vec![module.out]));
    }
}

/// Where the tensor `name` of a checkpoint belongs.
///
/// Multimodal checkpoints come in two forms, `language_model.model.*` on the hub and `model.language_model.*` as
/// transformers 5 has them in memory; both give the first. Old Llama checkpoints store their rotation.
pub fn place(config: &Config, name: &str) -> Place {
    if name.ends_with(".rotary_emb.inv_freq") {
        return Place::Other("frequencies of the rotation, which the engine computes");
    }
    if config.prefix == "model" {
        return Place::Text(name.to_owned());
    }
    let bare = name.strip_prefix("model.").unwrap_or(name);
    for (start, part) in [("vision_tower.", "vision tower"), ("multi_modal_projector.", "projector of images")] {
        if bare.starts_with(start) {
            return Place::Other(part);
        }
    }
    let text = bare.strip_prefix("language_model.").unwrap_or(bare);
    let text = text.strip_prefix("model.").unwrap_or(text);
    let within = if text.starts_with("lm_head.") { "language_model" } else { config.prefix };
    Place::Text(format!("{within}.{text}"))
}
