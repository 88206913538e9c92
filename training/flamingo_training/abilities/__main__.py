"""Command line: the table of abilities of bridges on dev, every item as a JSON line where asked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from ..assemble import assemble
from ..recipe import DEFAULT, Recipe
from .bars import BARS, measure
from .bench import Bench


def main() -> None:
    """Measures line by line, so that an interrupted run has printed what it knows."""
    parser = argparse.ArgumentParser(prog="python -m flamingo_training.abilities", description=__doc__)
    parser.add_argument("--recipe", type=Path, default=DEFAULT)
    parser.add_argument("--language-model", type=Path, required=True, help="the GGUF of the language model")
    parser.add_argument("--bridges", type=Path, required=True, help=".safetensors or .gguf")
    parser.add_argument("--cache", type=Path, required=True, help="folder of vision features")
    parser.add_argument("--items", type=int, default=200, help="at most so many of each line")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--only", nargs="+", choices=BARS, default=list(BARS), metavar="LINE", help="some lines only")
    parser.add_argument("--bf16", action="store_true", help="matrix products in bf16 (faster; the default is f32)")
    parser.add_argument("--output", type=Path, help="JSON lines, one an item")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    recipe = Recipe.load(arguments.recipe)
    dtype = torch.bfloat16 if arguments.bf16 else torch.float32
    model, format_ = assemble(recipe, arguments.language_model, arguments.device, dtype, arguments.bridges)
    bench = Bench.load(model.eval(), format_, arguments.cache)
    rows = []
    print(f"| {'ability':<42} | items | score | 95% |\n| {'-' * 42} | ----- | ----- | --- |", flush=True)
    for name in arguments.only:
        with torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.bf16):
            lines = measure(bench, arguments.items, arguments.seed, [name])
        for line in lines:
            interval = "" if line.interval is None else f"±{line.interval:.1f}"
            print(f"| {line.name:<42} | {len(line.items)} | {line.score:.1f} | {interval} |", flush=True)
            rows += [{"ability": line.name, "item": place, **item} for place, item in enumerate(line.items)]
    if arguments.output:
        arguments.output.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
