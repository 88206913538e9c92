"""The accuracy of VQA v2: how many of ten people gave the answer, three counting as all."""

from __future__ import annotations

import re
from collections.abc import Sequence

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def normalise(answer: str) -> str:
    """Lower case, without articles and punctuation, numbers up to ten as digits."""
    text = re.sub(r"(?<=\d),(?=\d)", "", answer.lower().strip())
    text = re.sub(r"(?<!\d)\.|\.(?!\d)", "", text)
    text = re.sub(r"[;/\[\]\"{}()=+\\_<>@`,?!-]", " ", text)
    kept = [word for word in text.split() if word not in ("a", "an", "the")]
    return " ".join("0" if word == "none" else str(NUMBERS.index(word)) if word in NUMBERS else word for word in kept)


def accuracy(answer: str, given: Sequence[str]) -> float:
    """min(matches / 3, 1), what follows a comma left out as OpenFlamingo does."""
    said = normalise(answer.split(", ")[0])
    return min(sum(normalise(text) == said for text in given) / 3, 1.0)
