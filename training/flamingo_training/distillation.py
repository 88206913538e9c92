"""What frozen teachers say of the next token: the targets of the stage `distillation`.

Of captions, teachers are shown each photo by itself, whatever stands before it in the sequence that is learned, so that
examples make a caption no worse. Of all other episodes they read the same sequence, so that what was learned before
stays. Several teachers, and several views of a picture, answer together by the mean of their log-probabilities, which
is better than each of them alone (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .episodes.mixture import Episode
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
        members = self.of_others
        if kind == "captions":
            sequences, members = alone(sequences), self.of_captions
        batch = collate(self.format, sequences)
        learned = batch.targets >= 0
        device = next(self.models[0].parameters()).device
        total: Tensor | float = 0.0
        with torch.no_grad():
            for model, view in members:
                latents = model.see_media(view.read(batch.images).to(device), batch.media)
                hidden = model.hidden(batch.ids.to(device), latents[batch.index.to(device)])
                total = total + model.logits(hidden[learned.to(device)]).float().log_softmax(-1)
        return (total / len(members)).softmax(-1)


def alone(sequences: Sequence[Sequence[Chunk]]) -> list[list[Chunk]]:
    """Each chunk that teaches as a sequence of its own, in order."""
    return [[chunk] for sequence in sequences for chunk in sequence if chunk.shown and chunk.learned]
