"""The table of abilities: each function builds its items from a seed, asks the model and scores the answers.

Shots are drawn from train, queries from dev. "0 shots" of captions is the bare query, of questions the paper's way:
two examples without their images.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Question
from ..episodes.clips import FIRST_QUESTION, cut, short_caption
from ..episodes.styles import HELD_OUT_STYLES, STYLES, Style, style_chunk, write
from ..episodes.words import HELD_OUT_GROUPS, GroupedPhotos, draw_names, vocabulary
from ..evaluate import cider
from ..sequences import Chunk
from .bench import Bench
from .vqa import accuracy

CAPTION_TOKENS = 24
STYLE_TOKENS = 48
WORD_TOKENS = 12
ANSWER_TOKENS = 8
TRIES = 1000


@dataclass(frozen=True)
class Line:
    """A line of the table: the score (of 100) and what became of each item."""

    name: str
    score: float
    items: list[dict[str, Any]]

    @classmethod
    def mean(cls, name: str, items: list[dict[str, Any]]) -> Line:
        """The mean of the items' scores."""
        return cls(name, 100 * float(np.mean([item["score"] for item in items])), items)

    @property
    def interval(self) -> float | None:
        """Half the width of a 95% interval by the normal approximation; None where items have no score of their own."""
        if len(self.items) < 2 or "score" not in self.items[0]:
            return None
        deviation = float(np.std([item["score"] for item in self.items], ddof=1))
        return 100 * 1.96 * deviation / math.sqrt(len(self.items))


def caption_cider(name: str, bench: Bench, items: int, seed: int, shots: int) -> list[Line]:
    """CIDEr of the first dev photos; shots are random train photos with their first captions."""
    random = np.random.default_rng(seed)
    photos = range(min(items, len(bench.dev)))
    prompts = [
        [
            *(
                Chunk(bench.train.first + shot, bench.format.caption(bench.train.captions[shot][0]))
                for shot in bench.train.choose(shots, random)
            ),
            Chunk(bench.dev.first + photo, ()),
        ]
        for photo in photos
    ]
    found = bench.answers(prompts, CAPTION_TOKENS)
    score = cider(found, [bench.dev.captions[photo] for photo in photos])
    return [Line(name, score, [{"photo": photo, "answer": text} for photo, text in zip(photos, found, strict=True)])]


def style_followed(
    name: str,
    bench: Bench,
    items: int,
    seed: int,
    styles: dict[str, Callable[[np.random.Generator], Style]],
    shots: int,
) -> list[Line]:
    """Whether the answer is in the shots' style; all styles in turn."""
    random = np.random.default_rng(seed)
    prompts, drawn = [], []
    for item in range(items):
        family = list(styles)[item % len(styles)]
        style = styles[family](random)
        examples = write(bench.train, style, shots, random)
        [(photo, expected)] = write(bench.dev, style, 1, random)
        query = style_chunk(bench.format, bench.dev.first + photo, expected)
        prompts.append(
            [
                *(style_chunk(bench.format, bench.train.first + shot, written) for shot, written in examples),
                Chunk(query.image, (), question=query.question),
            ]
        )
        drawn.append((family, style, photo, expected.answer))
    found = bench.answers(prompts, STYLE_TOKENS)
    return [
        Line.mean(
            name,
            [
                {
                    "style": family,
                    "photo": photo,
                    "answer": answer,
                    "expected": expected,
                    "pattern": style.pattern,
                    "score": float(style.follows(answer)),
                }
                for (family, style, photo, expected), answer in zip(drawn, found, strict=True)
            ],
        )
    ]


