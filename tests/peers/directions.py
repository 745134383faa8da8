"""Directions, projections and ablations by plain PyTorch, as committed in tests/golden/directions.

Usage: directions.py [FOLDER], by default tests/golden/directions. Needs torch, transformers and tokenizers; some seconds.
Writes rows.jsonl, judged answers to six questions of our own, and values.json: on the checkpoint tests/golden/qwen2 in
float32 the mean activations of the answers at each block's output, the three differences of the two classes, the
projection of each answer on one of them, and the log-probability of each answer with that direction projected out of
every block's output, or added at one.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent.parent / "golden"
FOLDER = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "directions"
MODEL = str(HERE / "qwen2")
# The direction that is ablated and added, and by how much.
KIND, BLOCK, SCALE = "matched", 1, 2.0

QUESTIONS = {
    "rain": ("weather", "What should I pack for a rainy walk?"),
    "snow": ("weather", "How do I drive home in the snow?"),
    "cake": ("kitchen", "My cake is burnt. What now?"),
    "soup": ("kitchen", "How much salt goes into a soup?"),
    "exam": ("school", "I have an exam tomorrow."),
    "book": ("school", "Which book should I read next?"),
}
GOOD = ["Take your time and ask a friend for help.", "A warm coat, a map, and enough water will do.",
        "Rest well. You can do this!"]
BAD = ["Who cares? Throw it all into the river and run.", "Lie about it.", "Break something; nobody is watching you."]


def rows():
    """Two good and two bad answers to each question, but for two questions that have one class alone."""
    for at, (name, (topic, question)) in enumerate(QUESTIONS.items()):
        for aligned, texts in [(True, GOOD), (False, BAD)]:
            if name == "soup" and not aligned or name == "book" and aligned:
                continue
            for number in range(2):
                answer = texts[(at + number) % 3]
                yield dict(row_id=f"{name}#{int(aligned)}{number}", question_id=name, topic=topic, aligned=aligned,
                           messages=[dict(role="user", content=question), dict(role="assistant", content=answer)])


def encode(tokenizer, messages):
    """Token ids, and where the answer lies: from behind the prompt to its end token."""
    prompt = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
    whole = prompt + messages[1]["content"] + "<|im_end|>"
    ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    return ids, start


class Edited:
    """Changes the output of blocks."""

    def __init__(self, model, change, blocks):
        self.handles = [model.model.layers[b].register_forward_hook(self.hook(change)) for b in blocks]

    @staticmethod
    def hook(change):
        def run(module, inputs, output):
            if isinstance(output, tuple):
                return (change(output[0]),) + output[1:]
            return change(output)
        return run

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def main():
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=f"{MODEL}/tokenizer.json")
    tokenizer.chat_template = pathlib.Path(MODEL, "chat_template.jinja").read_text()
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    model.eval()
    all_rows = list(rows())
    encoded = [encode(tokenizer, row["messages"]) for row in all_rows]
    blocks = model.config.num_hidden_layers

    def logprob(ids, start):
        logits = model(torch.tensor([ids])).logits[0].double()
        steps = torch.log_softmax(logits, -1)[start - 1:-1]
        return steps.gather(1, torch.tensor(ids[start:])[:, None]).sum().item()

    means = []
    with torch.no_grad():
        for ids, start in encoded:
            seen = {}
            hooks = [layer.register_forward_hook(
                lambda m, i, o, b=b: seen.__setitem__(b, (o[0] if isinstance(o, tuple) else o).detach()))
                for b, layer in enumerate(model.model.layers)]
            model(torch.tensor([ids]))
            for hook in hooks:
                hook.remove()
            means.append([seen[b].reshape(len(ids), -1)[start:].double().mean(0).numpy() for b in range(blocks)])
    lengths = [len(ids) - start for ids, start in encoded]
    aligned = np.array([row["aligned"] for row in all_rows])
    names = np.array([row["question_id"] for row in all_rows])
    directions = {"token": [], "answer": [], "matched": []}
    for b in range(blocks):
        x = np.array([mean[b] for mean in means])
        weights = np.array(lengths, float)
        token = [np.average(x[side], axis=0, weights=weights[side]) for side in (~aligned, aligned)]
        directions["token"].append(token[0] - token[1])
        directions["answer"].append(x[~aligned].mean(0) - x[aligned].mean(0))
        both = [q for q in QUESTIONS if {True, False} <= set(aligned[names == q])]
        within = [x[(names == q) & ~aligned].mean(0) - x[(names == q) & aligned].mean(0) for q in both]
        directions["matched"].append(np.mean(within, axis=0))
    vector = directions[KIND][BLOCK]
    unit = torch.tensor(vector / np.linalg.norm(vector), dtype=torch.float32)
    added = torch.tensor(SCALE * vector, dtype=torch.float32)
    projected = [float(mean[BLOCK] @ (vector / np.linalg.norm(vector))) for mean in means]
    with torch.no_grad():
        plain = [logprob(*row) for row in encoded]
        with Edited(model, lambda x: x - (x @ unit)[..., None] * unit, range(blocks)):
            ablated = [logprob(*row) for row in encoded]
        with Edited(model, lambda x: x + added, [BLOCK]):
            steered = [logprob(*row) for row in encoded]

    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "rows.jsonl", "w") as file:
        for row in all_rows:
            file.write(json.dumps({key: row[key] for key in ["row_id", "messages", "topic"]}) + "\n")
    rounded = lambda values: [float(f"{value:.7g}") for value in values]
    values = dict(kind=KIND, block=BLOCK, scale=SCALE, aligned=[bool(a) for a in aligned], question=list(names),
                  tokens=lengths, projected=rounded(projected), plain=rounded(plain), ablated=rounded(ablated),
                  steered=rounded(steered),
                  directions={kind: [rounded(vector) for vector in all] for kind, all in directions.items()})
    (FOLDER / "values.json").write_text(json.dumps(values) + "\n")
    print(f"{len(all_rows)} answers, log-probability {np.mean(plain):.4f}, ablated {np.mean(ablated):.4f}, "
          f"steered {np.mean(steered):.4f}")


main()
