"""Files of directions as other projects write them, and what they hold.

Usage:
  vector_files.py make FOLDER     writes the files and `expected.json`; needs torch, safetensors, gguf and numpy
  vector_files.py read FILE.gguf  prints a control vector as the gguf package reads it

The numbers in `expected.json` are what torch gives back for each file, as f32.
"""

import json
import sys
from collections import OrderedDict
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

WIDTH = 6


def make(folder):
    folder = Path(folder)
    torch.manual_seed(0)
    expected = {}

    def keep(file, entries):
        expected[file] = [
            {"name": name, "site": site, "values": [float(x) for x in tensor.detach().float().tolist()]}
            for name, site, tensor in entries
        ]

    # Persona vectors: [layers + 1, width], four blocks.
    persona = torch.randn(5, WIDTH)
    torch.save(persona, folder / "evil_response_avg_diff.pt")
    sites = ["embed", *(f"blocks.{i}.resid_post" for i in range(3)), "final_norm"]
    keep("evil_response_avg_diff.pt", [(f"layer_{i}", sites[i], persona[i]) for i in range(5)])

    # Model organisms: means in bf16, one of them a column of a larger tensor.
    wide = torch.randn(WIDTH, 3).bfloat16()
    means = {
        "question": {f"layer_{i}": torch.randn(WIDTH).bfloat16() for i in range(3)},
        "answer": OrderedDict((f"layer_{i}", wide[:, i]) for i in range(3)),
    }
    torch.save(means, folder / "mo_means.pt")
    keep(
        "mo_means.pt",
        [(f"{p}.layer_{i}", f"blocks.{i}.resid_post", means[p][f"layer_{i}"]) for p in means for i in range(3)],
    )

    # Model organisms: a trained steering vector.
    steering = torch.nn.Parameter(torch.randn(WIDTH).half())
    torch.save({"steering_vector": steering, "layer_idx": 24, "alpha": 256.0}, folder / "mo_steering.pt")
    keep("mo_steering.pt", [("steering_vector", "blocks.24.mlp_out", steering)])

    # Refusal direction: candidates in f64, and the chosen one, a view into them, with its layer beside it.
    candidates = torch.randn(2, 3, WIDTH, dtype=torch.float64)
    torch.save(candidates, folder / "mean_diffs.pt")
    keep(
        "mean_diffs.pt",
        [
            (f"pos_{p - 2}.layer_{i}", f"blocks.{i}.resid_pre", candidates[p, i])
            for p in range(2)
            for i in range(3)
        ],
    )
    (folder / "rd").mkdir(exist_ok=True)
    torch.save(candidates[1, 2], folder / "rd/direction.pt")
    (folder / "rd/direction_metadata.json").write_text(json.dumps({"pos": -1, "layer": 2}, indent=4) + "\n")
    keep("rd/direction.pt", [("direction", "blocks.2.resid_pre", candidates[1, 2])])

    # steering-vectors, and numbers without a word about whose they are; protocol 4 has other opcodes.
    layers = {8: torch.randn(WIDTH), 9: torch.randn(WIDTH)}
    torch.save({"layer_activations": layers, "layer_type": "mlp"}, folder / "sv.pt", pickle_protocol=4)
    keep("sv.pt", [(f"layer_{i}", f"blocks.{i}.mlp_out", layers[i]) for i in layers])
    torch.save(layers, folder / "numbered.pt")
    keep("numbered.pt", [(f"layer_{i}", None, layers[i]) for i in layers])

    # The form before torch 1.6, which is refused.
    torch.save(torch.randn(2), folder / "old_form.pt", _use_new_zipfile_serialization=False)

    # A safetensors file of any program, and the hidden states of a request as vLLM stores them, which are refused.
    save_file({"a": persona[0].clone(), "b": persona[1].half()}, folder / "plain.safetensors")
    keep("plain.safetensors", [("a", None, persona[0]), ("b", None, persona[1].half())])
    dump = {"token_ids": torch.arange(2), "hidden_states": torch.randn(2, 1, WIDTH)}
    save_file(dump, folder / "vllm_dump.safetensors")

    # A control vector, by the calls of repeng's `export_gguf`.
    writer = gguf.GGUFWriter(folder / "repeng.gguf", "controlvector")
    writer.add_string("controlvector.model_hint", "qwen2")
    writer.add_uint32("controlvector.layer_count", 2)
    for layer in (2, 1):
        writer.add_tensor(f"direction.{layer}", persona[layer].numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    keep("repeng.gguf", [(f"direction.{i}", f"blocks.{i}.resid_post", persona[i]) for i in (1, 2)])

    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def read(file):
    reader = gguf.GGUFReader(file)
    hint = reader.get_field("controlvector.model_hint")
    architecture = reader.get_field("general.architecture")
    count = reader.get_field("controlvector.layer_count")
    directions = {tensor.name: np.asarray(tensor.data).tolist() for tensor in reader.tensors}
    print(
        json.dumps(
            {
                "architecture": architecture.contents(),
                "model_hint": hint.contents(),
                "layer_count": int(count.contents()),
                "directions": directions,
            }
        )
    )


{"make": make, "read": read}[sys.argv[1]](sys.argv[2])
