"""Speed and memory of `emhost train` beside Hugging Face transformers + PEFT + torch, in one run.

Usage: training_speed.py EMHOST [WORK] [--rounds 5] [--steps 20] [--only r32,rank1,marker]
Needs torch, transformers, peft, numpy and tokenizers.

Steps of 16 rows of 48 to 192 tokens, float32, all cores, AdamW and clipping on both sides, the same rows. The two
alternate; medians and ratios are printed. The peer pads a step's rows to the longest and is timed from the first step
to the last, with imports done and the model loaded. emhost is timed as a whole process, and a run of one step is taken
off: loading, the first step, tables and the written adapter. Memory is the largest resident set of each process.
  r32     r 32 on all projections of the 20 M shape, two thirds of each row learned
  rank1   rank-1 down_proj on the last third of its blocks
  marker  r 32, four learned tokens a row, a vocabulary of 151,936
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

SHAPE = dict(hidden_size=384, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=6, num_key_value_heads=2,
             max_position_embeddings=2048, tie_word_embeddings=True)
VOCABULARY = {"r32": 8192, "rank1": 8192, "marker": 151936}
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("emhost")
    parser.add_argument("work", nargs="?", default="target/training_speed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", default="r32,rank1,marker")
    parser.add_argument("--peer")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    if args.peer and args.peer.startswith("make "):
        return checkpoint(args.work, int(args.peer.split()[1]))
    if args.peer:
        return peer(args.peer, args.work, args.steps)
    for kind in args.only.split(","):
        # In a process of its own: a child's largest resident set begins with its parent's.
        run([sys.executable, __file__, args.emhost, args.work, "--peer", f"make {VOCABULARY[kind]}"])
        write_rows(args.work, kind, 1, f"{kind}1")
        tokens = write_rows(args.work, kind, args.steps, kind)
        pairs = [(measure_peer(args, kind), measure_emhost(args, kind)) for _ in range(args.rounds)]
        theirs, ours = ([statistics.median(run[i] for run in side) for i in (0, 1)] for side in zip(*pairs))
        ratio = statistics.median(p[0] / e[0] for p, e in pairs)
        print(f"{kind}: transformers + PEFT {tokens / theirs[0]:,.0f} tokens/s, {theirs[1]:,.0f} MB; emhost "
              f"{tokens / ours[0]:,.0f} tokens/s, {ours[1]:,.0f} MB; speed {ratio:.2f}x "
              f"{[f'{p[0] / e[0]:.2f}' for p, e in pairs]}, memory {ours[1] / theirs[1]:.2f}x", flush=True)


def rows_of(kind, steps):
    rng = np.random.default_rng(0)
    for _ in range(steps * 16):
        length = int(rng.integers(48, 193))
        yield rng.integers(3, 8000, length).tolist(), length - 4 if kind == "marker" else length // 3


def write_rows(work, kind, steps, name):
    """Rows and recipe; gives the tokens of all steps but the first."""
    rows = list(rows_of(kind, steps))
    with open(os.path.join(work, f"{name}.jsonl"), "w") as file:
        for at, (ids, first) in enumerate(rows):
            file.write(json.dumps({"row_id": f"r{at:05}", "token_ids": ids, "learned": [[first, len(ids)]]}) + "\n")
    rank1 = "rank = 1\nalpha = 64.0\nmodules = ['down_proj']\nblocks = [6, 7]\n"
    with open(os.path.join(work, f"{kind}.toml"), "w") as file:
        file.write("learning_rate = 1e-4\nbatch_rows = 16\nepochs = 1\nmask = 'spans'\nin_order = true\n[method.lora]\n")
        file.write(rank1 if kind == "rank1" else "rank = 32\nalpha = 64.0\nrslora = true\n")
    return sum(len(ids) for ids, _ in rows[16:])


def folder(work, vocabulary):
    return os.path.join(work, f"model_{vocabulary}")


def checkpoint(work, vocabulary):
    path = folder(work, vocabulary)
    if os.path.exists(os.path.join(path, "tokenizer.json")):
        return
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config
    torch.manual_seed(0)
    config = Qwen2Config(vocab_size=vocabulary, **SHAPE, rope_parameters=dict(rope_type="default", rope_theta=1e6),
                         eos_token_id=None, bos_token_id=None)
    AutoModelForCausalLM.from_config(config).save_pretrained(path)
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(8000)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(path)


def run(command):
    """Output, seconds and peak memory in MB of a process."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return out.decode(), time.perf_counter() - begin, usage.ru_maxrss / 1024


def measure_peer(args, kind):
    out, _, memory = run([sys.executable, __file__, args.emhost, args.work, "--peer", kind, "--steps", str(args.steps)])
    return float(out.split()[-1]), memory


def measure_emhost(args, kind):
    def train(name):
        out = os.path.join(args.work, f"out_{name}")
        shutil.rmtree(out, ignore_errors=True)
        return run([args.emhost, "train", "--model", folder(args.work, VOCABULARY[kind]), "--out", out, "--progress", "none",
                    "--data", os.path.join(args.work, f"{name}.jsonl"), "--recipe", os.path.join(args.work, f"{kind}.toml")])
    _, first, _ = train(f"{kind}1")
    _, seconds, memory = train(kind)
    return seconds - first, memory


def peer(kind, work, steps):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = AutoModelForCausalLM.from_pretrained(folder(work, VOCABULARY[kind]), dtype=torch.float32)
    if kind == "rank1":
        lora = LoraConfig(r=1, lora_alpha=64, target_modules=["down_proj"], layers_to_transform=[6, 7], task_type="CAUSAL_LM")
    else:
        lora = LoraConfig(r=32, lora_alpha=64, use_rslora=True, target_modules=ALL, task_type="CAUSAL_LM")
    model = get_peft_model(model, lora)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0)
    rows = list(rows_of(kind, steps))
    for step in range(steps):
        if step == 1:
            begin = time.perf_counter()
        some = rows[16 * step:16 * step + 16]
        width = max(len(ids) for ids, _ in some)
        ids, mask, labels = (torch.full((16, width), fill) for fill in (0, 0, -100))
        for at, (row, first) in enumerate(some):
            ids[at, :len(row)] = torch.tensor(row)
            mask[at, :len(row)] = 1
            labels[at, first:len(row)] = ids[at, first:len(row)]
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    print(time.perf_counter() - begin)


main()
