"""Real questions about real pictures, in OpenFlamingo's VQA format, with any number of shots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data import Question, image_names
from ..sequences import Chunk, PromptFormat
from .photos import draw_shots


class PictureQuestions:
    """Questions, and where their images lie: the i-th of them is image `first + i` of the feature store."""

    def __init__(self, questions: Sequence[Question], first: int) -> None:
        self.questions = questions
        self.images = {name: first + position for position, name in enumerate(image_names(questions))}
        self.by_source: dict[str, list[Question]] = {}
        for question in questions:
            self.by_source.setdefault(question.source, []).append(question)

    def chunk(self, format_: PromptFormat, question: Question, answer: str, shown: bool = True) -> Chunk:
        """A question with an answer."""
        return Chunk(self.images[question.image], format_.text(answer), shown, question=format_.question(question.text))


class QuestionEpisodes:
    """`<image>Question:{question} Short answer:{answer}<|endofchunk|>`, zero-shot or after shots."""

    def __init__(self, format_: PromptFormat, asked: PictureQuestions, settings: dict[str, Any]) -> None:
        self.format, self.asked, self.settings = format_, asked, settings

    def answer(self, question: Question, random: np.random.Generator) -> str:
        """Mostly the answer given most often, else any of those given."""
        if random.random() < self.settings["majority_share"]:
            return question.majority
        return question.answers[random.integers(len(question.answers))]

    def draw(self, random: np.random.Generator) -> list[Chunk]:
        """The chunks of one sequence, mostly of one source; the last is the query."""
        shown = [*draw_shots(self.settings, random), True]
        pool = self.asked.questions
        if random.random() < self.settings["one_source_share"]:
            # Sources are drawn by their number of questions.
            pool = self.asked.by_source[pool[random.integers(len(pool))].source]
        chosen = [pool[place] for place in random.choice(len(pool), len(shown), replace=False)]
        return [
            self.asked.chunk(self.format, question, self.answer(question, random), show)
            for question, show in zip(chosen, shown, strict=True)
        ]
