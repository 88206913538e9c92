"""The sequences of a training step: kinds of episodes by their shares, up to a number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Question
from ..sequences import IGNORED, Chunk, PromptFormat
from .caption_questions import CaptionQuestionEpisodes
from .captions import CaptionEpisodes
from .choices import ChoiceEpisodes
from .clips import ClipEpisodes
from .photos import Photos
from .questions import PictureQuestions, QuestionEpisodes
from .styles import StyleEpisodes
from .words import WordEpisodes


@dataclass(frozen=True)
class Episode:
    """Sequences, their kind, how many tokens the longest holds and they teach, and how much each of the latter weighs.

    Several sequences are a square of media by texts, row after row, whose diagonal is to be the likeliest; learning
    that counts as one token.
    """

    kind: str
    sequences: list[list[Chunk]]
    tokens: int
    learned: int
    weight: float


class Mixture:
    """All kinds of episodes; photos come first in the feature store, the questions' images after them."""

    def __init__(
        self,
        format_: PromptFormat,
        photos: Photos,
        questions: Sequence[Question],
        settings: dict[str, Any],
        most_frames: int,
    ) -> None:
        self.format, self.settings = format_, settings
        self.kinds = {
            "captions": CaptionEpisodes(format_, photos, settings),
            "styles": StyleEpisodes(format_, photos, settings),
            "words": WordEpisodes(format_, photos, settings),
            "questions": QuestionEpisodes(format_, PictureQuestions(questions, len(photos)), settings),
            "caption_questions": CaptionQuestionEpisodes(format_, photos, settings),
            "clips": ClipEpisodes(format_, photos, settings, most_frames),
            "choices": ChoiceEpisodes(format_, photos, settings, most_frames),
        }
        for table in ("shares", "weights"):
            if settings[table].keys() != self.kinds.keys():
                raise ValueError(f"{table} of {sorted(settings[table])} given, of {sorted(self.kinds)} expected")
        shares = settings["shares"]
        self.shares = np.array([shares[kind] for kind in self.kinds]) / sum(shares.values())

    def draw(self, random: np.random.Generator) -> Episode:
        """An episode of a random kind."""
        kind = list(self.kinds)[random.choice(len(self.kinds), p=self.shares)]
        chunks = self.kinds[kind].draw(random)
        weight = self.settings["weights"][kind]
        if kind == "choices":
            sequences = [sequence for row in chunks for sequence in row]
            longest = max(len(self.format.sequence(sequence)[0]) for sequence in sequences)
            return Episode(kind, sequences, longest, 1, weight)
        ids, targets = self.format.sequence(chunks)
        learned = sum(target != IGNORED for target in targets)
        return Episode(kind, [chunks], len(ids), learned, weight)

    def step(self, step: int) -> list[Episode]:
        """All sequences of a step, the longest first; they follow from the seed and the step alone."""
        random = np.random.default_rng((self.settings["seed"], step))
        episodes: list[Episode] = []
        while sum(episode.tokens * len(episode.sequences) for episode in episodes) < self.settings["tokens"]:
            episodes.append(self.draw(random))
        return sorted(episodes, key=lambda episode: -episode.tokens)


def passes(episodes: Sequence[Episode], tokens: int, fill: float) -> list[list[Episode]]:
    """Cuts sequences, the longest first, into batches of similar length that hold so many tokens with padding.

    None holds a sequence shorter than `fill` of its longest: what is missing is padding.
    """
    batches: list[list[Episode]] = []
    for episode in episodes:
        longest = batches[-1][0].tokens if batches else 0
        rows = sum(len(held.sequences) for held in [*(batches[-1] if batches else []), episode])
        if not batches or episode.tokens < fill * longest or rows * longest > tokens:
            batches.append([])
        batches[-1].append(episode)
    return batches
