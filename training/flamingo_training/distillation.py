"""What frozen teachers say of the next token: the targets of the stage `distillation`.

Of captions, teachers are shown each photo by itself, whatever stands before it in the sequence that is learned, so that
examples make a caption no worse. Of questions they read both the question by itself and the sequence, of all other
episodes the same sequence, so that what was learned before stays. Several teachers, several views of a picture and both
readings of a question answer together by the mean of their log-probabilities, which is better than each of them alone
(Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015).

What is said of a text that nobody wrote counts as well: some captions are the teachers' own, also of the questions'
pictures, which have no others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as distributed
import torch.nn.functional as F
from torch import Tensor

from .episodes.mixture import Episode
from .episodes.photos import Photos, draw_shots
from .evaluate import caption_images
from .features import FeatureStore, JoinedStores
from .model import Flamingo
from .sequences import Chunk, PromptFormat, collate


class Teachers:
    """Frozen models and views of every picture.

    Captions are taught by all teachers, the k-th of whom sees the k-th view; where there are more of either, the others
    begin anew. Everything else is taught by the first teacher alone, who sees every view.
    """

    def __init__(
        self, models: Sequence[Flamingo], views: Sequence[FeatureStore | JoinedStores], format_: PromptFormat
    ) -> None:
        self.models = [model.eval().requires_grad_(False) for model in models]
        self.format = format_
        pairs = range(max(len(models), len(views)))
        self.of_captions = [(self.models[pair % len(models)], views[pair % len(views)]) for pair in pairs]
        self.of_others = [(self.models[0], view) for view in views]

    def probabilities(self, kind: str, episodes: Sequence[Episode]) -> Tensor:
        """Of every token that the episodes, all of one kind, teach, in their order: (learned, vocabulary)."""
        sequences = [sequence for episode in episodes for sequence in episode.sequences]
        readings = []
        if kind != "captions":
            readings += [(sequences, self.of_others)]
        if kind in ("captions", "questions"):
            readings += [(alone(sequences), self.of_captions if kind == "captions" else self.of_others)]
        device = next(self.models[0].parameters()).device
        voices: list[Tensor] = []
        with torch.no_grad():
            for read, members in readings:
                batch = collate(self.format, read)
                learned = (batch.targets >= 0).to(device)
                for model, view in members:
                    latents = model.see_media(view.read(batch.images).to(device), batch.media)
                    hidden = model.hidden(batch.ids.to(device), latents[batch.index.to(device)])
                    voices.append(model.logits(hidden[learned]).float().log_softmax(-1))
        return torch.stack(voices).mean(0).softmax(-1)

    def describe(self, batch: int, new_tokens: int, neighbours: int) -> Described:
        """What the first teacher sees in the first view of every picture; several processes share the work."""
        rank, processes = 0, 1
        if distributed.is_initialized():
            rank, processes = distributed.get_rank(), distributed.get_world_size()
        model, view = self.of_others[0]
        images = range(rank, len(view), processes)
        found = caption_images(model, self.format, view, images, batch, new_tokens)
        device = next(model.parameters()).device
        with torch.inference_mode():
            means = [
                model.vision_tokens(view.read(images[first : first + batch]).to(device)).float().mean(1).cpu()
                for first in range(0, len(images), batch)
            ]
        shares = [(found, torch.cat(means))] * processes
        if processes > 1:
            distributed.all_gather_object(shares, shares[0])
        captions: list[list[int]] = [[]] * len(view)
        features = torch.empty(len(view), shares[0][1].shape[1])
        for place, (texts, rows) in enumerate(shares):
            captions[place::processes], features[place::processes] = texts, rows
        unit = F.normalize(features)
        alike = (unit @ unit.T).fill_diagonal_(-torch.inf)
        return Described(captions, alike.topk(neighbours, dim=1).indices.tolist())


def alone(sequences: Sequence[Sequence[Chunk]]) -> list[list[Chunk]]:
    """Each chunk that teaches as a sequence of its own, in order."""
    return [[chunk] for sequence in sequences for chunk in sequence if chunk.shown and chunk.learned]


@dataclass(frozen=True)
class Described:
    """Of every picture the token ids of a teacher's caption, and the pictures that look most like it."""

    captions: list[list[int]]
    nearest: list[list[int]]

    def save(self, path: Path) -> None:
        """Writes JSON; what stood there is replaced only when it is whole."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.rename(path)

    @classmethod
    def load(cls, path: Path) -> Described:
        """Reads what `save` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class DescribedCaptions:
    """Captions after shots, as `CaptionEpisodes`, some of them a teacher's own, and some shots like the query."""

    def __init__(self, format_: PromptFormat, photos: Photos, described: Described, settings: dict[str, Any]) -> None:
        self.format, self.photos, self.described, self.settings = format_, photos, described, settings

    def draw(self, random: np.random.Generator) -> list[Chunk]:
        """The chunks of one sequence; the last is the query."""
        shown = [*draw_shots(self.settings, random), True]
        images = self.choose(len(shown), random)
        own = self.settings["own_shares"]
        shares = [own["shot"]] * (len(shown) - 1) + [own["query"]]
        return [
            Chunk(image, self.caption(image, share, random), shown=show)
            for image, share, show in zip(images, shares, shown, strict=True)
        ]

    def choose(self, count: int, random: np.random.Generator) -> list[int]:
        """Different pictures; sometimes the last looks like the others."""
        if count > 1 and random.random() < self.settings["nearest_share"]:
            query = int(random.integers(len(self.described.captions)))
            return [*random.choice(self.described.nearest[query], count - 1, replace=False).tolist(), query]
        return random.choice(len(self.described.captions), count, replace=False).tolist()

    def caption(self, image: int, own_share: float, random: np.random.Generator) -> tuple[int, ...]:
        """One that was written for the picture or the teacher's."""
        photo = image - self.photos.first
        if random.random() < own_share or not 0 <= photo < len(self.photos):
            return tuple(self.described.captions[image])
        return self.format.caption(self.photos.quote(photo, random))
