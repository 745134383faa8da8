"""References for the families of models, computed by Hugging Face transformers and peft.

Usage: python tests/peers/make_golden.py configs | folders

`configs` reads the configurations of real checkpoints in tests/golden/configs.json ("written": facts, kept by hand)
and adds to each what transformers makes of it: "rewritten", the file that it saves, and "expected", what its own
modules say without any weights. `folders` writes small random checkpoints with unusual options to tests/golden.
Each holds what a checkpoint holds, but no tokenizer, and golden.safetensors: logits and sites in float32, from the
weights as they are stored. Needs torch, transformers 5, peft and safetensors.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

transformers.utils.logging.set_verbosity_error()
GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
SIZES = dict(vocab_size=512, hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=512, initializer_range=0.1)


def core(model):
    """The part that holds embeddings, blocks and final norm."""
    inner = model.get_base_model().model if hasattr(model, "peft_config") else model.model
    return getattr(inner, "language_model", inner)


def expected(config):
    """What transformers' modules say of a configuration, without weights."""
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    text, config = core(model), config.get_text_config()
    layers = text.layers
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * len(layers)
    rope = type(text.rotary_emb)(config)
    tensors = {name: list(value.shape) for name, value in model.named_parameters()}
    outer = {f".{i}." for i in range(1, len(layers) - 1)}
    norm = layers[0].input_layernorm
    out = {
        "windows": [getattr(l.self_attn, "sliding_window", config.sliding_window if hasattr(config, "sliding_window")
                            else None) for l in layers],
        "experts": [hasattr(l.mlp, "experts") for l in layers],
        "attention_scale": layers[0].self_attn.scaling,
        "eps": getattr(norm, "variance_epsilon", getattr(norm, "eps", None)),
        "embed_scale": getattr(text.embed_tokens, "scalar_embed_scale", None),
        "activation": type(getattr(layers[0].mlp, "act_fn", None) or getattr(layers[0].mlp, "activation_fn", None)
                           or layers[0].mlp.experts.act_fn).__name__,
        "parameters": sum(value.numel() for value in text.parameters()) + (
            0 if model.config.tie_word_embeddings else model.lm_head.weight.numel()),
        # The first and the last block, and what stands outside of blocks.
        "tensors": {n: s for n, s in tensors.items() if not any(part in n for part in outer) and "vision" not in n
                    and "projector" not in n},
        "rotations": {},
    }
    for kind in sorted(set(kinds)):
        per_kind = f"{kind}_" if hasattr(rope, f"{kind}_inv_freq") else ""
        out["rotations"][kind] = {"frequencies": getattr(rope, f"{per_kind}inv_freq").tolist(),
                                  "factor": getattr(rope, f"{per_kind}attention_scaling")}
    out["kinds"] = kinds
    return out


