"""Plain captions of unrelated photos, with any number of shots."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import Chunk, PromptFormat
from .photos import Photos, draw_shots


class CaptionEpisodes:
    """`<image>Output:{caption}<|endofchunk|>`, zero-shot, after text-only examples or after shots."""

    def __init__(self, format_: PromptFormat, photos: Photos, settings: dict[str, Any]) -> None:
        self.format, self.photos, self.settings = format_, photos, settings

    def draw(self, random: np.random.Generator) -> list[Chunk]:
        """The chunks of one sequence; the last is the query."""
        shown = [*draw_shots(self.settings, random), True]
        return [
            Chunk(self.photos.first + photo, self.format.caption(self.photos.quote(photo, random)), shown=show)
            for photo, show in zip(self.photos.choose(len(shown), random), shown, strict=True)
        ]
