"""Work beside the model's: the batches of coming steps, and the rewards of sampled captions.

On a GPU a step takes less time than what feeds it; other processes make the batches of the steps to come, and score
captions together. Without workers both happen in place, with the same results.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import torch

from .consensus import CiderScorer
from .episodes.mixture import Episode, Mixture, passes
from .sequences import Batch, collate


@dataclass(frozen=True)
class Share:
    """A process's part of a step's episodes: what all of the step's learned tokens weigh together, and its passes."""

    total: float
    passes: list[tuple[list[Episode], Batch]]


def prepare(mixture: Mixture, step: int, rank: int, processes: int) -> Share:
    """The passes of every so many-th episode of a step, from that of `rank`."""
    episodes = mixture.step(step)
    parts = passes(episodes[rank::processes], mixture.settings["pass_tokens"], mixture.settings["fill"])
    batches = [collate(mixture.format, [row for episode in part for row in episode.sequences]) for part in parts]
    total = sum(episode.weight * episode.learned for episode in episodes)
    return Share(total, list(zip(parts, batches, strict=True)))


# What a worker process makes batches from and scores with.
_mixture: Mixture | None = None
_scorer: CiderScorer | None = None


def _begin(mixture: Mixture | None, scorer: CiderScorer | None) -> None:
    global _mixture, _scorer
    torch.set_num_threads(1)
    _mixture, _scorer = mixture, scorer


def _prepare(step: int, rank: int, processes: int) -> bytes:
    # As bytes: tensors would travel through shared memory, a file handle each.
    return pickle.dumps(prepare(_mixture, step, rank, processes))


def _score(pairs: Sequence[tuple[int, str]]) -> list[float]:
    return [_scorer.score(image, caption) for image, caption in pairs]


class Workers:
    """So many processes, none for 0, that work on one stage's episodes and rewards."""

    def __init__(self, count: int, mixture: Mixture | None, scorer: CiderScorer | None) -> None:
        self.count, self.mixture, self.scorer = count, mixture, scorer
        self.pool: ProcessPoolExecutor | None = None
        self.coming: dict[int, Future[bytes]] = {}
        if count:
            # Forked, so that nothing is read twice; the children never touch the GPU.
            fork = multiprocessing.get_context("fork")
            self.pool = ProcessPoolExecutor(count, fork, _begin, (mixture, scorer))

    def share(self, step: int, rank: int, processes: int) -> Share:
        """The passes of a step; those of the steps after it are begun."""
        if self.pool is None:
            return prepare(self.mixture, step, rank, processes)
        for later in range(step, step + 2 * self.count):
            if later not in self.coming:
                self.coming[later] = self.pool.submit(_prepare, later, rank, processes)
        return pickle.loads(self.coming.pop(step).result())

    def scores(self, pairs: Sequence[tuple[int, str]]) -> list[float]:
        """CIDEr-D of captions, each with the image that it is for."""
        if self.pool is None:
            return [self.scorer.score(image, caption) for image, caption in pairs]
        size = -(-len(pairs) // self.count)
        parts = self.pool.map(_score, [pairs[first : first + size] for first in range(0, len(pairs), size)])
        return [score for part in parts for score in part]

    def close(self) -> None:
        """Ends the processes; what they had begun is dropped."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
