"""References for training: learning rates, and twenty AdamW steps over all weights of a checkpoint.

Usage: make_training_golden.py OUT. Needs torch, transformers 5 and safetensors. Writes to the folder OUT:

schedules.safetensors  learning rates of steps 0 to 999 of 1,000 in float64, one tensor per schedule, as torch and
                       transformers step a dummy optimiser. Peak 1e-3; warm-up 30 for linear, cosine, constant and
                       cosine_with_restarts (4 cycles), none for the others; cyclic ones rise from 1e-5 over 125 steps.
full.safetensors       twenty steps over tests/golden/qwen2 in float32: stepNN.input_ids and stepNN.labels [4, 12],
                       losses, grad_norms (before clipping at 1.0), after.norms (Frobenius norms of all parameters,
                       sorted by name; the metadata `names` has the names, one per line), and after.NAME of four.
"""

import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from safetensors.torch import save_file
from torch.optim import lr_scheduler

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
PEAK, STEPS, WARMUP = 1e-3, 1000, 30
KEPT = ("model.layers.0.self_attn.q_proj.weight", "model.layers.3.mlp.down_proj.weight", "model.norm.weight",
        "model.layers.1.self_attn.k_proj.bias")


def rates(make):
    """The learning rate that each step is taken with."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=PEAK)
    scheduler, values = make(optimiser), []
    for _ in range(STEPS):
        values.append(float(optimiser.param_groups[0]["lr"]))
        optimiser.step()
        scheduler.step()
    return torch.tensor(values, dtype=torch.float64)


def schedules():
    def named(name, warmup=WARMUP):
        return rates(lambda o: transformers.get_scheduler(name, o, num_warmup_steps=warmup, num_training_steps=STEPS))

    def cyclic(mode, gamma=1.0):
        return rates(lambda o: lr_scheduler.CyclicLR(o, base_lr=1e-5, max_lr=PEAK, step_size_up=125, mode=mode,
                                                     gamma=gamma, cycle_momentum=False))

    restarts = transformers.get_cosine_with_hard_restarts_schedule_with_warmup
    return {
        "linear": named("linear"),
        "cosine": named("cosine"),
        "constant": named("constant_with_warmup"),
        "cosine_with_restarts": rates(lambda o: restarts(o, WARMUP, STEPS, num_cycles=4)),
        "linear_no_warmup": named("linear", 0),
        "cosine_annealing": rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS)),
        "linear_lr": rates(lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=STEPS)),
        "triangular": cyclic("triangular"),
        "triangular2": cyclic("triangular2"),
        "exp_range": cyclic("exp_range", 0.995),
    }


def full():
    model = transformers.AutoModelForCausalLM.from_pretrained(GOLDEN / "qwen2", dtype=torch.float32,
                                                              attn_implementation="eager").train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    torch.manual_seed(5)
    out, losses, norms = {}, [], []
    for step in range(20):
        ids = torch.randint(3, 512, (4, 12))
        labels = ids.clone()
        labels[:, :6] = -100
        out[f"step{step:02}.input_ids"], out[f"step{step:02}.labels"] = ids, labels
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        losses.append(loss.detach())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        optimiser.param_groups[0]["lr"] = PEAK * (1 - step / 20)
        optimiser.step()
        optimiser.zero_grad()
    after = dict(sorted((name, value.detach()) for name, value in model.named_parameters()))
    out |= {f"after.{name}": after[name].contiguous() for name in KEPT}
    out |= {"losses": torch.stack(losses), "grad_norms": torch.stack(norms),
            "after.norms": torch.stack([value.double().norm() for value in after.values()])}
    return out, {"names": "\n".join(after)}


def main(out):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    tensors, names = full()
    save_file(schedules(), out / "schedules.safetensors")
    save_file(tensors, out / "full.safetensors", metadata=names)
    print("losses", [round(float(loss), 4) for loss in tensors["losses"]])
    print("gradient norms", [round(float(norm), 3) for norm in tensors["grad_norms"]])
    for file in ("schedules.safetensors", "full.safetensors"):
        print(file, (out / file).stat().st_size, "bytes")


main(*sys.argv[1:])
