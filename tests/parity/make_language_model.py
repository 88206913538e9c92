"""Logits of the default language model on real text, from `transformers` reading the same GGUF.

Usage: make_language_model.py MODEL.gguf TOKENIZER.json OUTPUT_FOLDER

Writes `text.txt` and `expected.safetensors`: `input_ids` i64 [n], and for the first 200 positions
`top_ids` i64 [200, 64], `top_logits` f32 [200, 64], `log_sum_exp` f32 [200]. All in f32.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

POSITIONS = 200
TOP = 64

# The opening of Jane Austen's "Pride and Prejudice" (1813) and of Herman Melville's "Moby-Dick" (1851),
# both in the public domain, with one line of our own between them for digits and symbols.
TEXT = """\
It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.

However little known the feelings or views of such a man may be on his first entering a neighbourhood, this truth is \
so well fixed in the minds of the surrounding families, that he is considered as the rightful property of some one or \
other of their daughters.

In 2024, 1,234 people paid $56.78 (or 9%) for it - "why?", they'd asked: naïve café-goers don't know.

Call me Ishmael. Some years ago—never mind how long precisely—having little or no money in my purse, and nothing \
particular to interest me on shore, I thought I would sail about a little and see the watery part of the world. It is \
a way I have of driving off the spleen and regulating the circulation. Whenever I find myself growing grim about the \
mouth; whenever it is a damp, drizzly November in my soul; then, I account it high time to get to sea as soon as I can.
"""


def main() -> None:
    """Runs the model once over the text."""
    model_path, tokenizer_path, output = map(Path, sys.argv[1:])
    model = AutoModelForCausalLM.from_pretrained(
        model_path.parent, gguf_file=model_path.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    ids = torch.tensor(Tokenizer.from_file(str(tokenizer_path)).encode(TEXT).ids)
    if len(ids) < POSITIONS:
        raise ValueError(f"the text has {len(ids)} tokens, {POSITIONS} are needed")
    with torch.inference_mode():
        logits = model(ids[None, :POSITIONS]).logits[0]
    top = logits.topk(TOP, dim=-1)
    (output / "text.txt").write_text(TEXT, encoding="utf-8")
    save_file(
        {
            "input_ids": ids.contiguous(),
            "top_ids": top.indices.contiguous(),
            "top_logits": top.values.contiguous(),
            "log_sum_exp": logits.logsumexp(-1).contiguous(),
        },
        output / "expected.safetensors",
    )


if __name__ == "__main__":
    main()
