"""Speed of emhost beside Hugging Face transformers + torch, on random checkpoints, in one run.

Usage: engine_speed.py EMHOST [WORK] [--rounds 5] [--only capture,sample,steer,prefill,start]
Needs torch, transformers, tokenizers and pyarrow.

The two alternate; medians and their ratio are printed. transformers is timed inside this process, with imports done and
the model loaded; emhost is timed as a whole process, from start to exit, loading included. Only in `prefill`, where
loading would be most of it, is emhost's rate taken from the difference of a long and a short run. Both compute in
float32 on all cores. For transformers the fastest of several batch sizes is used, found before the rounds begin.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config

SMALL = dict(vocab_size=8192, hidden_size=384, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=6,
             num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True)
HALF_BILLION = dict(vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
                    num_attention_heads=14, num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("emhost")
    parser.add_argument("work", nargs="?", default="target/engine_speed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="start,capture,sample,steer,prefill")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    torch.set_grad_enabled(False)
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {cores} cores", flush=True)
    bench = Bench(args.emhost, args.work, args.rounds)
    for name in args.only.split(","):
        getattr(bench, name)()


class Bench:
    def __init__(self, emhost, work, rounds):
        self.binary, self.work, self.rounds = emhost, work, rounds

    def start(self):
        """One token of a short prompt, from nothing to an answer."""
        folder = self.checkpoint("small", SMALL, torch.float32)
        rows = self.rows("one", [prompt(12, 0)])
        code = ("import sys, torch\nfrom transformers import AutoModelForCausalLM\n"
                "m = AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
                f"m.generate(torch.tensor([{prompt(12, 0)}]), max_new_tokens=1, do_sample=False)\n")
        peer = lambda: timed(lambda: subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True))
        self.compare("start to first token", peer, self.sampler(folder, rows, 1, 1), 1, "starts")

    def capture(self):
        """Every block's output at every token, written to Parquet."""
        folder, model = self.small()
        lengths = np.random.default_rng(1).integers(32, 257, 160)
        tokens = [prompt(int(n), i) for i, n in enumerate(lengths)]
        rows = self.rows("capture", tokens)
        out = os.path.join(self.work, "peer.parquet")
        plans = {(size, by): (lambda size=size, by=by: timed(lambda: peer_capture(model, tokens, size, by, out)))
                 for size in (8, 16, 32) for by in ("file", "length")}
        ours = lambda: self.emhost("capture", "--model", folder, "--rows", rows, "--sites", "blocks.*.resid_post",
                                   "--out", self.fresh("capture.data"))
        self.compare("capture", best(plans), ours, sum(map(len, tokens)), "tokens/s")

    def sample(self):
        """28 prompts, 10 samples each, 64 tokens."""
        folder, model = self.small()
        prompts = [prompt(12 + i * 7 % 40, i) for i in range(28)]
        rows = self.rows("sample", prompts)
        plans = {size: (lambda size=size: timed(lambda: peer_sample(model, prompts, 10, 64, size))) for size in (7, 14, 28)}
        self.compare("sample", best(plans), self.sampler(folder, rows, 10, 64), 28 * 10 * 64, "tokens/s")

    def steer(self):
        """Ten strengths, 8 prompts, 5 samples each, 32 tokens."""
        folder, model = self.small()
        prompts = [prompt(12 + i * 7 % 40, i) for i in range(8)]
        rows = self.rows("steer", prompts)
        strengths = [float(s) for s in range(10)]
        vector = torch.randn(384, generator=torch.Generator().manual_seed(3))
        from safetensors.torch import save_file
        save_file({"vector": vector}, os.path.join(self.work, "direction.safetensors"))
        plan = os.path.join(self.work, "steer.toml")
        with open(plan, "w") as file:
            file.write('[[intervention]]\nop = "add"\nsites = "blocks.3.resid_post"\n'
                       'vector = "direction.safetensors#vector"\n')

        def peer():
            for strength in strengths:
                edit = lambda _m, _a, out, s=strength: (out[0] + s * vector,) + out[1:] if isinstance(out, tuple) else out + s * vector
                hook = model.model.layers[3].register_forward_hook(edit)
                peer_sample(model, prompts, 5, 32, len(prompts))
                hook.remove()

        doses = ",".join(map(str, strengths))
        ours = self.sampler(folder, rows, 5, 32, "--interventions", plan, "--strengths", doses)
        self.compare("steer", lambda: timed(peer), ours, 10 * 8 * 5 * 32, "tokens/s")

    def prefill(self):
        """Rows of 256 tokens through the half-billion shape, the last hidden state kept."""
        folder = self.checkpoint("half_billion", HALF_BILLION, torch.bfloat16)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        tokens = [prompt(256, i, HALF_BILLION["vocab_size"]) for i in range(12)]
        ids = torch.tensor(tokens[:4])
        peer = lambda: timed(lambda: model.model(ids)) / 1024
        files = [self.rows(f"prefill{n}", tokens[:n]) for n in (4, 12)]
        run = lambda rows: self.emhost("capture", "--model", folder, "--rows", rows, "--sites", "final_norm",
                                       "--positions", "last", "--out", self.fresh("prefill.data"))
        ours = lambda: -(run(files[0]) - run(files[1])) / 2048
        self.compare("prefill", peer, ours, 1, "tokens/s")

    def small(self):
        folder = self.checkpoint("small", SMALL, torch.float32)
        return folder, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def checkpoint(self, name, shape, dtype):
        folder = os.path.join(self.work, name)
        if not os.path.exists(os.path.join(folder, "tokenizer.json")):
            torch.manual_seed(0)
            config = Qwen2Config(**shape, rope_parameters=dict(rope_type="default", rope_theta=1e6), eos_token_id=None,
                                 bos_token_id=None)
            AutoModelForCausalLM.from_config(config).to(dtype).save_pretrained(folder)
            words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(8000)}, unk_token="w0"))
            words.pre_tokenizer = pre_tokenizers.Whitespace()
            PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
        return folder

    def rows(self, name, tokens):
        path = os.path.join(self.work, f"{name}.jsonl")
        with open(path, "w") as file:
            for i, ids in enumerate(tokens):
                file.write(json.dumps({"row_id": f"r{i:04}", "token_ids": ids}) + "\n")
        return path

    def fresh(self, name):
        path = os.path.join(self.work, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)
        return path

    def sampler(self, folder, rows, n, new, *more):
        return lambda: self.emhost("sample", "--model", folder, "--rows", rows, "--n", str(n), "--max-new-tokens", str(new),
                                   *more, "--out", self.fresh("samples.jsonl"))

    def emhost(self, *args):
        run = lambda: subprocess.run([self.binary, *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return timed(run)

    def compare(self, name, peer, ours, work, unit):
        pairs = [(peer(), ours()) for _ in range(self.rounds)]
        theirs, mine = (statistics.median(side) for side in zip(*pairs))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name}: transformers {work / theirs:,.0f} {unit} ({theirs:.3f} s), emhost {work / mine:,.0f} {unit} "
              f"({mine:.3f} s), ratio {ratio:.2f}  {[f'{a / b:.2f}' for a, b in pairs]}", flush=True)


