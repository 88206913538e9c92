"""Which text belongs to which medium, by likelihood: the right pairs are to be likelier than the others.

A language model finds common sentences likely whatever the picture shows; here only what the picture adds can help.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import Chunk, PromptFormat
from .clips import FIRST_QUESTION, LAST_QUESTION, cut, short_caption
from .photos import Photos


class ChoiceEpisodes:
    """Captions against photos, or answers to what a clip shows first or last against both orders of its photos."""

    def __init__(self, format_: PromptFormat, photos: Photos, settings: dict[str, Any], most_frames: int) -> None:
        self.format, self.photos, self.settings, self.most_frames = format_, photos, settings, most_frames

    def draw(self, random: np.random.Generator) -> list[list[list[Chunk]]]:
        """A square of sequences, media by texts; text i is right for medium i."""
        if random.random() < self.settings["clip_choice_share"]:
            return self.clips(random)
        photos = self.photos.choose(self.settings["candidates"], random)
        # Any caption, uncommon ones too: which are common is what must not count.
        quoted = [self.photos.captions[photo] for photo in photos]
        texts = [self.format.caption(texts[random.integers(len(texts))]) for texts in quoted]
        return [[[Chunk(self.photos.first + photo, text)] for text in texts] for photo in photos]

    def clips(self, random: np.random.Generator) -> list[list[list[Chunk]]]:
        """A clip of two photos, the same with its photos exchanged, and a question for the first or the last."""
        pair = self.photos.choose(2, random)
        frames = int(random.integers(2, self.most_frames + 1))
        at = int(random.integers(1, frames))
        images = [self.photos.first + photo for photo in pair]
        clips = [cut(*images, frames, at), cut(*images[::-1], frames, at)]
        answers = [self.format.text(short_caption(self.photos.kept[photo])) for photo in pair]
        asked_first = random.random() < self.settings["first_share"]
        question = self.format.question(FIRST_QUESTION if asked_first else LAST_QUESTION)
        ordered = answers if asked_first else answers[::-1]
        return [[[Chunk(clip, answer, question=question)] for answer in ordered] for clip in clips]
