"""The bars: what they ask, how they score, and that the model's answers are its own."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import MemoryStore
from test_episodes import photos_of
from test_model import random_bridges

from flamingo_training.abilities import bars
from flamingo_training.abilities.bars import BARS, Line, measure, wrong_answers
from flamingo_training.abilities.bench import Bench, Likelihood
from flamingo_training.abilities.tasks import Recorder, Writer, bar_items
from flamingo_training.abilities.vqa import accuracy, normalise
from flamingo_training.data import Question
from flamingo_training.episodes.photos import Photos
from flamingo_training.episodes.questions import PictureQuestions
from flamingo_training.episodes.words import HELD_OUT_GROUPS
from flamingo_training.features import JoinedStores
from flamingo_training.generate import decode, until_end
from flamingo_training.model import ResamplerConfig
from flamingo_training.sequences import Chunk, collate

HELD_OUT = {"frisbee": 6, "horse": 6, "tennis": 6, "baby": 6, "pool": 6, "boat": 6, "car": 6}


class Oracle(Bench):
    """A bench that writes down the prompts and gives prepared answers."""

    def answers(self, prompts, new_tokens):
        """Prepared ones."""
        self.model.asked = prompts
        return self.model.said(prompts)

    def likelihoods(self, prompts, candidates):
        """Prepared ones."""
        self.model.asked = prompts
        return [[Likelihood(value, value) for value in row] for row in self.model.said(prompts, candidates)]


class Model:
    """In place of a model."""

    resampler = ResamplerConfig(32, 1, 4, 2, 16, 2, 8, 16)


def questions() -> list[Question]:
    kinds = [("what is this", "other"), ("how many cats", "number"), ("is it red", "yes/no")]
    return [
        Question(f"{number}.webp", f"{text} {number}?", (f"answer {number}",) * 10, kind, "vqa-v2")
        for number in range(15)
        for text, kind in [kinds[number % 3]]
    ] + [
        Question(f"{number}.webp", f"what is {number}?", (f"cat {number}",), "object", "coco-qa") for number in range(8)
    ]


@pytest.fixture
def oracle(format_) -> Oracle:
    examples = photos_of(HELD_OUT)
    photos = len(examples)
    store = JoinedStores([MemoryStore(count, 9, 16) for count in (photos, photos, 15, 15)])
    return Oracle(
        Model(),
        format_,
        store,
        Photos.of(examples),
        Photos.of(examples, photos),
        PictureQuestions(questions(), 2 * photos),
        PictureQuestions(questions(), 2 * photos + 15),
    )


def fields_of(bench: Bench) -> list:
    """What a bench is made of."""
    return [getattr(bench, name) for name in Bench.__dataclass_fields__]


def test_the_whole_table(oracle, model, format_, recipe):
    """Every line on a real, untrained model; the same seed asks the same."""
    random_bridges(model)
    bench = Bench(model.eval(), *fields_of(oracle)[1:])
    lines = measure(bench, 3, 1)
    assert [line.name for line in lines] == [
        *list(BARS)[:13],
        "VQA v2, one of four answers: by sum",
        *list(BARS)[13:],
        "what came first: flips",
    ]
    assert all(0 <= line.score <= 100 and len(line.items) == 3 for line in lines)
    name = "made-up word, 2 ways, 4 shots"
    again, other = measure(bench, 3, 1, [name]), measure(bench, 3, 2, [name])
    assert again[0].items == lines[list(BARS).index(name)].items
    assert other[0].items != again[0].items


def test_greedy_answers_are_those_of_each_prompt_alone(oracle, model, format_):
    random_bridges(model)
    bench = Bench(model.eval(), *fields_of(oracle)[1:])
    # The longest first, so that answers come back in another order than they are given; an untrained model mostly
    # repeats the last token, so each ends in another.
    prompts = [
        [Chunk(3, format_.text("ab")), Chunk(9, format_.text("cd")), Chunk(7, (), question=format_.text("is a"))],
        [Chunk(1, format_.text("x"), shown=False), Chunk((2, 9), (), question=format_.text("is b"))],
        [Chunk(5, (), question=format_.text("is c"))],
    ]
    with torch.inference_mode():
        expected = []
        for chunks in prompts:
            ids = torch.tensor([format_.prompt(chunks[:-1], chunks[-1].question)])
            shown = [chunk.frames for chunk in chunks if chunk.shown]
            latents = torch.cat([model.perceiver(bench.store.read(frames)[None, None])[:, 0] for frames in shown])
            tokens = decode(model, format_, ids, latents[None], 5)[0].tolist()
            expected.append(format_.tokenizer.decode(until_end(tokens, format_.end)).strip())
    assert len(set(expected)) == 3
    assert bench.answers(prompts, 5) == expected


def test_likelihoods_by_hand(oracle, model, format_):
    """The mean over the candidate's tokens, its end excluded."""
    random_bridges(model)
    bench = Bench(model.eval(), *fields_of(oracle)[1:])
    shot = Chunk(3, format_.text("ab"))
    [values] = bench.likelihoods([[shot, Chunk(7, ())]], [["a", "long one"]])
    for text, value in zip(["a", "long one"], values, strict=True):
        caption = format_.text(text)
        batch = collate(format_, [[shot, Chunk(7, caption)]])
        with torch.inference_mode():
            scores = model(batch.ids, bench.store.read([3, 7])[None])[0].log_softmax(-1)
        first = batch.ids.shape[1] - len(caption) - 2
        expected = [scores[first + place, token].item() for place, token in enumerate(caption)]
        assert value.mean == pytest.approx(np.mean(expected), abs=1e-5)
        assert value.total == pytest.approx(np.sum(expected), abs=1e-4)


