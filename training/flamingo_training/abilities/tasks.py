"""The bars as files for `flamingo eval`, so that the packed model is asked exactly what the PyTorch model is asked.

    python -m flamingo_training.abilities.tasks --language-model MODEL.gguf --output tasks

writes, with every item's own shots where it has any:

- `patterns.jsonl`: styles and made-up words; an answer must match the item's pattern as a whole;
- `words.jsonl`: the made-up words again, the right one among those that the shots show;
- `choices.jsonl`: the right answer or caption among four, and what came first;
- `{captions,questions}-{dev,train}.jsonl`: captions as the training has them, without the corpus's spaces, and
  questions, whose shots give the most frequent answer.

Images are named as in the data; `flamingo eval` finds them by `--images`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..data import data_folder, read_questions, read_split
from ..features import split_source
from ..recipe import DEFAULT, Recipe
from ..sequences import Chunk, PromptFormat
from ..tokenizer import tokenizer_from_gguf
from .bars import BARS, made_up_word, measure
from .bench import SPLITS, Bench, Likelihood

# Where the right candidate stands among those of the i-th prompt: clips are asked about in both orders, in turn.
RIGHT = {
    "VQA v2, one of four answers": lambda prompt: 0,
    "one of four captions": lambda prompt: 0,
    "what came first": lambda prompt: prompt % 2,
}


@dataclass(frozen=True)
class Recorder(Bench):
    """A bench without a model, which keeps what it is asked."""

    asked: list[tuple[Sequence[Chunk], Sequence[str]]] = field(default_factory=list)

    def answers(self, prompts: Sequence[Sequence[Chunk]], new_tokens: int) -> list[str]:
        """Keeps the prompts."""
        self.asked.extend((prompt, ()) for prompt in prompts)
        return [""] * len(prompts)

    def likelihoods(
        self, prompts: Sequence[Sequence[Chunk]], candidates: Sequence[Sequence[str]]
    ) -> list[list[Likelihood]]:
        """Keeps the prompts and their candidates."""
        self.asked.extend(zip(prompts, candidates, strict=True))
        return [[Likelihood(0.0, 0.0) for _ in texts] for texts in candidates]


class Writer:
    """Chunks as the JSON of `flamingo eval`."""

    def __init__(self, format_: PromptFormat, names: Sequence[str]) -> None:
        self.format, self.names = format_, names

    def text(self, ids: Sequence[int]) -> str:
        """The text of tokens."""
        return self.format.tokenizer.decode(list(ids))

    def chunk(self, chunk: Chunk) -> dict[str, Any]:
        """What a chunk shows and asks."""
        found: dict[str, Any] = {}
        if chunk.shown:
            frames = [self.names[image] for image in chunk.frames]
            found |= {"image": frames[0]} if isinstance(chunk.image, int) else {"frames": frames}
        if chunk.question is not None:
            question = self.text(chunk.question)
            found["question"] = question.removeprefix("Question:").removesuffix(" Short answer:")
        return found

    def item(self, source: str, chunks: Sequence[Chunk]) -> dict[str, Any]:
        """An item without what would be right."""
        shots = [{**self.chunk(shot), "text": self.text(shot.caption)} for shot in chunks[:-1]]
        return {"source": source, **self.chunk(chunks[-1]), "shots": shots}


def bar_items(bench: Recorder, writer: Writer, items: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of all bars that the data's own files do not hold, each with the file that it belongs in."""
    for name in BARS:
        bench.asked.clear()
        rows = measure(bench, items, seed, [name])[0].items
        for place, (chunks, candidates) in enumerate(bench.asked):
            item = writer.item(name, chunks)
            if name in RIGHT:
                yield "choices", {**item, "choices": list(candidates), "answer": RIGHT[name](place)}
            elif "pattern" in rows[place]:
                yield "patterns", {**item, "pattern": rows[place]["pattern"]}
            if BARS[name][0] is made_up_word:
                words = list(dict.fromkeys(shot["text"] for shot in item["shots"]))
                yield "words", {**item, "choices": words, "answer": words.index(rows[place]["expected"])}


def data_items(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Captions and questions, each with the file that it belongs in."""
    for split in ("dev", "train"):
        for example in read_split(folder / "flickr8k", split):
            yield f"captions-{split}", {"image": example.image, "captions": example.captions}
        for question in read_questions(folder / "vqa", split):
            # A shot shows the first answer; all of them count when a query is scored.
            answers = sorted(question.answers, key=lambda answer: answer != question.majority)
            item = {"image": question.image, "question": question.text, "source": question.source}
            yield f"questions-{split}", {**item, "answers": answers}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m flamingo_training.abilities.tasks", description=__doc__)
    parser.add_argument("--language-model", type=Path, required=True, help="the GGUF whose tokenizer is used")
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument("--items", type=int, default=200, help="at most so many of each bar")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--recipe", type=Path, default=DEFAULT)
    arguments = parser.parse_args()
    format_ = PromptFormat(tokenizer_from_gguf(arguments.language_model))
    names = [split_source(split)[2] for split in SPLITS]
    # The bars ask the model for nothing but its answers and how many frames its clips have.
    stand_in = SimpleNamespace(resampler=Recipe.load(arguments.recipe).resampler)
    firsts = [0, *accumulate(map(len, names))]
    bench = Recorder.of(stand_in, format_, firsts)
    writer = Writer(format_, [name for split in names for name in split])
    arguments.output.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[str]] = {}
    for file, item in (*bar_items(bench, writer, arguments.items, arguments.seed), *data_items(data_folder())):
        files.setdefault(file, []).append(json.dumps(item) + "\n")
    for file, lines in files.items():
        (arguments.output / f"{file}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{file}.jsonl: {len(lines)} items")


if __name__ == "__main__":
    main()