def prompt(length, seed, vocab=8000):
    return np.random.default_rng(seed).integers(3, vocab, length).tolist()


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def best(plans):
    """The fastest of several ways, each tried twice."""
    times = {name: min(run(), run()) for name, run in plans.items()}
    name = min(times, key=times.get)
    print(f"  transformers is fastest with {name}: " + ", ".join(f"{k} {v:.2f} s" for k, v in times.items()), flush=True)
    return plans[name]


def padded(rows, left):
    width = max(map(len, rows))
    pads = [[0] * (width - len(row)) for row in rows]
    join = (lambda pad, row: pad + row) if left else (lambda pad, row: row + pad)
    ids = torch.tensor([join(pad, row) for pad, row in zip(pads, rows)])
    mask = torch.tensor([join(pad, [1] * len(row)) for pad, row in zip(pads, rows)])
    return ids, mask


def peer_capture(model, tokens, size, by, out):
    order = list(range(len(tokens)))
    if by == "length":
        order.sort(key=lambda i: len(tokens[i]))
    blocks, taken = model.model.layers, {}
    keep = lambda i: lambda _m, _a, out: taken.__setitem__(i, out[0] if isinstance(out, tuple) else out)
    hooks = [block.register_forward_hook(keep(i)) for i, block in enumerate(blocks)]
    kind = pa.list_(pa.float32(), 384)
    fields = [("row_id", pa.string()), ("pos", pa.uint32()), ("token_id", pa.uint32())]
    schema = pa.schema(fields + [(f"blocks.{i}.resid_post", kind) for i in range(len(blocks))])
    with pq.ParquetWriter(out, schema, compression="NONE", use_dictionary=False, write_statistics=False) as writer:
        for start in range(0, len(order), size):
            some = order[start:start + size]
            ids, mask = padded([tokens[i] for i in some], left=False)
            model.model(ids, attention_mask=mask)
            real = mask.bool()
            columns = [pa.array([f"r{i:04}" for i in some for _ in tokens[i]]),
                       pa.array(np.concatenate([np.arange(len(tokens[i])) for i in some]), pa.uint32()),
                       pa.array(np.concatenate([tokens[i] for i in some]), pa.uint32())]
            columns += [pa.FixedSizeListArray.from_arrays(taken[i][real].flatten().numpy(), type=kind) for i in range(len(blocks))]
            writer.write_table(pa.table(columns, schema=schema))
    for hook in hooks:
        hook.remove()


def peer_sample(model, prompts, n, new, size):
    for start in range(0, len(prompts), size):
        ids, mask = padded(prompts[start:start + size], left=True)
        model.generate(ids, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, num_return_sequences=n,
                       max_new_tokens=new, min_new_tokens=new, pad_token_id=0)


main()