@pytest.mark.parametrize("shuffled", [False, True])
def test_made_up_words(oracle, format_, shuffled):
    """The answer follows from the shots: held-out groups, shots from train, and the shots' photos shuffled or not."""
    things = [name for name in HELD_OUT for _ in range(6)]

    def look(prompts):
        """The word of the shots whose photos show what the query shows."""
        answers = []
        for chunks in prompts:
            query = things[chunks[-1].image - len(things)]
            said = [format_.tokenizer.decode(list(c.caption)) for c in chunks[:-1] if things[c.image] == query]
            assert len(said) == 4
            assert len(chunks) == 9
            assert {things[c.image] for c in chunks[:-1]} <= HELD_OUT_GROUPS.keys()
            answers.append(said[0])
        return answers

    oracle.model.said = look
    [line] = bars.made_up_word("words", oracle, 120, 3, 2, 4, shuffled)
    assert all(item["group"] in HELD_OUT_GROUPS for item in line.items)
    if shuffled:
        assert 30 < line.score < 70
        assert line.interval == pytest.approx(9, abs=1)
    else:
        assert line.score == 100


def test_styles(oracle, format_):
    """An answer in another style does not count; queries come from dev with the style's own question."""
    oracle.model.said = lambda prompts: ["A plain caption of a photo"] * len(prompts)
    [line] = bars.style_followed("styles", oracle, 22, 0, bars.STYLES, 2)
    assert line.score == 0
    assert {item["style"] for item in line.items} == set(bars.STYLES)
    assert all(len(chunks) == 3 and chunks[-1].image >= 42 > chunks[0].image for chunks in oracle.model.asked)
    asked = dict(zip((item["style"] for item in line.items), oracle.model.asked, strict=False))
    assert asked["count"][-1].question is not None and asked["tags"][-1].question is None
    expected = iter([item["expected"] for item in line.items])
    oracle.model.said = lambda prompts: [next(expected) for _ in prompts]
    assert bars.style_followed("styles", oracle, 22, 0, bars.STYLES, 2)[0].score == 100


def test_questions(oracle, format_):
    oracle.model.said = lambda prompts: ["answer 0"] * len(prompts)
    [line] = bars.open_ended_question("vqa", oracle, 99, 0, "vqa-v2", 2, shown=False)
    assert len(line.items) == 15
    assert line.score == pytest.approx(100 / 15)
    assert [chunk.shown for chunk in oracle.model.asked[0]] == [False, False, True]
    assert all(chunks[-1].image >= 84 + 15 > chunks[0].image for chunks in oracle.model.asked)
    oracle.model.said = lambda prompts: ["Cat 3"] * len(prompts)
    [line] = bars.open_ended_question("coco", oracle, 99, 0, "coco-qa", 4)
    assert line.score == pytest.approx(100 / 8)


def test_wrong_answers():
    """Nobody gave them; from the same opening first, then from the same type."""
    rows = [question for question in questions() if question.source == "vqa-v2"]
    similar = [f"answer {number}" for number in (3, 6, 9, 12)]
    chosen = wrong_answers(rows[0], rows, np.random.default_rng(0))
    assert len(set(chosen)) == 3
    assert set(chosen) <= set(similar)
    lonely = Question("x", "which dog?", ("answer 3", "answer 6"), "other", "vqa-v2")
    assert set(wrong_answers(lonely, rows, np.random.default_rng(0))) == {"answer 0", "answer 9", "answer 12"}


