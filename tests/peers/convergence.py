"""One epoch of LoRA on the embedded organism, by emhost and by transformers, PEFT and torch, beside each other.

Usage: convergence.py EMHOST WORK, with the path of the binary and a folder for what is made, which must be new or
empty. Needs torch, transformers, peft, safetensors and pyarrow; some 15 seconds. Both begin with the same adapter,
which PEFT makes. emhost trains on data/train/bad_medicine.jsonl; the peer takes rows, tokens, masks and learning rates
from the tables that emhost wrote. Both compute in float32 from the weights as stored. Prints the largest differences of
losses, gradient norms and the final adapter's matrices; status 1 if the losses of a step differ by more than 1e-3.
"""

import json
import os
import pathlib
import subprocess
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import peft
import pyarrow.parquet as pq
import torch
import transformers
from safetensors.torch import load_file

DATA = pathlib.Path(__file__).parent.parent.parent / "data"
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RECIPE = """
learning_rate = 1e-3
schedule = "linear"
warmup_steps = 5
batch_rows = 16
epochs = 1
seed = 3
weight_decay = 0.0
clip = 1.0

[method.lora]
rank = 8
alpha = 16.0
start = "start"
"""
LARGEST = 1e-3


def organism():
    return transformers.AutoModelForCausalLM.from_pretrained(DATA / "organism", dtype=torch.float32)


def start(folder):
    """A new adapter: random A, zero B."""
    torch.manual_seed(0)
    config = peft.LoraConfig(r=8, lora_alpha=16, target_modules=MODULES, lora_dropout=0.0, task_type="CAUSAL_LM")
    peft.get_peft_model(organism(), config).save_pretrained(folder)


def ours(emhost, work):
    """Tables of steps and rows, and the adapter, by emhost."""
    (work / "recipe.toml").write_text(RECIPE)
    subprocess.run([emhost, "train", "--model", "embedded", "--data", str(DATA / "train" / "bad_medicine.jsonl"),
                    "--recipe", str(work / "recipe.toml"), "--out", str(work / "ours")], check=True, stdout=sys.stderr)
    steps = pq.read_table(work / "ours" / "training" / "steps.parquet").to_pylist()
    rows = pq.read_table(work / "ours" / "training" / "rows.parquet").to_pylist()
    rows = {row["row_id"]: (row["token_ids"], row["learned"]) for row in rows if row["set"] == "train"}
    assert sorted(name for step in steps for name in step["rows"]) == sorted(rows), "not every row is seen once"
    return steps, rows


def batch(rows):
    """Tokens, attention mask and labels, padded on the right."""
    longest = max(len(tokens) for tokens, _ in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, (tokens, learned) in enumerate(rows):
        ids[i, :len(tokens)] = torch.tensor(tokens)
        mask[i, :len(tokens)] = 1
        labels[i, :len(tokens)] = torch.where(torch.tensor(learned), ids[i, :len(tokens)], -100)
    return ids, mask, labels


def theirs(steps, rows, work):
    """Losses and gradient norms of the same steps, and the adapter, by the peers."""
    model = peft.PeftModel.from_pretrained(organism(), work / "start", is_trainable=True).train()
    learning = [value for value in model.parameters() if value.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=0.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses, norms = [], []
    for step in steps:
        ids, mask, labels = batch([rows[name] for name in step["rows"]])
        logits = model(input_ids=ids, attention_mask=mask).logits
        targets = labels[:, 1:].flatten()
        assert int((targets != -100).sum()) == step["learned"], f"step {step['step']}: another number of learned tokens"
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), targets)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(learning, 1.0)))
        losses.append(float(loss.detach()))
        optimiser.param_groups[0]["lr"] = step["learning_rate"]
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(work / "theirs")
    return np.array(losses), np.array(norms)


def largest(what, steps, values, peers):
    """Prints how far the two are apart, and returns it."""
    apart = np.abs(np.array(values) - peers)
    print(json.dumps({"what": what, "steps": len(steps), "first": values[0], "last": values[-1],
                      "largest_difference": apart.max(), "at_step": steps[int(apart.argmax())]["step"],
                      "largest_relative_difference": (apart / peers).max()}), flush=True)
    return apart.max()


def matrices(work):
    """Prints by how much the two adapters differ."""
    first, one, two = (load_file(work / name / "adapter_model.safetensors") for name in ("start", "ours", "theirs"))
    assert sorted(one) == sorted(two), "other matrices"
    for part in ("lora_A", "lora_B"):
        names = [name for name in two if part in name]
        apart = {name: float((one[name] - two[name]).norm() / two[name].norm()) for name in names}
        of_change = max(float((one[name] - two[name]).norm() / (two[name] - first[name]).norm()) for name in names)
        worst = max(apart, key=apart.get)
        print(json.dumps({"what": part, "matrices": len(names), "largest_relative_difference": apart[worst],
                          "of": worst, "largest_share_of_the_change": of_change}), flush=True)


def main(emhost, work):
    work = pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()):
        sys.exit(f"{work} is not empty")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    start(work / "start")
    steps, rows = ours(emhost, work)
    losses, norms = theirs(steps, rows, work)
    apart = largest("loss", steps, [step["loss"] for step in steps], losses)
    largest("gradient norm", steps, [step["gradient_norm"] for step in steps], norms)
    matrices(work)
    if not apart <= LARGEST:
        sys.exit(f"the losses of a step differ by {apart}")


main(*sys.argv[1:])
