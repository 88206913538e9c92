"""Clips cut together from two photos, so that the temporal embeddings are trained.

A clip shows photo A for some frames and photo B for the rest. Its caption says what comes first and what then;
questions ask for either. Some clips show one photo all along and get its plain caption.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import Chunk, PromptFormat
from .photos import Photos
from .styles import lower_first, tags

FIRST_QUESTION = "What came first?"
LAST_QUESTION = "What came last?"


def cut(first: int, then: int, frames: int, at: int) -> tuple[int, ...]:
    """The images of a clip's frames: `first` up to frame `at`, `then` from there."""
    return (first,) * at + (then,) * (frames - at)


def short_caption(captions: list[str] | tuple[str, ...]) -> str:
    """The shortest of a photo's captions, to stand inside a sentence."""
    return lower_first(min(captions, key=len))


class ClipEpisodes:
    """Captions of clips and questions about their order, with up to `most_clip_shots` shots."""

    def __init__(self, format_: PromptFormat, photos: Photos, settings: dict[str, Any], most_frames: int) -> None:
        self.format, self.photos, self.settings, self.most_frames = format_, photos, settings, most_frames

    def chunk(self, random: np.random.Generator) -> Chunk:
        """One clip with a caption, or with a question and its answer."""
        photos, kind = self.photos, random.random()
        a, b = photos.choose(2, random)
        frames = int(random.integers(2, self.most_frames + 1))
        if kind < self.settings["still_share"]:
            return Chunk((photos.first + a,) * frames, self.format.caption(photos.quote(a, random)))
        clip = cut(photos.first + a, photos.first + b, frames, int(random.integers(1, frames)))
        first, then = short_caption(photos.kept[a]), short_caption(photos.kept[b])
        if random.random() < self.settings["clip_caption_share"]:
            return Chunk(clip, self.format.text(f"First {first}, then {then}"))
        asked_first = random.random() < self.settings["first_share"]
        question, answer = (FIRST_QUESTION, first) if asked_first else (LAST_QUESTION, then)
        labels = [next(iter(tags(photos.captions[photo])), None) for photo in (a, b)]
        if None not in labels and labels[0] != labels[1] and random.random() < self.settings["named_share"]:
            answer = labels[0] if asked_first else labels[1]
            shuffled = [labels[place] for place in random.permutation(2)]
            question = f"{question[:-1]}, {shuffled[0]} or {shuffled[1]}?"
        return Chunk(clip, self.format.text(answer), question=self.format.question(question))

    def draw(self, random: np.random.Generator) -> list[Chunk]:
        """The chunks of one sequence, mostly a single clip."""
        shots = 0
        if random.random() >= self.settings["zero_shot_share"]:
            shots = int(random.integers(1, self.settings["most_clip_shots"] + 1))
        return [self.chunk(random) for _ in range(shots + 1)]
