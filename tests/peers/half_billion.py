"""Compares the engine with Hugging Face transformers on a network of the size of Qwen2.5-0.5B, stored in bf16.

Usage: half_billion.py EMHOST FOLDER, with the path of the binary and a folder for the checkpoint (1 GB), which is made
there if it is missing: random weights, always the same. Runs `emhost capture` on rows of token ids, reads the logits of
the last positions from the dataset's Parquet files, and prints one JSON line per row. The engine must choose the token
that transformers chooses in float32 from the same weights, and be at least as near to it as transformers is in bf16.
Needs torch, transformers, safetensors and pyarrow, 6 GB of memory and some minutes.
"""

import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
LENGTHS = [1, 7, 64, 200]


def make(folder):
    """A checkpoint with a tokenizer, whose few tokens are not used."""
    config = transformers.Qwen2Config(
        vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
        num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True, initializer_range=0.02,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6})
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(GOLDEN / "qwen2" / file, folder)


def ours(emhost, folder, rows):
    """Logits of the last token of each row."""
    with tempfile.TemporaryDirectory() as scratch:
        file, out = os.path.join(scratch, "rows.jsonl"), os.path.join(scratch, "logits")
        with open(file, "w") as lines:
            lines.writelines(json.dumps({"row_id": name, "token_ids": ids}) + "\n" for name, ids in rows.items())
        subprocess.run([emhost, "capture", "--model", folder, "--rows", file, "--sites", "logits", "--positions",
                        "last", "--out", out], check=True, stdout=sys.stderr)
        table = pa.concat_tables(pq.read_table(part) for part in sorted(glob.glob(os.path.join(out, "acts-*.parquet"))))
    names = table["row_id"].to_pylist()
    assert sorted(names) == sorted(rows), f"rows {names}"
    values = table["logits"].combine_chunks()
    width = values.type.list_size
    values = values.flatten().to_numpy().reshape(-1, width).astype(np.float64)
    return dict(zip(names, values))


def theirs(folder, rows, dtype):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    with torch.no_grad():
        return {name: model(input_ids=torch.tensor([ids]), logits_to_keep=1).logits[0, -1].double().numpy()
                for name, ids in rows.items()}


def main(emhost, folder):
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if not os.path.exists(os.path.join(folder, "tokenizer.json")):
        os.makedirs(folder, exist_ok=True)
        make(folder)
    draw = np.random.default_rng(0)
    rows = {f"{n} tokens": draw.integers(0, 151936, n).tolist() for n in LENGTHS}
    got = ours(emhost, folder, rows)
    single, half = (theirs(folder, rows, dtype) for dtype in (torch.float32, torch.bfloat16))
    for name in rows:
        best = np.sort(single[name])[-2:]
        error, peer = (np.abs(logits[name] - single[name]).max() for logits in (got, half))
        print(json.dumps({"row": name, "width": len(got[name]), "error": error, "error_of_bf16_transformers": peer,
                          "first_over_second": best[1] - best[0], "argmax": int(got[name].argmax())}), flush=True)
        assert got[name].shape == single[name].shape, name
        assert got[name].argmax() == single[name].argmax(), f"{name}: another token is the most likely"
        assert error <= peer, f"{name}: further off than bf16"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
