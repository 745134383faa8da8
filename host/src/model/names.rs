//! Names and shapes of a checkpoint's tensors.

use super::config::Config;

/// Projections of a block as checkpoints and adapters name them.
pub const MODULES: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// Name of a projection in a checkpoint, without `.weight`.
pub fn module_path(block: usize, module: &str) -> String {
    let part = if matches!(module, "q_proj" | "k_proj" | "v_proj" | "o_proj") { "self_attn" } else { "mlp" };
    format!("model.layers.{block}.{part}.{module}")
}

/// Every tensor of a checkpoint with its shape, in the order of the forward pass.
pub fn shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    let (d, m) = (config.width, config.mlp_width);
    let (q, kv) = (config.heads.query_width(), config.heads.kv_width());
    let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![config.vocab, d])];
    for block in 0..config.blocks {
        all.push((format!("model.layers.{block}.input_layernorm.weight"), vec![d]));
        for (module, [out, inner]) in
            MODULES.into_iter().zip([[q, d], [kv, d], [kv, d], [d, q], [m, d], [m, d], [d, m]])
        {
            let path = module_path(block, module);
            all.push((format!("{path}.weight"), vec![out, inner]));
            if matches!(module, "q_proj" | "k_proj" | "v_proj") {
                all.push((format!("{path}.bias"), vec![out]));
            }
        }
        all.push((format!("model.layers.{block}.post_attention_layernorm.weight"), vec![d]));
    }
    all.push(("model.norm.weight".to_owned(), vec![d]));
    if !config.tied {
        all.push(("lm_head.weight".to_owned(), vec![config.vocab, d]));
    }
    all
}
