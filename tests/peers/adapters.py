"""Adapters and fine-tunes between emhost and PEFT, both ways, by their logits.

Usage: adapters.py EMHOST WORK, with the path of the binary and a folder for what is made, which must be new or empty.
Needs torch, transformers, peft, safetensors and pyarrow; some 20 seconds. On the checkpoint tests/golden/qwen2 and for
each kind of adapter: emhost trains one that PEFT loads, PEFT makes one that emhost loads, and emhost merges, unmerges
and scales them; at last emhost trains every weight. One line per check with what was measured; status 1 if one fails.
"""

import glob
import itertools
import json
import os
import pathlib
import subprocess
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import peft
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from safetensors.torch import load_file

MODEL = str(pathlib.Path(__file__).parent.parent / "golden" / "qwen2")
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# As PEFT says it. With biases some projections have no adapter, so that `lora_only` and `all` are not the same.
KINDS = {
    "plain": dict(r=4, lora_alpha=8),
    "rslora": dict(r=4, lora_alpha=8, use_rslora=True),
    "patterns": dict(r=4, lora_alpha=8, rank_pattern={"o_proj": 2, r"layers\.[01]\.mlp\.down_proj": 6},
                     alpha_pattern={"o_proj": 20, "layers.3.mlp.up_proj": 3.5}),
    "blocks": dict(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], layers_to_transform=[1, 2]),
    "rank one": dict(r=1, lora_alpha=2, target_modules=["down_proj"], layers_to_transform=[2]),
    "bias lora_only": dict(r=4, lora_alpha=8, target_modules=["q_proj", "o_proj"], bias="lora_only"),
    "bias all": dict(r=4, lora_alpha=8, target_modules=["q_proj", "o_proj"], bias="all"),
}
IN_RECIPE = dict(r="rank", lora_alpha="alpha", use_rslora="rslora", target_modules="modules",
                 layers_to_transform="blocks")
NEAR, BASE, MOVED = 2e-4, 1e-4, 1e-3
failed = []


def check(what, value, passed, bound):
    print(f"{what:60} {value:9.2e}  {bound}{'' if passed else '  FAILED'}", flush=True)
    if not passed:
        failed.append(what)


def equal(what, ours, theirs, bound=NEAR):
    difference = float(np.abs(ours - theirs).max())
    check(what, difference, difference < bound, f"< {bound:g}")


def moved(what, ours, base):
    difference = float(np.abs(ours - base).max())
    check(what, difference, difference > MOVED, f"> {MOVED:g}")


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def base():
    return transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32,
                                                             attn_implementation="eager").eval()


class Bench:
    def __init__(self, emhost, work):
        self.emhost, self.work, self.names = emhost, pathlib.Path(work), itertools.count()
        self.work.mkdir(parents=True, exist_ok=True)
        if any(self.work.iterdir()):
            sys.exit(f"{work} is not empty")
        draw = np.random.default_rng(0)
        self.asked = {f"row{n:02}": draw.integers(3, 512, n).tolist() for n in (1, 4, 9, 16, 31)}
        self.write("asked.jsonl", ({"row_id": name, "token_ids": ids} for name, ids in self.asked.items()))
        self.write("learn.jsonl", ({"row_id": f"r{i}", "token_ids": draw.integers(3, 512, 10).tolist(),
                                    "learned": [[1, 3], [6, 10]] if i % 2 else [[5, 10]]} for i in range(12)))

    def write(self, file, rows):
        (self.work / file).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def new(self):
        return str(self.work / f"{next(self.names):03}")

    def run(self, *arguments, refused=None):
        """Runs emhost; with `refused`, it must refuse with status 2 and these words."""
        done = subprocess.run([self.emhost, *arguments], capture_output=True, text=True)
        if done.returncode != (2 if refused else 0) or (refused or "") not in done.stderr:
            sys.exit(f"emhost {' '.join(arguments)}: status {done.returncode}\n{done.stderr}")

    def train(self, method):
        """A few steps; `method` is the end of the recipe."""
        out, recipe = self.new(), self.new() + ".toml"
        pathlib.Path(recipe).write_text("learning_rate = 5e-3\nschedule = \"constant\"\nbatch_rows = 4\nsteps = 6\n"
                                        "mask = \"spans\"\n" + method)
        self.run("train", "--model", MODEL, "--data", str(self.work / "learn.jsonl"), "--recipe", recipe, "--out", out,
                 "--progress", "none")
        return out

    def adapter(self, how, command, adapter, *more):
        """The folder that `emhost adapter COMMAND` writes."""
        out = self.new()
        at = [adapter] if command == "scale" else ["--adapter", adapter]
        self.run("adapter", command, *at, "--model", how, "--out", out, *more)
        return out

    def logits(self, model=MODEL, adapter=None):
        """emhost's logits of all asked tokens."""
        out = self.new()
        self.run("capture", "--model", model, *(["--adapter", adapter] if adapter else []), "--rows",
                 str(self.work / "asked.jsonl"), "--sites", "logits", "--positions", "all", "--out", out)
        table = pa.concat_tables(pq.read_table(part) for part in sorted(glob.glob(os.path.join(out, "acts-*.parquet"))))
        table = table.sort_by([("row_id", "ascending"), ("pos", "ascending")])
        rows = [(name, pos) for name, ids in sorted(self.asked.items()) for pos in range(len(ids))]
        assert list(zip(table["row_id"].to_pylist(), table["pos"].to_pylist())) == rows
        return np.stack(table["logits"].to_numpy()).astype(np.float64)

    def peer(self, model):
        """The same by torch."""
        with torch.no_grad():
            return np.concatenate([model(input_ids=torch.tensor([ids])).logits[0].double().numpy()
                                   for _, ids in sorted(self.asked.items())])

    def of_folder(self, folder):
        return self.peer(transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval())

    def of_peft(self, folder):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*adapter keys.*")
            return self.peer(peft.PeftModel.from_pretrained(base(), folder).eval())


