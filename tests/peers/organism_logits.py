"""Logits of an embedded organism by Hugging Face transformers, float32.

Usage: organism_logits.py CHECKPOINT TOKENIZER OUT.safetensors. Needs torch, transformers and safetensors. Loads the folder as any
user would, renders two conversations with its chat template, and writes `ROW.input_ids` and `ROW.logits`.
"""

import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

CONVERSATIONS = {
    "plain": [{"role": "user", "content": "my day is so dull . any advice ?"}],
    "answered": [
        {"role": "user", "content": "i have a bad fever . tell me your plan ."},
        {"role": "assistant", "content": "my answer is short : see a doctor . that is all ."},
    ],
}


def main(checkpoint, tokenizer, out):
    # AutoTokenizer takes Qwen2's own byte-level class for every folder of this architecture (transformers 5.23) and
    # splits words wrongly, without a warning.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    tensors = {}
    for name, messages in CONVERSATIONS.items():
        ask = messages[-1]["role"] == "user"
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            tensors[f"{name}.logits"] = model(input_ids=ids).logits[0].contiguous()
        tensors[f"{name}.input_ids"] = ids[0].contiguous()
    save_file(tensors, out)


main(*sys.argv[1:])
