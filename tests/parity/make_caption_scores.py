"""Words, CIDEr and BLEU of captions of the first dev images, by the training package and pycocoevalcap.

Usage: make_caption_scores.py FLICKR8K_FOLDER CAPTIONS.jsonl OUTPUT.json [IMAGES]

CAPTIONS is what `flamingo_training.evaluate --output` writes for dev. Each image has two candidates: the model's
caption, and an odd one made from references (a reference itself, another image's, two joined, stutters, nothing).
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider

from flamingo_training.consensus import words

IMAGES = 200
TEXTS = [
    "A black-and-white dog , running .",
    "Isn't it the dog\u2019s t-shirt?",
    "DON'T can't won't didn't've don'ts n't 'n't an't n'tn't",
    "boys' 's s 'S it's_ it's2 it's-it's a's's",
    "-a- a-b-c a--b a-n't a-'s 3-4 -",
    "Zo\u00eb-4 bus na\u00efve's \u00e9's don't\u00e9 \u0130stanbul \u212a9",
    'in Washington D.C. (respectively) rif = ding "quoted" `x` ...',
    "",
    " \t\n ",
]
PIECES = ["a", "dog", "n't", "'s", "'", "-", "_", "n", "t", "s", "N'T", "9", " ", ".", "\u2019", "\u00e9", "n't "]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def odd_texts() -> list[str]:
    """Texts that touch every rule of the tokenization."""
    chance = random.Random(0)
    return TEXTS + ["".join(chance.choices(PIECES, k=12)) for _ in range(200)]


def odd_candidate(image: int, references: Sequence[Sequence[str]]) -> str:
    """A candidate unlike a model's: perfect, wrong, far too long, stuttering or empty."""
    own, other = references[image], references[(image + 1) % len(references)]
    return [own[0], other[0], f"{own[1]} {own[2]}", own[3].split()[-2] + " the" * 7, ""][image % 5]


def scores(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[float], dict[str, object]]:
    """CIDEr of each image, and the scores of all together."""
    expected = {image: [" ".join(words(text)) for text in texts] for image, texts in enumerate(references)}
    found = {image: [" ".join(words(text))] for image, text in enumerate(candidates)}
    cider, each = Cider().compute_score(expected, found)
    bleu, _ = Bleu(4).compute_score(expected, found, verbose=0)
    return [round(float(score), 12) for score in each], {"cider": float(cider), "bleu": bleu}


def main() -> None:
    """Writes one line an image."""
    folder, captions, output = map(Path, sys.argv[1:4])
    images = int(sys.argv[4]) if len(sys.argv) > 4 else IMAGES
    dev = read_lines(folder / "dev.jsonl")[:images]
    model = [row["caption"] for row in read_lines(captions)[:images]]
    references = [row["captions"] for row in dev]
    odd = [odd_candidate(image, references) for image in range(images)]
    model_each, model_all = scores(model, references)
    odd_each, odd_all = scores(odd, references)
    rows = zip(references, model, model_each, odd, odd_each, strict=True)
    lines = [
        json.dumps(
            {
                "references": texts,
                "model": {"candidate": model_text, "cider": model_cider},
                "odd": {"candidate": odd_text, "cider": odd_cider},
            }
        )
        for texts, model_text, model_cider, odd_text, odd_cider in rows
    ]
    corpus = json.dumps({"model": model_all, "odd": odd_all})
    tokens = json.dumps({text: " ".join(words(text)) for text in odd_texts()})
    images_text = ",\n".join(lines)
    output.write_text(f'{{"images": [\n{images_text}\n],\n"corpus": {corpus},\n"words": {tokens}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