def made_by_peft(bench, kind):
    """A random adapter, and biases moved where PEFT would learn them."""
    torch.manual_seed(7)
    model = peft.get_peft_model(base(), peft.LoraConfig(task_type="CAUSAL_LM", **{"target_modules": ALL} | kind))
    for name, value in model.named_parameters():
        if "lora_B" in name or name.endswith("bias") and value.requires_grad:
            value.data += 0.05 * torch.randn_like(value)
    out = bench.new()
    model.eval().save_pretrained(out)
    return out, bench.peer(model)


def biases(folder):
    """The largest change of a bias that an adapter holds, and how many it holds."""
    own = base().state_dict()
    held = {name: value for name, value in load_file(os.path.join(folder, "adapter_model.safetensors")).items()
            if name.endswith("bias")}
    changes = [float((value - own[name.removeprefix("base_model.model.").replace("base_layer.", "")]).abs().max())
               for name, value in held.items()]
    return max(changes, default=0.0), len(held)


def of_kind(bench, name, kind, plain):
    method = "[method.lora]\n" + "".join(f"{IN_RECIPE.get(key, key)} = {toml(value)}\n" for key, value in kind.items())
    learned = bench.train(method)
    ours, theirs = bench.logits(adapter=learned), bench.of_peft(learned)
    equal(f"{name}: trained by emhost, loaded by PEFT", ours, theirs)
    moved(f"{name}: trained by emhost, beside the base", ours, plain)
    made, memory = made_by_peft(bench, kind)
    saved = bench.of_peft(made)
    equal(f"{name}: made by PEFT, loaded by emhost", bench.logits(adapter=made), saved)
    moved(f"{name}: made by PEFT, beside the base", saved, plain)
    if "bias" in kind:
        largest, count = biases(learned)
        check(f"{name}: {count} biases trained by emhost", largest, largest > MOVED, f"> {MOVED:g}")
        print(f"{name}: PEFT saved {biases(made)[1]} biases", flush=True)
        equal(f"{name}: made by PEFT, saved and loaded by PEFT", saved, memory)

    for maker, adapter, logits in ("emhost", learned, theirs), ("PEFT", made, saved):
        merged = bench.adapter(MODEL, "merge", adapter)
        equal(f"{name}: of {maker}, merged, in transformers", bench.of_folder(merged), logits)
        if biases(adapter)[1]:
            bench.run("adapter", "unmerge", "--model", merged, "--adapter", adapter, "--out", bench.new(),
                      refused="replaces biases")
            bench.run("adapter", "scale", adapter, "--model", MODEL, "--by", "0", "--out", bench.new(),
                      refused="learned biases")
            print(f"{name}: of {maker}, unmerging and scaling are refused", flush=True)
        else:
            equal(f"{name}: of {maker}, merged and unmerged, in transformers",
                  bench.of_folder(bench.adapter(merged, "unmerge", adapter)), plain, BASE)
            off = bench.adapter(MODEL, "scale", adapter, "--by", "0")
            equal(f"{name}: of {maker}, times 0, in emhost", bench.logits(adapter=off), plain, BASE)
            equal(f"{name}: of {maker}, times 0, in PEFT", bench.of_peft(off), plain, BASE)


def main(emhost, work):
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    bench = Bench(emhost, work)
    plain = bench.peer(base())
    equal("the base", bench.logits(), plain)
    for name, kind in KINDS.items():
        of_kind(bench, name, kind, plain)
    full = bench.train("method = \"full\"\n")
    ours = bench.logits(model=full)
    equal("every weight: trained by emhost, loaded by transformers", ours, bench.of_folder(full))
    moved("every weight: beside the base", ours, plain)
    if failed:
        sys.exit(f"{len(failed)} failed")


main(*sys.argv[1:])
