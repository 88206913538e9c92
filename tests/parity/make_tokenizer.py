"""Writes the `tokenizers` JSON of the default language model, made from its GGUF metadata.

Usage: make_tokenizer.py MODEL.gguf OUTPUT.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flamingo_training.tokenizer import tokenizer_from_gguf


def main() -> None:
    """Writes compact JSON; merges as "left right" strings, which every version of `tokenizers` reads."""
    model, output = map(Path, sys.argv[1:])
    content = json.loads(tokenizer_from_gguf(model).to_str())
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    output.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    main()
