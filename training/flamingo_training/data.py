"""Captions of Flickr8k and questions about COCO pictures: reading a split, cleaning captions, where the data lies."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Example:
    """One image and its captions, cleaned."""

    image: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A question about an image, and the answers that people gave."""

    image: str
    text: str
    answers: tuple[str, ...]
    answer_type: str
    source: str

    @property
    def majority(self) -> str:
        """The answer given most often, the first of those."""
        return Counter(self.answers).most_common(1)[0][0]


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


def read_questions(folder: Path, split: str) -> list[Question]:
    """The questions of a split, in the order of its JSON lines."""
    with (folder / f"{split}.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Question(row["image"], row["question"], tuple(row["answers"]), row["answer_type"], row["source"])
        for row in rows
    ]


def image_names(rows: Iterable[Example | Question]) -> list[str]:
    """The images of examples or questions, each once, in the order of their first mention."""
    return list(dict.fromkeys(row.image for row in rows))
