"""Training sequences: one caption of one image, or several such chunks after one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from .tokenizer import END_OF_CHUNK, IMAGE

POOL = 1024
LONGEST_CAPTION = 32
IGNORED = -100


@dataclass(frozen=True)
class Chunk:
    """A caption's tokens and the image that it describes; without its image a chunk is context only."""

    image: int
    caption: tuple[int, ...]
    shown: bool = True


@dataclass(frozen=True)
class Batch:
    """Padded sequences: ids and targets (batch, length), the images seen, and which of them each row holds."""

    ids: Tensor
    targets: Tensor
    images: list[int]
    index: Tensor


class PromptFormat:
    """Token ids of the caption format `<image>Output:{caption}<|endofchunk|>`, chunks joined by a newline."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.image = tokenizer.token_to_id(IMAGE)
        self.end = tokenizer.token_to_id(END_OF_CHUNK)
        self.output = tokenizer.encode("Output:").ids
        self.newline = tokenizer.encode("\n").ids

    def caption(self, text: str) -> tuple[int, ...]:
        """Ids of a caption, at most `LONGEST_CAPTION`."""
        return tuple(self.tokenizer.encode(text).ids[:LONGEST_CAPTION])

    def prompt(self, shots: Sequence[Chunk] = ()) -> list[int]:
        """Ids of the shots and of the query up to its colon."""
        return [*self.sequence(shots)[0], *(self.newline if shots else ()), self.image, *self.output]

    def sequence(self, chunks: Sequence[Chunk]) -> tuple[list[int], list[int]]:
        """Ids and next-token targets of a whole sequence; only captions that have their image are learned."""
        ids: list[int] = []
        learned: list[bool] = []
        for position, chunk in enumerate(chunks):
            head = [*(self.newline if position else ()), *([self.image] if chunk.shown else ()), *self.output]
            tail = [*chunk.caption, self.end]
            ids += [*head, *tail]
            learned += [False] * len(head) + [chunk.shown] * len(tail)
        targets = [ids[i + 1] if learned[i + 1] else IGNORED for i in range(len(ids) - 1)]
        return ids, [*targets, IGNORED]


def collate(format_: PromptFormat, sequences: Sequence[Sequence[Chunk]]) -> Batch:
    """Pads sequences on the right and lists each image that they show once."""
    rows = [format_.sequence(chunks) for chunks in sequences]
    shown = [[chunk.image for chunk in chunks if chunk.shown] for chunks in sequences]
    images = sorted({image for row in shown for image in row})
    place = {image: position for position, image in enumerate(images)}
    length, most = max(len(ids) for ids, _ in rows), max(map(len, shown))
    ids = torch.full((len(rows), length), format_.end)
    targets = torch.full((len(rows), length), IGNORED)
    index = torch.zeros(len(rows), most, dtype=torch.long)
    for row, ((tokens, following), present) in enumerate(zip(rows, shown, strict=True)):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        targets[row, : len(tokens)] = torch.tensor(following)
        index[row, : len(present)] = torch.tensor([place[image] for image in present], dtype=torch.long)
    return Batch(ids, targets, images, index)


def epoch_batches(
    captions: Sequence[Sequence[tuple[int, ...]]],
    captions_a_batch: int,
    interleaved_share: float,
    text_only_share: float,
    random: np.random.Generator,
) -> list[list[list[Chunk]]]:
    """All captions of all images once, in random order, in batches of sequences of similar length.

    A share of the sequences holds two to four chunks of unrelated images; the last chunk always shows its image.
    """
    pairs = [(image, caption) for image, texts in enumerate(captions) for caption in texts]
    pairs = [pairs[position] for position in random.permutation(len(pairs))]
    batches: list[list[list[Chunk]]] = []
    for first in range(0, len(pairs), POOL):
        pool = pairs[first : first + POOL]
        sequences: list[list[Chunk]] = []
        while pool:
            chunks = int(random.integers(2, 5)) if random.random() < interleaved_share else 1
            taken, pool = pool[:chunks], pool[chunks:]
            hidden = random.random(len(taken)) < text_only_share
            hidden[-1] = False
            sequences.append([Chunk(*pair, shown=not hide) for pair, hide in zip(taken, hidden, strict=True)])
        sequences.sort(key=lambda chunks: (len(chunks), sum(len(chunk.caption) for chunk in chunks)))
        grouped: list[list[list[Chunk]]] = [[]]
        for sequence in sequences:
            if grouped[-1] and sum(map(len, grouped[-1])) + len(sequence) > captions_a_batch:
                grouped.append([])
            grouped[-1].append(sequence)
        batches += [grouped[position] for position in random.permutation(len(grouped))]
    return batches