def test_choices_and_clips(oracle):
    """The first candidate is the right one; a clip's answer must follow its order."""
    oracle.model.said = lambda prompts, candidates: [[0.0, *[-1.0] * (len(texts) - 1)] for texts in candidates]
    assert bars.four_answers("four", oracle, 99, 0)[0].score == 100
    assert len(bars.four_answers("four", oracle, 99, 0)[0].items) == 10
    assert bars.four_captions("four", oracle, 20, 0)[0].score == 100
    order, flips = bars.clip_order("clips", oracle, 10, 0)
    assert (order.score, flips.score) == (50, 0)
    frames = [chunks[0].frames for chunks in oracle.model.asked]
    assert frames[1] == frames[0][::-1]
    assert len(frames[0]) == 8 and len(set(frames[0])) == 2
    oracle.model.said = lambda prompts, candidates: [[0.0, -1.0], [-1.0, 0.0]] * (len(prompts) // 2)
    order, flips = bars.clip_order("clips", oracle, 10, 0)
    assert (order.score, flips.score) == (100, 100)


def test_vqa_accuracy():
    given = ["2"] * 2 + ["two dogs"] + ["yes"] * 7
    assert accuracy("Two", given) == pytest.approx(2 / 3)
    assert accuracy("yes.", given) == 1
    assert accuracy("yes, it is", given) == 1
    assert accuracy("no", given) == 0
    assert accuracy("the two dogs", given) == pytest.approx(1 / 3)
    assert normalise("A T-shirt, none!") == "t shirt 0"
    assert normalise("1,000.5") == "1000.5"


def test_lines():
    line = Line.mean("line", [{"score": 1.0}, {"score": 0.0}, {"score": 1.0}, {"score": 1.0}])
    assert line.score == 75
    assert line.interval == pytest.approx(49)
    assert Line("CIDEr", 50.0, [{"answer": "a"}, {"answer": "b"}]).interval is None


def test_tasks_as_files(oracle, format_):
    """Each item of the files is what the bench is asked, in words: shots, query, pattern or candidates."""
    recorder = Recorder(SimpleNamespace(resampler=Model.resampler), *fields_of(oracle)[1:])
    names = [f"{image}.webp" for image in range(2 * 42 + 30)]
    items = list(bar_items(recorder, Writer(format_, names), 11, 7))
    assert {file for file, _ in items} == {"patterns", "choices", "words"}
    chosen = {name: [item for file, item in items if (file, item["source"]) == ("words", name)] for name in BARS}
    items = [(file, item) for file, item in items if file != "words"]
    sources = [item["source"] for _, item in items]
    assert {*sources} == {name for name in BARS if not re.match("CIDEr|(VQA v2|COCO-QA), . shots", name)}
    by_source = {name: [item for _, item in items if item["source"] == name] for name in sources}

    oracle.model.said = lambda prompts: ["no"] * len(prompts)
    name = "made-up word, 5 ways, 4 shots"
    [line] = measure(oracle, 11, 7, [name])
    for item, row, chunks in zip(by_source[name], line.items, oracle.model.asked, strict=True):
        assert item["image"] == names[chunks[-1].image] and item["pattern"] == row["pattern"]
        assert [shot["image"] for shot in item["shots"]] == [names[chunk.image] for chunk in chunks[:-1]]
        assert item["pattern"] in {shot["text"] for shot in item["shots"]}
    for item, written in zip(chosen[name], by_source[name], strict=True):
        assert item["shots"] == written["shots"] and item["image"] == written["image"]
        assert item["choices"][item["answer"]] == written["pattern"]
        assert {*item["choices"]} == {shot["text"] for shot in item["shots"]} and len(item["choices"]) == 5
    style = by_source["style after 2 shots"]
    assert all(re.fullmatch(item["pattern"], shot["text"]) for item in style for shot in item["shots"])
    asked = [item for item in style if "question" in item]
    assert len(asked) == 2
    assert all(not item["question"].startswith("Question") and "question" in item["shots"][0] for item in asked)

    clips = by_source["what came first"]
    assert [item["answer"] for item in clips] == [0, 1] * 11
    assert clips[0]["frames"] == clips[1]["frames"][::-1] and clips[0]["question"] == "What came first?"
    four = by_source["VQA v2, one of four answers"][0]
    assert four["answer"] == 0 and len(four["choices"]) == 4 and four["question"].endswith("?")
    assert json.dumps(items)
