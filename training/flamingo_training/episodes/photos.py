"""What episodes are made from: captioned photos with their place in the feature store, and which shots show theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..consensus import consensual_captions
from ..data import Example


@dataclass(frozen=True)
class Photos:
    """Captioned photos; photo i is image `first + i` of the feature store.

    `captions` holds all captions of each, `kept` those that sequences may quote.
    """

    first: int
    captions: Sequence[Sequence[str]]
    kept: Sequence[Sequence[str]]

    @classmethod
    def of(cls, examples: Sequence[Example], first: int = 0, keep: int | None = None) -> Photos:
        """The photos of examples; `keep` quotes only so many captions of each, those that agree best."""
        captions = [example.captions for example in examples]
        return cls(first, captions, captions if keep is None else consensual_captions(captions, keep))

    def __len__(self) -> int:
        return len(self.captions)

    def choose(self, count: int, random: np.random.Generator) -> list[int]:
        """Different photos."""
        return random.choice(len(self), count, replace=False).tolist()

    def quote(self, photo: int, random: np.random.Generator) -> str:
        """One of the captions that may be quoted."""
        kept = self.kept[photo]
        return kept[random.integers(len(kept))]


def draw_shots(settings: dict[str, Any], random: np.random.Generator) -> list[bool]:
    """How many shots come before the query, and whether each shows its image.

    None at all, or two without images (the paper's zero-shot prompt), or one to `most_shots`, each of which has a
    small chance to come without.
    """
    kind = random.random()
    if kind < settings["zero_shot_share"]:
        return []
    if kind < settings["zero_shot_share"] + settings["text_only_pair_share"]:
        return [False, False]
    shots = int(random.integers(1, settings["most_shots"] + 1))
    return (random.random(shots) >= settings["text_only_share"]).tolist()
