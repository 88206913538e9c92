"""Normalised answers and VQA accuracies by the evaluation inside the real open_flamingo package.

Usage: make_vqa_scores.py VQA_METRIC.py VQA_FOLDER OUTPUT.json

VQA_METRIC is `open_flamingo/eval/vqa_metric.py` of the wheel `open_flamingo==2.0.1`. The questions are every fourth of
VQA v2 dev; each is answered four times: by one of its ten people, the same dressed up, by its neighbour, by a slip.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

STRIDE = 4
PIECES = [*";/[]\"{}()=+\\_-><@`,?!'.:", " ", " ", " a ", "the", "one", "Ten", "7", "42", "dont", "x", "\t", "\u00c9"]


def load(path: Path) -> ModuleType:
    """The module alone: its package would ask for PyTorch and more."""
    spec = importlib.util.spec_from_file_location("vqa_metric", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def split_of(metric: ModuleType, answers: Sequence[Any]) -> Any:
    """What the evaluation takes for a split: one annotation a question, with what the answers are."""
    split = metric.VQA()
    kinds = {"question_type": "", "answer_type": "", "image_id": 0}
    split.dataset = {"annotations": [{"question_id": index, **kinds, **row} for index, row in enumerate(answers)]}
    split.questions = {"questions": []}
    split.createIndex()
    return split


def accuracies(metric: ModuleType, people: Sequence[Sequence[str]], answers: Sequence[str]) -> list[float]:
    """Accuracy of one answer to each question, from 0 to 1."""
    truth = [
        {"answers": [{"answer": text, "answer_id": person} for person, text in enumerate(texts)]} for texts in people
    ]
    found = [{"answer": text} for text in answers]
    evaluation = metric.VQAEval(split_of(metric, truth), split_of(metric, found), n=12)
    evaluation.evaluate()
    return [round(evaluation.evalQA[index] / 100, 12) for index in range(len(people))]


def answers_to(people: Sequence[Sequence[str]]) -> list[list[str]]:
    """Four answers to each question."""
    given = [texts[index % 10] for index, texts in enumerate(people)]
    dressed = [f" The {text.capitalize()}.\n" for text in given]
    neighbour = given[1:] + given[:1]
    slip = [text.replace("'", "").replace("2", "two").upper() for text in given]
    return [list(row) for row in zip(given, dressed, neighbour, slip, strict=True)]


def main() -> None:
    """Writes one line a question, and the normalised texts."""
    path, folder, output = map(Path, sys.argv[1:])
    metric = load(path)
    rows = [json.loads(line) for line in (folder / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [row["answers"] for row in rows if row["source"] == "vqa-v2"]
    people = asked[::STRIDE]
    answers = answers_to(people)
    columns = [accuracies(metric, people, column) for column in zip(*answers, strict=True)]
    questions = [
        json.dumps({"people": texts, "answers": dict(zip(ours, scores, strict=True))})
        for texts, ours, scores in zip(people, answers, zip(*columns, strict=True), strict=True)
    ]

    evaluation = metric.VQAEval(split_of(metric, []), split_of(metric, []))
    chance = random.Random(0)
    texts = {text for texts in asked for text in texts if re.search(r"[^a-z ]", text)}
    texts.update(word for pair in evaluation.contractions.items() for word in pair)
    texts.update("".join(chance.choices(PIECES, k=10)) for _ in range(300))

    def normalise(text: str) -> str:
        text = text.replace("\n", " ").replace("\t", " ").strip()
        return evaluation.processDigitArticle(evaluation.processPunctuation(text))

    normalised = json.dumps({text: normalise(text) for text in sorted(texts)})
    questions_text = ",\n".join(questions)
    output.write_text(f'{{"questions": [\n{questions_text}\n],\n"normalised": {normalised}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