def made_up_word(
    name: str, bench: Bench, items: int, seed: int, ways: int, shots: int, shuffled: bool = False
) -> list[Line]:
    """The right made-up word for a dev photo, after shots of held-out groups; shuffled permutes the shots' photos."""
    random = np.random.default_rng(seed)
    real = vocabulary(bench.train)
    train, dev = GroupedPhotos(bench.train, HELD_OUT_GROUPS), GroupedPhotos(bench.dev, HELD_OUT_GROUPS)
    prompts, expected = [], []
    for _ in range(TRIES * items):
        groups = random.choice(len(HELD_OUT_GROUPS), ways, replace=False).tolist()
        examples, queries = train.members(groups), dev.members(groups)
        wanted = int(random.integers(ways))
        if any(len(photos) < shots for photos in examples) or not len(queries[wanted]):
            continue
        names = draw_names(ways, real, random)
        photos = [random.choice(members, shots, replace=False).tolist() for members in examples]
        bound = [(names[way], photo) for way in range(ways) for photo in photos[way]]
        bound = [bound[place] for place in random.permutation(len(bound))]
        if shuffled:
            places = random.permutation(len(bound))
            bound = [(word, bound[place][1]) for (word, _), place in zip(bound, places, strict=True)]
        query = int(random.choice(queries[wanted]))
        prompts.append(
            [
                *(Chunk(bench.train.first + photo, bench.format.text(word)) for word, photo in bound),
                Chunk(bench.dev.first + query, ()),
            ]
        )
        expected.append((names[wanted], train.names[groups[wanted]], query))
        if len(prompts) == items:
            break
    else:
        raise ValueError(f"{len(prompts)} of {items} items found")
    found = bench.answers(prompts, WORD_TOKENS)
    return [
        Line.mean(
            name,
            [
                {
                    "group": group,
                    "photo": photo,
                    "answer": answer,
                    "expected": word,
                    "pattern": re.escape(word),
                    "score": float(answer == word),
                }
                for (word, group, photo), answer in zip(expected, found, strict=True)
            ],
        )
    ]


def draw_questions(questions: Sequence[Question], items: int, random: np.random.Generator) -> list[Question]:
    """Different random questions, all of them where there are no more."""
    places = random.permutation(len(questions))[:items]
    return [questions[place] for place in places]


def question_prompt(
    bench: Bench, question: Question, shots: int, shown: bool, random: np.random.Generator
) -> list[Chunk]:
    """Random train questions of the same source with their most given answers, then the question."""
    pool = bench.train_questions.by_source[question.source]
    examples = [pool[place] for place in random.choice(len(pool), shots, replace=False)]
    query = bench.dev_questions.chunk(bench.format, question, "")
    chunks = [bench.train_questions.chunk(bench.format, shot, shot.majority, shown) for shot in examples]
    return [*chunks, query]


def open_ended_question(
    name: str, bench: Bench, items: int, seed: int, source: str, shots: int, shown: bool = True
) -> list[Line]:
    """Open-ended answers: the official accuracy for VQA v2, exact match for COCO-QA."""
    random = np.random.default_rng(seed)
    questions = draw_questions(bench.dev_questions.by_source[source], items, random)
    prompts = [question_prompt(bench, question, shots, shown, random) for question in questions]
    found = bench.answers(prompts, ANSWER_TOKENS)
    rows = [
        {
            "image": question.image,
            "question": question.text,
            "type": question.answer_type,
            "answer": answer,
            "expected": question.majority,
            "score": accuracy(answer, question.answers)
            if source == "vqa-v2"
            else float(answer.lower() == question.majority),
        }
        for question, answer in zip(questions, found, strict=True)
    ]
    return [Line.mean(name, rows)]


def wrong_answers(question: Question, others: Iterable[Question], random: np.random.Generator) -> list[str]:
    """Three answers that nobody gave: to questions with the same first two words, else of the same type."""

    def opening(text: str) -> list[str]:
        return text.lower().split()[:2]

    others = list(others)
    similar = {other.majority for other in others if opening(other.text) == opening(question.text)}
    same_type = {other.majority for other in others if other.answer_type == question.answer_type}
    chosen: list[str] = []
    for pool in (similar, same_type):
        left = sorted(pool.difference(question.answers, chosen))
        chosen += [left[place] for place in random.permutation(len(left))[: 3 - len(chosen)]]
    return chosen


def chosen_first(candidates: Sequence[str], values: Sequence[float]) -> dict[str, Any]:
    """An item whose right candidate is the first."""
    return {
        "candidates": list(candidates),
        "log_likelihoods": list(values),
        "score": float(np.argmax(values) == 0),
    }


def four_answers(name: str, bench: Bench, items: int, seed: int) -> list[Line]:
    """The right answer of VQA v2 among four, by log-likelihood, mean and sum, without yes/no questions."""
    random = np.random.default_rng(seed)
    source = "vqa-v2"
    dev = bench.dev_questions.by_source[source]
    everything = [*bench.train_questions.by_source[source], *dev]
    questions = draw_questions([question for question in dev if question.answer_type != "yes/no"], items, random)
    candidates = [[question.majority, *wrong_answers(question, everything, random)] for question in questions]
    prompts = [[bench.dev_questions.chunk(bench.format, question, "")] for question in questions]
    scores = bench.likelihoods(prompts, candidates)

    def line(name: str, measured: str) -> Line:
        values = [[getattr(likelihood, measured) for likelihood in row] for row in scores]
        rows = [
            {"image": question.image, "question": question.text, **chosen_first(texts, row)}
            for question, texts, row in zip(questions, candidates, values, strict=True)
        ]
        return Line.mean(name, rows)

    return [line(name, "mean"), line(f"{name}: by sum", "total")]