def configs():
    path = GOLDEN / "configs.json"
    table = json.loads(path.read_text())
    for name, entry in table.items():
        config = transformers.AutoConfig.for_model(**json.loads(json.dumps(entry["written"])))
        entry["rewritten"] = json.loads(config.to_json_string())
        entry["expected"] = expected(config)
        print(name, entry["expected"]["parameters"], flush=True)
    lines = (f"{json.dumps(name)}: {{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in entry.items())
             + "\n}" for name, entry in table.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def old_form(config):
    """A configuration as transformers 4 wrote it."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["partial_rotary_factor"] = rope.pop("partial_rotary_factor", 1.0)
    if config["partial_rotary_factor"] == 1.0:
        del config["partial_rotary_factor"]
    if config["model_type"] == "phi3":
        rope.pop("original_max_position_embeddings", None)
        rope["type"] = rope.pop("rope_type")
    config["rope_scaling"] = rope if rope != {"rope_type": "default"} else None
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    return config


def hooked(model, ids, mask, edit=None):
    """Logits, and the sites of all blocks as they enter the residual sum; `edit` changes the output of a block."""
    got, hooks = {}, []

    def keep(name, change=None):
        def hook(_module, _inputs, output):
            value = output[0] if isinstance(output, tuple) else output
            value = change(value) if change else value
            got[name] = value.clone()
            return (value,) + output[1:] if isinstance(output, tuple) else value
        return hook

    for i, block in enumerate(core(model).layers):
        sandwich = hasattr(block, "post_feedforward_layernorm")
        attention = block.post_attention_layernorm if sandwich else block.self_attn
        mlp = block.post_feedforward_layernorm if sandwich else block.mlp
        hooks += [attention.register_forward_hook(keep(f"blocks.{i}.attn_out")),
                  mlp.register_forward_hook(keep(f"blocks.{i}.mlp_out")),
                  block.register_forward_hook(keep(f"blocks.{i}.resid_post", edit and (lambda v, i=i: edit(i, v))))]
    with torch.no_grad():
        got["logits"] = model(input_ids=ids, attention_mask=mask).logits
    for hook in hooks:
        hook.remove()
    return got


def folder(name, config, dtype, rewrite=lambda config: config, targets=("q_proj", "v_proj", "down_proj")):
    torch.manual_seed(11)
    path = GOLDEN / name
    shutil.rmtree(path, ignore_errors=True)
    kind = (transformers.Gemma3ForConditionalGeneration if config.model_type == "gemma3"
            else transformers.AutoModelForCausalLM._model_mapping[type(config)])
    model = kind(config)
    for at, value in model.named_parameters():
        if "norm" in at or at.endswith("bias"):
            value.data += 0.1 * torch.randn_like(value)
    model.to(dtype).save_pretrained(path)
    (path / "generation_config.json").unlink()
    file = path / "config.json"
    file.write_text(json.dumps(rewrite(json.loads(file.read_text())), indent=2, sort_keys=True) + "\n")

    model = kind.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, 500, (3, 12))
    mask = torch.ones_like(ids)
    mask[1, 9:] = mask[2, 5:] = 0
    ids[mask == 0] = 0
    vector = torch.randn(model.config.get_text_config().hidden_size)
    unit = vector / vector.norm()
    golden = {"input_ids": ids, "attention_mask": mask, "vector": vector} | hooked(model, ids, mask)
    steer = lambda i, v: v + 3.0 * vector if i == 1 else v
    golden["steered.logits"] = hooked(model, ids, mask, steer)["logits"]
    golden["ablated_all.logits"] = hooked(model, ids, mask, lambda i, v: v - (v @ unit)[..., None] * unit)["logits"]
    row = ids[:1]
    for _ in range(16):
        with torch.no_grad():
            row = torch.cat([row, model(input_ids=row).logits[:, -1:].argmax(-1)], 1)
    golden["greedy"] = row[0, 12:]
    chosen = r".*language_model.*\.(" + "|".join(targets) + ")" if config.model_type == "gemma3" else list(targets)
    tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=chosen, task_type="CAUSAL_LM"))
    for at, value in tuned.named_parameters():
        if "lora_B" in at:
            value.data = 0.05 * torch.randn_like(value)
    tuned.eval().save_pretrained(path / "adapter")
    (path / "adapter" / "README.md").unlink(missing_ok=True)
    golden["lora.logits"] = hooked(tuned, ids, mask)["logits"]
    save_file({k: v.contiguous().clone() for k, v in golden.items()}, path / "golden.safetensors")
    stored = sum(v.numel() for v in load_file(path / "model.safetensors").values())
    print(name, stored, "largest logit", float(golden["logits"].abs().max()), flush=True)


def folders():
    llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=64, rope_theta=500000.0)
    long = dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.75,
                short_factor=[1.0 + 0.25 * i for i in range(6)], long_factor=[2.0 + i for i in range(6)])
    folder("qwen2_window", transformers.Qwen2Config(
        **SIZES, num_hidden_layers=4, use_sliding_window=True, sliding_window=5, max_window_layers=2,
        tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1e6)), torch.float16, old_form)
    folder("llama_bias", transformers.LlamaConfig(
        **SIZES, num_hidden_layers=3, head_dim=24, attention_bias=True, mlp_bias=True, tie_word_embeddings=False,
        rope_parameters=llama3), torch.bfloat16, old_form)
    folder("phi4_mini", transformers.Phi3Config(
        **{**SIZES, "hidden_size": 64}, num_hidden_layers=3, tie_word_embeddings=True, sliding_window=7,
        original_max_position_embeddings=64, rope_parameters=long, pad_token_id=0), torch.float32, old_form,
        targets=("qkv_proj", "gate_up_proj"))
    vision = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=28,
                  patch_size=14, vision_use_head=False)
    text = dict(SIZES, num_hidden_layers=3, head_dim=16, query_pre_attn_scalar=24, sliding_window=4, layer_types=[
        "sliding_attention", "full_attention", "sliding_attention"], rope_parameters=dict(
        full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
        sliding_attention=dict(rope_type="default", rope_theta=1e4)))
    folder("gemma3_multimodal", transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=511, boi_token_index=509,
        eoi_token_index=510), torch.float32)


{"configs": configs, "folders": folders}[sys.argv[1]]()
