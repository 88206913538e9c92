"""Training sequences: one answer about one image or clip, or several such chunks after one another."""

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
    """A caption's tokens and the image that it describes; without its image a chunk is context only.

    A clip's `image` is the images of its frames, in order. `question` holds the tokens between the image and the
    answer, None standing for `Output:`. What nothing before it determines is not learned.
    """

    image: int | tuple[int, ...]
    caption: tuple[int, ...]
    shown: bool = True
    question: tuple[int, ...] | None = None
    learned: bool = True

    @property
    def frames(self) -> tuple[int, ...]:
        """The images of the chunk's frames; a photo is a clip of one."""
        return self.image if isinstance(self.image, tuple) else (self.image,)


@dataclass(frozen=True)
class Batch:
    """Padded sequences: ids and targets (batch, length), the images seen, and what each row holds of them.

    media lists photos and clips, each by the places of its frames in `images`; index (batch, most media of a row)
    holds places in `media`. Without clips the two lists run in parallel.
    """

    ids: Tensor
    targets: Tensor
    images: list[int]
    index: Tensor
    media: list[tuple[int, ...]]


class PromptFormat:
    """Token ids of OpenFlamingo's formats, chunks joined by a newline.

    Captions are `<image>Output:{caption}<|endofchunk|>`, questions
    `<image>Question:{question} Short answer:{answer}<|endofchunk|>`.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.image = tokenizer.token_to_id(IMAGE)
        self.end = tokenizer.token_to_id(END_OF_CHUNK)
        self.output = tokenizer.encode("Output:").ids
        self.newline = tokenizer.encode("\n").ids

    def caption(self, text: str) -> tuple[int, ...]:
        """Ids of a caption, at most `LONGEST_CAPTION`."""
        return tuple(self.tokenizer.encode(text).ids[:LONGEST_CAPTION])

    def text(self, text: str) -> tuple[int, ...]:
        """Ids of an answer, whole."""
        return tuple(self.tokenizer.encode(text).ids)

    def question(self, text: str) -> tuple[int, ...]:
        """Ids of a question up to where its answer begins."""
        return tuple(self.tokenizer.encode(f"Question:{text.strip()} Short answer:").ids)

    def prompt(self, shots: Sequence[Chunk] = (), question: tuple[int, ...] | None = None) -> list[int]:
        """Ids of the shots and of the query up to its colon."""
        query = self.output if question is None else question
        return [*self.sequence(shots)[0], *(self.newline if shots else ()), self.image, *query]

    def sequence(self, chunks: Sequence[Chunk]) -> tuple[list[int], list[int]]:
        """Ids and next-token targets of a whole sequence; only answers that have their image are learned."""
        ids: list[int] = []
        learned: list[bool] = []
        for position, chunk in enumerate(chunks):
            question = self.output if chunk.question is None else chunk.question
            head = [*(self.newline if position else ()), *([self.image] if chunk.shown else ()), *question]
            tail = [*chunk.caption, self.end]
            ids += [*head, *tail]
            learned += [False] * len(head) + [chunk.shown and chunk.learned] * len(tail)
        targets = [ids[i + 1] if learned[i + 1] else IGNORED for i in range(len(ids) - 1)]
        return ids, [*targets, IGNORED]


def list_media(sequences: Sequence[Sequence[Chunk]]) -> tuple[list[int], list[tuple[int, ...]], Tensor]:
    """`images`, `media` and `index` of a batch: what the sequences show, each once."""
    shown = [[chunk.frames for chunk in chunks if chunk.shown] for chunks in sequences]
    distinct = sorted({frames for row in shown for frames in row})
    images = sorted({image for frames in distinct for image in frames})
    image_place = {image: position for position, image in enumerate(images)}
    place = {frames: position for position, frames in enumerate(distinct)}
    index = torch.zeros(len(shown), max(map(len, shown)), dtype=torch.long)
    for row, present in enumerate(shown):
        index[row, : len(present)] = torch.tensor([place[frames] for frames in present], dtype=torch.long)
    return images, [tuple(image_place[image] for image in frames) for frames in distinct], index


def collate(format_: PromptFormat, sequences: Sequence[Sequence[Chunk]]) -> Batch:
    """Pads sequences on the right and lists each photo and clip that they show once."""
    rows = [format_.sequence(chunks) for chunks in sequences]
    images, media, index = list_media(sequences)
    length = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), length), format_.end)
    targets = torch.full((len(rows), length), IGNORED)
    for row, (tokens, following) in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        targets[row, : len(tokens)] = torch.tensor(following)
    return Batch(ids, targets, images, index, media)


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