def four_captions(name: str, bench: Bench, items: int, seed: int) -> list[Line]:
    """A photo's caption against those of three other dev photos, by log-likelihood."""
    random = np.random.default_rng(seed)
    drawn = [bench.dev.choose(4, random) for _ in range(items)]
    candidates = [[bench.dev.quote(photo, random) for photo in photos] for photos in drawn]
    scores = bench.likelihoods([[Chunk(bench.dev.first + photos[0], ())] for photos in drawn], candidates)
    rows = [
        {"photo": photos[0], **chosen_first(texts, [likelihood.mean for likelihood in row])}
        for photos, texts, row in zip(drawn, candidates, scores, strict=True)
    ]
    return [Line.mean(name, rows)]


def clip_order(name: str, bench: Bench, items: int, seed: int) -> list[Line]:
    """Which of two photos a clip shows first, by the log-likelihood of their captions; both orders of each pair."""
    random = np.random.default_rng(seed)
    pairs = [bench.dev.choose(2, random) for _ in range(items)]
    question, frames = bench.format.question(FIRST_QUESTION), bench.model.resampler.max_frames
    prompts, candidates = [], []
    for a, b in pairs:
        for first, then in ((a, b), (b, a)):
            clip = cut(bench.dev.first + first, bench.dev.first + then, frames, frames // 2)
            prompts.append([Chunk(clip, (), question=question)])
            candidates.append([short_caption(bench.dev.captions[photo]) for photo in (a, b)])
    scores = [[likelihood.mean for likelihood in row] for row in bench.likelihoods(prompts, candidates)]
    rows, flips = [], []
    for pair, texts, forward, backward in zip(pairs, candidates[::2], scores[::2], scores[1::2], strict=True):
        said = int(np.argmax(forward)), int(np.argmax(backward))
        item = {"photos": pair, "candidates": texts, "log_likelihoods": [forward, backward]}
        rows.append({**item, "score": ((said[0] == 0) + (said[1] == 1)) / 2})
        flips.append({**item, "score": float(said[0] != said[1])})
    return [Line.mean(name, rows), Line.mean(f"{name}: flips", flips)]


BARS: dict[str, tuple[Callable[..., list[Line]], dict[str, Any]]] = {
    "CIDEr, 0 shots": (caption_cider, {"shots": 0}),
    "CIDEr, 4 shots": (caption_cider, {"shots": 4}),
    "style after 2 shots": (style_followed, {"styles": STYLES, "shots": 2}),
    "style after 2 shots, held out": (style_followed, {"styles": HELD_OUT_STYLES, "shots": 2}),
    "made-up word, 2 ways, 1 shot": (made_up_word, {"ways": 2, "shots": 1}),
    "made-up word, 2 ways, 4 shots": (made_up_word, {"ways": 2, "shots": 4}),
    "made-up word, 5 ways, 4 shots": (made_up_word, {"ways": 5, "shots": 4}),
    "made-up word, 2 ways, 4 shots, shuffled": (made_up_word, {"ways": 2, "shots": 4, "shuffled": True}),
    "made-up word, 5 ways, 4 shots, shuffled": (made_up_word, {"ways": 5, "shots": 4, "shuffled": True}),
    "VQA v2, 0 shots": (open_ended_question, {"source": "vqa-v2", "shots": 2, "shown": False}),
    "VQA v2, 4 shots": (open_ended_question, {"source": "vqa-v2", "shots": 4}),
    "COCO-QA, 4 shots": (open_ended_question, {"source": "coco-qa", "shots": 4}),
    "VQA v2, one of four answers": (four_answers, {}),
    "one of four captions": (four_captions, {}),
    "what came first": (clip_order, {}),
}


def measure(bench: Bench, items: int, seed: int, names: Iterable[str] = BARS) -> list[Line]:
    """The lines of the given names, each over at most so many items."""
    lines = []
    for name in names:
        bar, settings = BARS[name]
        lines += bar(name, bench, items, seed, **settings)
    return lines
