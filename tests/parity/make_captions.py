"""Greedy captions of the first ten dev images, zero-shot and with two shots, in f32 PyTorch.

Usage: make_captions.py MODEL.gguf VISION.pth BRIDGES FLICKR8K_FOLDER OUTPUT.jsonl

The shots are the first two training images with their first captions, cleaned. One line a caption:
image, shots, prompt ids, generated ids (without `<|endofchunk|>`) and text.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import torch
from PIL import Image

from flamingo_training.assemble import assemble
from flamingo_training.data import read_split
from flamingo_training.features import load_images
from flamingo_training.generate import decode, until_end
from flamingo_training.recipe import Recipe
from flamingo_training.sequences import Chunk
from flamingo_training.vision import EfficientNetLite, normalise, resize

IMAGES = 10
SHOTS = 2
NEW_TOKENS = 24


def main() -> None:
    """Runs encoder, bridges and decoder on the pictures themselves."""
    language_model, vision, bridges, folder, output = map(Path, sys.argv[1:])
    recipe = Recipe.load()
    model, format_ = assemble(recipe, language_model, "cpu", bridges=bridges)
    model.eval()
    whole = EfficientNetLite.from_package(vision)
    encoder, _ = whole.split(recipe["vision"]["trained_blocks"])

    def features(split: str, names: list[str]) -> torch.Tensor:
        files = load_images(folder, split)
        pixels = [resize(Image.open(io.BytesIO(files[name])), whole.config.image_size).copy() for name in names]
        return encoder(normalise(torch.stack([torch.from_numpy(image) for image in pixels])))

    train, dev = read_split(folder, "train")[:SHOTS], read_split(folder, "dev")[:IMAGES]
    chunks = [Chunk(image, format_.caption(example.captions[0])) for image, example in enumerate(train)]
    with torch.inference_mode(), output.open("w", encoding="utf-8") as lines:
        examples = features("train", [example.image for example in train])
        queries = features("dev", [example.image for example in dev])
        for shots in (0, SHOTS):
            prompt = format_.prompt(chunks[:shots])
            for example, query in zip(dev, queries, strict=True):
                media = model.see(torch.cat([examples[:shots], query[None]])[None])
                ids = until_end(
                    decode(model, format_, torch.tensor([prompt]), media, NEW_TOKENS)[0].tolist(), format_.end
                )
                row = {"image": example.image, "shots": shots, "prompt": prompt, "ids": ids}
                lines.write(json.dumps({**row, "text": format_.tokenizer.decode(ids)}) + "\n")


if __name__ == "__main__":
    main()
