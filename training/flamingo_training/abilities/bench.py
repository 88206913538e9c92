"""A model on its bench: prompts in, answers or the likelihood of given answers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..data import data_folder, read_questions, read_split
from ..episodes.photos import Photos
from ..episodes.questions import PictureQuestions
from ..features import FeatureStore, JoinedStores
from ..generate import decode, pad_left, until_end
from ..model import Flamingo
from ..sequences import Chunk, PromptFormat, collate, list_media

ROWS = 32
# The splits in the order of the feature store.
SPLITS = ("train", "dev", "vqa-train", "vqa-dev")


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of a candidate: of all its tokens together, and of one on average."""

    total: float
    mean: float


@dataclass(frozen=True)
class Bench:
    """A model, and what its tasks are made from: shots come from train, queries from dev, features from one store."""

    model: Flamingo
    format: PromptFormat
    store: JoinedStores | None
    train: Photos
    dev: Photos
    train_questions: PictureQuestions
    dev_questions: PictureQuestions

    @classmethod
    def load(cls, model: Flamingo, format_: PromptFormat, cache: Path) -> Bench:
        """All of train and dev; the features' folder holds the view `plain` of all four splits."""
        store = JoinedStores([FeatureStore(cache, split, ["plain"]) for split in SPLITS])
        return cls.of(model, format_, store.firsts.tolist(), store)

    @classmethod
    def of(
        cls, model: Flamingo, format_: PromptFormat, firsts: Sequence[int], store: JoinedStores | None = None
    ) -> Bench:
        """All of train and dev; `firsts` are the places of the splits' first images."""
        folder = data_folder()
        return cls(
            model,
            format_,
            store,
            Photos.of(read_split(folder / "flickr8k", "train"), firsts[0]),
            Photos.of(read_split(folder / "flickr8k", "dev"), firsts[1]),
            PictureQuestions(read_questions(folder / "vqa", "train"), firsts[2]),
            PictureQuestions(read_questions(folder / "vqa", "dev"), firsts[3]),
        )

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.model.perceiver.latents.device

    @torch.inference_mode()
    def answers(self, prompts: Sequence[Sequence[Chunk]], new_tokens: int) -> list[str]:
        """Greedy answers to the last chunk of each prompt, whose own answer is empty."""
        ids = [self.format.prompt(chunks[:-1], chunks[-1].question) for chunks in prompts]
        order = sorted(range(len(prompts)), key=lambda row: len(ids[row]))
        found = [""] * len(prompts)
        for first in range(0, len(order), ROWS):
            rows = order[first : first + ROWS]
            images, media, index = list_media([prompts[row] for row in rows])
            latents = self.model.see_media(self.store.read(images).to(self.device), media)
            tokens, mask = pad_left([ids[row] for row in rows], self.format.end)
            mask = None if mask is None else mask.to(self.device)
            media = latents[index.to(self.device)]
            said = decode(self.model, self.format, tokens.to(self.device), media, new_tokens, mask)
            for row, answer in zip(rows, said.tolist(), strict=True):
                found[row] = self.format.tokenizer.decode(until_end(answer, self.format.end)).strip()
        return found

    @torch.inference_mode()
    def likelihoods(
        self, prompts: Sequence[Sequence[Chunk]], candidates: Sequence[Sequence[str]]
    ) -> list[list[Likelihood]]:
        """How likely the model finds each candidate answer to the last chunk of each prompt."""
        sequences = [
            [
                *(replace(shot, learned=False) for shot in chunks[:-1]),
                replace(chunks[-1], caption=self.format.text(text)),
            ]
            for chunks, texts in zip(prompts, candidates, strict=True)
            for text in texts
        ]
        order = sorted(range(len(sequences)), key=lambda row: len(self.format.sequence(sequences[row])[0]))
        found: list[Likelihood | None] = [None] * len(sequences)
        for first in range(0, len(order), ROWS):
            rows = order[first : first + ROWS]
            batch = collate(self.format, [sequences[row] for row in rows])
            latents = self.model.see_media(self.store.read(batch.images).to(self.device), batch.media)
            hidden = self.model.hidden(batch.ids.to(self.device), latents[batch.index.to(self.device)])
            targets = batch.targets.to(self.device)
            learned = targets >= 0
            scores = self.model.logits(hidden[learned]).float().log_softmax(-1)
            chosen = scores.gather(1, targets[learned][:, None])[:, 0].split(learned.sum(1).tolist())
            for row, tokens in zip(rows, chosen, strict=True):
                # The end of the chunk is no part of the candidate.
                found[row] = Likelihood(tokens[:-1].sum().item(), tokens[:-1].mean().item())
        in_order = iter(found)
        return [[next(in_order) for _ in texts] for texts in candidates]
