"""Captions of Flickr8k: reading a split, cleaning captions, where the data lies."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Example:
    """One image and its captions, cleaned."""

    image: str
    captions: tuple[str, ...]


def data_folder() -> Path:
    """The folder of training data: `FLAMINGO_DATA`, or `../shared/data` beside the repository."""
    return Path(os.environ.get("FLAMINGO_DATA", REPOSITORY.parent / "shared" / "data"))


def clean_caption(caption: str) -> str:
    """Removes the corpus's tokenization: no space before punctuation, no final full stop, one space between words."""
    caption = re.sub(r"\s+", " ", caption).strip()
    caption = re.sub(r"\s+([.,;:!?%)'])", r"\1", caption)
    caption = re.sub(r"([(])\s+", r"\1", caption)
    return caption.rstrip(" .")


def read_split(folder: Path, split: str) -> list[Example]:
    """The examples of a split, in the order of its JSON lines."""
    with (folder / f"{split}.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Example(row["image"], tuple(clean_caption(caption) for caption in row["captions"])) for row in rows]
