"""Captions of dev images and their CIDEr, greedy, with any number of shots."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pycocoevalcap.cider.cider import Cider

from .assemble import assemble
from .consensus import words
from .data import Example, data_folder, read_split
from .features import FeatureStore
from .generate import decode, pad_left, until_end
from .model import Flamingo
from .recipe import DEFAULT, Recipe
from .sequences import Chunk, PromptFormat, collate


def cider(captions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """CIDEr times 100 over a set of images; document frequencies come from the set's own references."""

    def prepare(text: str) -> str:
        return " ".join(words(text))

    expected = {image: [prepare(text) for text in texts] for image, texts in enumerate(references)}
    found = {image: [prepare(text)] for image, text in enumerate(captions)}
    return 100.0 * Cider().compute_score(expected, found)[0]


@torch.inference_mode()
def caption_images(
    model: Flamingo,
    format_: PromptFormat,
    store: FeatureStore,
    images: Sequence[int],
    batch: int,
    new_tokens: int,
    shots: Sequence[tuple[Sequence[Chunk], torch.Tensor]] = (),
) -> list[list[int]]:
    """Greedy token ids of each image; shots gives, for each image, its example chunks and their features.

    Features of shots are (shots, tokens, width).
    """
    device = model.perceiver.latents.device
    results: list[list[int]] = []
    for first in range(0, len(images), batch):
        chosen = images[first : first + batch]
        features = store.read(chosen)[:, None]
        examples = shots[first : first + batch]
        if examples:
            features = torch.cat([torch.stack([extra for _, extra in examples]), features], dim=1)
        prompts = [format_.prompt(chunks) for chunks, _ in examples] or [format_.prompt()] * len(chosen)
        ids, mask = pad_left(prompts, format_.end)
        media = model.see(features.to(device))
        mask = None if mask is None else mask.to(device)
        tokens = decode(model, format_, ids.to(device), media, new_tokens, mask)
        results += [until_end(row, format_.end) for row in tokens.tolist()]
    return results


def random_shots(
    format_: PromptFormat, train: Sequence[Example], store: FeatureStore, images: int, shots: int, seed: int
) -> list[tuple[list[Chunk], torch.Tensor]]:
    """For each of so many queries, random training images with their first captions."""
    random = np.random.default_rng(seed)
    chosen = [random.choice(len(train), shots, replace=False).tolist() for _ in range(images)]
    return [
        ([Chunk(image, format_.caption(train[image].captions[0])) for image in row], store.read(row)) for row in chosen
    ]


@torch.inference_mode()
def caption_loss(
    model: Flamingo, format_: PromptFormat, store: FeatureStore, examples: Sequence[Example], images: int, batch: int
) -> float:
    """Mean cross-entropy per caption token of the first images' captions, each on its own."""
    device = model.perceiver.latents.device
    chunks = [
        Chunk(image, format_.caption(text))
        for image, example in enumerate(examples[:images])
        for text in example.captions
    ]
    chunks.sort(key=lambda chunk: len(chunk.caption))
    total, count = 0.0, 0
    for first in range(0, len(chunks), batch):
        rows = collate(format_, [[chunk] for chunk in chunks[first : first + batch]])
        latents = model.see(store.read(rows.images)[:, None].to(device))[:, 0]
        hidden = model.hidden(rows.ids.to(device), latents[rows.index.to(device)])
        targets = rows.targets.to(device)
        learned = targets >= 0
        loss = F.cross_entropy(model.logits(hidden[learned]).float(), targets[learned], reduction="sum")
        total, count = total + loss.item(), count + int(learned.sum())
    return total / count


def main() -> None:
    """Command line: CIDEr of bridges on dev, captions as JSON lines where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=DEFAULT)
    parser.add_argument("--language-model", type=Path, required=True, help="the GGUF of the language model")
    parser.add_argument("--bridges", type=Path, required=True, help=".safetensors or .gguf")
    parser.add_argument("--cache", type=Path, required=True, help="folder of vision features")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--bf16", action="store_true", help="matrix products in bf16 (faster; the default is f32)")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    recipe = Recipe.load(arguments.recipe)
    dtype = torch.bfloat16 if arguments.bf16 else torch.float32
    model, format_ = assemble(recipe, arguments.language_model, arguments.device, dtype, arguments.bridges)
    model.eval()
    folder = data_folder() / "flickr8k"
    dev = read_split(folder, "dev")[: arguments.images]
    settings = recipe["evaluation"]
    shots = ()
    if arguments.shots:
        train, store = read_split(folder, "train"), FeatureStore(arguments.cache, "train", ["plain"])
        shots = random_shots(format_, train, store, len(dev), arguments.shots, seed=42)
    with torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.bf16):
        store = FeatureStore(arguments.cache, "dev", ["plain"])
        ids = caption_images(model, format_, store, range(len(dev)), settings["batch"], settings["new_tokens"], shots)
    captions = [format_.tokenizer.decode(row) for row in ids]
    score = cider(captions, [example.captions for example in dev])
    print(f"CIDEr {score:.2f} on {len(dev)} images, {arguments.shots} shots, {arguments.bridges}")
    if arguments.output:
        with arguments.output.open("w", encoding="utf-8") as lines:
            for example, text, row in zip(dev, captions, ids, strict=True):
                lines.write(json.dumps({"image": example.image, "caption": text, "ids": row}) + "\n")


if __name__ == "__main__":
    main()
