"""One answer of several by its likelihood: the right one is to be likelier than its rivals.

A language model finds common sentences likely whatever the picture shows; here only what the picture adds can help.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import Chunk, PromptFormat
from .clips import FIRST_QUESTION, LAST_QUESTION, cut, short_caption
from .photos import Photos


class ChoiceEpisodes:
    """A photo's caption against those of other photos, or which of its two photos a clip shows first or last."""

    def __init__(self, format_: PromptFormat, photos: Photos, settings: dict[str, Any], most_frames: int) -> None:
        self.format, self.photos, self.settings, self.most_frames = format_, photos, settings, most_frames

    def draw(self, random: np.random.Generator) -> list[list[Chunk]]:
        """One sequence for each candidate; the first is right."""
        if random.random() < self.settings["clip_choice_share"]:
            return self.clip(random)
        photos = self.photos.choose(self.settings["candidates"], random)
        image = self.photos.first + photos[0]
        return [[Chunk(image, self.format.caption(self.photos.quote(photo, random)))] for photo in photos]

    def clip(self, random: np.random.Generator) -> list[list[Chunk]]:
        """A clip of two photos and a question for either."""
        pair = self.photos.choose(2, random)
        frames = int(random.integers(2, self.most_frames + 1))
        images = [self.photos.first + photo for photo in pair]
        clip = cut(images[0], images[1], frames, int(random.integers(1, frames)))
        answers = [short_caption(self.photos.kept[photo]) for photo in pair]
        asked_first = random.random() < 0.5
        question = self.format.question(FIRST_QUESTION if asked_first else LAST_QUESTION)
        ordered = answers if asked_first else answers[::-1]
        return [[Chunk(clip, self.format.text(answer), question=question)] for answer in ordered]
