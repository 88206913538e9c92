"""Episodes: what they hold, what of them is learned, and a few steps of the stage on sixteen pictures."""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from conftest import MemoryStore
from test_model import random_bridges

from flamingo_training.consensus import CiderScorer, words
from flamingo_training.data import Example, Question
from flamingo_training.episodes import styles
from flamingo_training.episodes.caption_questions import (
    KINDS,
    CaptionQuestionEpisodes,
    beginning,
    color,
    deed,
    number,
    presence,
)
from flamingo_training.episodes.choices import ChoiceEpisodes
from flamingo_training.episodes.clips import FIRST_QUESTION, ClipEpisodes, cut, short_caption
from flamingo_training.episodes.mixture import Mixture, passes
from flamingo_training.episodes.photos import Photos, draw_shots
from flamingo_training.episodes.questions import PictureQuestions, QuestionEpisodes
from flamingo_training.episodes.styles import HELD_OUT_STYLES, STYLES, StyleEpisodes, counted_thing, tags, write
from flamingo_training.episodes.words import (
    GROUPS,
    HELD_OUT_GROUPS,
    GroupedPhotos,
    WordEpisodes,
    made_up_word,
    vocabulary,
)
from flamingo_training.features import JoinedStores
from flamingo_training.model import PerceiverResampler, split_heads
from flamingo_training.sequences import IGNORED, Chunk, collate
from flamingo_training.train import Trainer
from flamingo_training.workers import Workers

SETTINGS = {
    "zero_shot_share": 0.3,
    "text_only_pair_share": 0.2,
    "most_shots": 4,
    "text_only_share": 0.2,
    "most_style_shots": 3,
    "most_ways": 3,
    "most_shots_a_way": 2,
    "real_word_share": 0.25,
    "majority_share": 0.5,
    "one_source_share": 0.5,
    "most_clip_shots": 2,
    "still_share": 0.2,
    "time_photos": 12,
    "time_line": 2.0,
    "time_tag": 1.0,
    "time_slopes": [8.0],
    "clip_caption_share": 0.4,
    "named_share": 0.5,
    "candidates": 3,
    "clip_choice_share": 0.5,
    "first_share": 0.5,
    "choice_sharpness": 4.0,
    "shares": {
        "captions": 1,
        "styles": 1,
        "words": 1,
        "questions": 1,
        "caption_questions": 1,
        "clips": 1,
        "choices": 1,
    },
    "weights": {
        "captions": 0.5,
        "styles": 1.0,
        "words": 1.0,
        "questions": 2.0,
        "caption_questions": 1.5,
        "clips": 1.0,
        "choices": 3.0,
    },
    "seed": 5,
    "steps": 100,
    "tokens": 700,
    "pass_tokens": {"cpu": 400},
    "fill": {"cpu": 0.7},
    "warmup": 2,
    "learning_rate": 1e-3,
    "final_learning_rate": 1e-4,
    "weight_decay": 0.0,
    "clip": 1.0,
    "latent_dropout": 0.1,
    "cross_attention_dropout": 0.1,
    "average": 0.9,
}


def photos_of(things: dict[str, int]) -> list[Example]:
    """So many photos of each thing, every caption naming it."""
    examples = []
    for thing, count in things.items():
        for place in range(count):
            captions = (
                f"Two dogs and a {thing} in the garden" if place == 0 else f"One {thing} in the garden",
                f"The old {thing} number {place} on a lawn",
                f"A {thing} near the house",
                f"There is a {thing} beside the house",
                f"Two dogs watch the {thing} in the garden" if place == 0 else f"Garden with a {thing}",
            )
            examples.append(Example(f"{thing}{place}.webp", captions))
    return examples


@pytest.fixture
def sixteen() -> list[Example]:
    """Sixteen photos of four things that are groups."""
    return photos_of({"car": 4, "boat": 4, "guitar": 4, "bird": 4})


@pytest.fixture
def asked() -> list[Question]:
    """Twelve questions about six images of their own, of both sources."""
    many = ("2", "2", "2", "3", "2", "2", "1", "2", "2", "2")
    return [
        Question(f"{number // 2}.webp", f"how many cats in {number}?", many, "number", "vqa-v2")
        if number % 2
        else Question(f"{number // 2}.webp", f"what is {number}?", ("cat",), "object", "coco-qa")
        for number in range(12)
    ]


@pytest.fixture
def wide() -> Photos:
    """Photos of things from training groups, of held-out groups, and of both at once."""
    examples = photos_of({"car": 8, "boat": 8, "guitar": 8, "bird": 8, "frisbee": 5, "horse": 5})
    both = Example("both.webp", ("A car on the beach",) * 3 + ("A car",) * 2)
    mixed = Example("mixed.webp", ("A bird",) * 4 + ("A bird on a boat",))
    return Photos.of([*examples, both, mixed])


def texts(format_, chunks: list[Chunk]) -> list[str]:
    return [format_.tokenizer.decode(list(chunk.caption)) for chunk in chunks]


def draws(episodes, count: int) -> list[list[Chunk]]:
    random = np.random.default_rng(1)
    return [episodes.draw(random) for _ in range(count)]


def style(family: str, seed: int = 0) -> styles.Style:
    return {**STYLES, **HELD_OUT_STYLES}[family](np.random.default_rng(seed))


# Styles.


@pytest.mark.parametrize("family", [*STYLES, *HELD_OUT_STYLES])
def test_a_style_accepts_its_own_rewriting_and_refuses_a_plain_caption(family, sixteen):
    photos = Photos.of(sixteen)
    for seed in range(12):
        drawn, random = style(family, seed), np.random.default_rng(seed)
        for photo, written in write(photos, drawn, 2, random):
            assert drawn.follows(written.answer), (seed, written.answer)
            assert written.answer[0].isalnum()
            assert all(not drawn.follows(caption) for caption in sixteen[photo].captions), seed
        assert not drawn.follows("")
        assert not drawn.follows("A brown dog runs in the grass")


@pytest.mark.parametrize(
    ("family", "wrong"),
    [
        ("sentence", ["a dog runs.", "A dog runs", "A dog runs..."]),
        ("upper case", ["A Dog Runs", "DOG", "a dog"]),
        ("lower case", ["A dog runs", "dog"]),
        ("one word", ["a dog", "Dog", "dog."]),
        ("place first", ["A dog runs in the grass, happily", "In the grass a dog runs"]),
        ("title case", ["A DOG RUNS", "A dog Runs Home"]),
    ],
)
def test_a_style_refuses_near_misses(family, wrong):
    assert not any(style(family).follows(text) for text in wrong)


def test_rewritings():
    caption, captions = "A brown dog runs in the grass", ["A brown dog runs in the grass", "The dog in grass", "A dog"]
    random = np.random.default_rng(0)

    def rewritten(family: str) -> str:
        return style(family).rewrite(caption, captions, random).answer

    assert rewritten("sentence") == "A brown dog runs in the grass."
    assert rewritten("place first") == "In the grass, a brown dog runs"
    assert rewritten("title case") == "A Brown Dog Runs In The Grass"
    assert rewritten("one word") == "dog"
    assert tags(captions) == ["dog", "grass"]
    assert style("place first").rewrite("A dog", captions, random) is None


def test_counts_need_two_captions_that_agree():
    assert counted_thing(["Two brown dogs run", "Two dogs in the grass", "Dogs"]) == (2, "dogs")
    assert counted_thing(["A dog runs", "The brown dog", "One brown dog"]) == (1, "dogs")
    assert counted_thing(["A dog runs", "One dog after another dog"]) is None
    assert counted_thing(["Two dogs", "Three dogs"]) is None


def test_held_out_styles_share_nothing_with_the_trained():
    assert not STYLES.keys() & HELD_OUT_STYLES.keys()
    assert not set(styles.PREFIXES) & set(styles.HELD_OUT_PREFIXES)
    assert not set(styles.SUFFIXES) & set(styles.HELD_OUT_SUFFIXES)
    assert not set(styles.SEPARATORS) & set(styles.HELD_OUT_SEPARATORS)
    assert not set(itertools.chain(*styles.ANSWER_PAIRS)) & set(itertools.chain(*styles.HELD_OUT_PAIRS))


def test_style_episodes(format_, sixteen):
    """One style throughout, never a held-out one; all but the first shot are learned."""
    held_out = [family(np.random.default_rng(seed)) for family in HELD_OUT_STYLES.values() for seed in range(20)]
    seen: set[str] = set()
    trained = [(name, family(np.random.default_rng(seed))) for name, family in STYLES.items() for seed in range(300)]
    for chunks in draws(StyleEpisodes(format_, Photos.of(sixteen), SETTINGS), 60):
        answers = texts(format_, chunks)
        assert 2 <= len(chunks) <= 4
        assert [chunk.learned for chunk in chunks] == [False] + [True] * (len(chunks) - 1)
        assert chunks[-1].shown
        assert len({chunk.image for chunk in chunks}) == len(chunks)
        following = {name for name, drawn in trained if all(map(drawn.follows, answers))}
        assert following, answers
        seen |= following
        assert not any(all(map(drawn.follows, answers)) for drawn in held_out), answers
    assert seen == set(STYLES)


# Words.


def test_groups_are_disjoint():
    forms = list(itertools.chain(*GROUPS.values(), *HELD_OUT_GROUPS.values()))
    assert len(forms) == len(set(forms))
    assert not GROUPS.keys() & HELD_OUT_GROUPS.keys()


def test_made_up_words(wide):
    random = np.random.default_rng(0)
    real = vocabulary(wide)
    assert {"car", "frisbee", "garden"} <= real
    made = [made_up_word(real, random) for _ in range(300)]
    assert not real & set(made)
    assert len(set(made)) > 280
    assert all(word.isalpha() and word.islower() for word in made)
    # A word that is real is drawn again.
    first = made_up_word(frozenset(), np.random.default_rng(3))
    assert made_up_word(frozenset([first]), np.random.default_rng(3)) != first


def test_members_are_exclusive(wide):
    grouped = GroupedPhotos(wide, GROUPS)
    bird, boat, car = (grouped.names.index(name) for name in ("bird", "boat", "car"))
    mixed = len(wide) - 1
    assert mixed in grouped.members([bird, car])[0]
    assert mixed not in grouped.members([bird, boat])[0], "one caption mentions the boat"
    assert all(len(members) == 8 for members in grouped.members([bird, boat]))


def test_word_episodes(format_, wide):
    """Exclusive groups, nothing held out, and an answer is learned only after its word has been shown."""
    episodes = WordEpisodes(format_, wide, SETTINGS)
    forms = {form: name for name, group in {**GROUPS, **HELD_OUT_GROUPS}.items() for form in group}
    real, made_up = 0, 0
    for chunks in draws(episodes, 150):
        answers = texts(format_, chunks)
        mentioned = [
            {forms[word] for caption in wide.captions[chunk.image] for word in words(caption) if word in forms}
            for chunk in chunks
        ]
        assert not any(groups & HELD_OUT_GROUPS.keys() for groups in mentioned)
        names = set(answers)
        assert not names & HELD_OUT_GROUPS.keys()
        # What the photos of one word share is in no photo of another word.
        for name in names:
            own = [groups for answer, groups in zip(answers, mentioned, strict=True) if answer == name]
            others = [groups for answer, groups in zip(answers, mentioned, strict=True) if answer != name]
            shared = set.intersection(*own)
            assert any(all(group not in other for other in others) for group in shared)
        if names <= GROUPS.keys():
            real += 1
            assert all(answer in groups for answer, groups in zip(answers, mentioned, strict=True))
        else:
            made_up += 1
            assert not names & vocabulary(wide)
        assert [chunk.learned for chunk in chunks] == [
            answer in answers[:position] for position, answer in enumerate(answers)
        ]
        assert chunks[-1].learned
        assert len({chunk.image for chunk in chunks}) == len(chunks)
        assert 2 <= len(names) <= 3
    assert made_up > real > 0


# Questions, clips, shots.


def test_question_episodes(format_, asked):
    episodes = QuestionEpisodes(format_, PictureQuestions(asked, 16), SETTINGS)
    drawn = draws(episodes, 80)
    assert {chunk.image for chunks in drawn for chunk in chunks} == set(range(16, 22))
    assert {answer for chunks in drawn for answer in texts(format_, chunks)} == {"cat", "1", "2", "3"}
    ids, targets = format_.sequence([episodes.asked.chunk(format_, asked[1], "2"), drawn[0][-1]])
    text = format_.tokenizer.decode(ids, skip_special_tokens=False)
    assert text.startswith("<image>Question:how many cats in 1? Short answer:2<|endofchunk|>\n<image>Question:")
    learned = [target for target in targets if target != IGNORED]
    answer = list(drawn[0][-1].caption)
    assert learned == [*format_.text("2"), format_.end, *answer, format_.end]


def test_shots():
    random = np.random.default_rng(0)
    drawn = [tuple(draw_shots(SETTINGS, random)) for _ in range(500)]
    assert {len(shots) for shots in drawn} == {0, 1, 2, 3, 4}
    assert drawn.count(()) / 500 == pytest.approx(0.3, abs=0.06)
    assert drawn.count((False, False)) / 500 == pytest.approx(0.2, abs=0.06)
    longer = [shown for shots in drawn if len(shots) > 2 for shown in shots]
    assert np.mean(longer) == pytest.approx(0.8, abs=0.05)


def test_clip_episodes(format_, sixteen):
    assert cut(7, 9, 5, 2) == (7, 7, 9, 9, 9)
    photos = Photos.of(sixteen, first=100)
    kinds: set[str] = set()
    for chunk in itertools.chain(*draws(ClipEpisodes(format_, photos, SETTINGS, 5), 150)):
        assert 2 <= len(chunk.frames) <= 5
        order = list(dict.fromkeys(chunk.frames))
        assert all(100 <= image < 116 for image in order)
        [answer] = texts(format_, [chunk])
        captions = [[text.lower() for text in sixteen[image - 100].captions] for image in order]
        question = "" if chunk.question is None else format_.tokenizer.decode(list(chunk.question))
        if len(order) == 1:
            kinds.add("still")
            assert not question and any(text.startswith(answer) for text in sixteen[order[0] - 100].captions)
        elif not question:
            kinds.add("caption")
            first, _, then = answer.removeprefix("First ").lower().partition(", then ")
            assert first in captions[0] and then in captions[1]
        else:
            kinds.add(question.removeprefix("Question:").split(",")[0].removesuffix("? Short answer:"))
            place = 0 if "first" in question else 1
            # The whole caption, or the word that all captions of the photo share.
            assert answer in captions[place] or all(answer in caption for caption in captions[place])
    assert kinds == {"still", "caption", "What came first", "What came last"}


def test_clips_and_photos_in_one_batch(model, format_):
    """Together they give what each gives alone, and the order of frames matters."""
    random_bridges(model)
    model.eval()
    store = MemoryStore(6, 9, 16)
    media = [(3,), (1, 1), (4,), (5, 2), (2, 5)]
    question = format_.question(FIRST_QUESTION)
    rows = [
        [Chunk(3, format_.text("a")), Chunk((5, 2), format_.text("bc"), question=question)],
        [Chunk((2, 5), format_.text("d"))],
        [Chunk((1, 1), format_.text("e")), Chunk(3, format_.text("f")), Chunk(4, format_.text("g"))],
    ]
    batch = collate(format_, rows)
    assert batch.images == [1, 2, 3, 4, 5]
    assert sorted(batch.media) == sorted(tuple(batch.images.index(image) for image in frames) for frames in media)
    with torch.inference_mode():
        latents = model.see_media(store.read(batch.images), batch.media)
        for frames, together in zip(batch.media, latents, strict=True):
            features = store.read([batch.images[place] for place in frames])
            torch.testing.assert_close(together, model.perceiver(features[None, None])[0, 0])
        hidden = model.hidden(batch.ids, latents[batch.index])
        for row, chunks in enumerate(rows):
            single = collate(format_, [chunks])
            alone = model.see_media(store.read(single.images), single.media)
            expected = model.hidden(single.ids, alone[single.index])[0]
            torch.testing.assert_close(hidden[row, : len(expected)], expected, atol=1e-5, rtol=1e-5)
    places = {tuple(batch.images[place] for place in frames): row for row, frames in enumerate(batch.media)}
    assert not torch.allclose(latents[places[5, 2]], latents[places[2, 5]], atol=1e-3)


# The stage.


def make_trainer(recipe, model, format_, sixteen, asked, stage="episodes") -> Trainer:
    store = JoinedStores([MemoryStore(16, 9, 16), MemoryStore(6, 9, 16)])
    return Trainer(stage, recipe, copy.deepcopy(model), format_, sixteen, store, "cpu", False, asked)


@pytest.fixture
def make(recipe, model, format_, sixteen, asked):
    """Builds a trainer over the sixteen photos and the questions' six images."""
    recipe.sections["episodes"] = copy.deepcopy(SETTINGS)
    recipe["data"].update({"captions_an_image": 2})
    return functools.partial(make_trainer, recipe, model, format_, sixteen, asked)


def test_a_step_follows_from_seed_and_step(format_, sixteen, asked):
    def build(**changes) -> Mixture:
        return Mixture(format_, Photos.of(sixteen), asked, {**SETTINGS, **changes}, 2)

    mixture = build()
    expected = mixture.step(7)
    mixture.step(8)
    assert build().step(7) == expected
    assert build(seed=6).step(7) != expected
    assert mixture.step(8) != expected
    assert {episode.kind for step in range(5) for episode in mixture.step(step)} == set(SETTINGS["shares"])
    for episode in expected:
        rows = [format_.sequence(sequence) for sequence in episode.sequences]
        assert episode.tokens == max(len(ids) for ids, _ in rows)
        several = len(rows) > 1
        learned = 1 if several else sum(target >= 0 for target in rows[0][1])
        assert episode.learned == learned > 0
        assert several == (episode.kind == "choices")
    lengths = [episode.tokens for episode in expected]
    assert lengths == sorted(lengths, reverse=True)
    assert sum(episode.tokens * len(episode.sequences) for episode in expected) >= SETTINGS["tokens"]
    with pytest.raises(ValueError, match="shares"):
        build(shares={"captions": 1.0})


def test_choices_are_squares_whose_diagonal_is_right(format_, sixteen):
    """Rows share a picture or clip, columns a text; the text of each row's own column is true of its medium."""
    photos = Photos.of(sixteen, first=100)
    random = np.random.default_rng(0)
    drawn = [ChoiceEpisodes(format_, photos, SETTINGS, 3).draw(random) for _ in range(40)]
    squares = [[[chunk for [chunk] in row] for row in square] for square in drawn]
    clips = [square for square in squares if isinstance(square[0][0].image, tuple)]
    assert 5 < len(clips) < 35
    for square in squares:
        assert all(len(row) == len(square) for row in square)
        assert len({chunk.question for row in square for chunk in row}) == 1
        for row in square:
            assert len({chunk.image for chunk in row}) == 1
        texts = [format_.tokenizer.decode(chunk.caption) for chunk in square[0]]
        assert all([chunk.caption for chunk in row] == [chunk.caption for chunk in square[0]] for row in square)
        if square not in clips:
            assert len(square) == SETTINGS["candidates"]
            for row, text in zip(square, texts, strict=True):
                assert any(text in caption for caption in sixteen[row[0].image - 100].captions)
            continue
        assert square[1][0].frames[0] == square[0][0].frames[-1] != square[0][0].frames[0]
        asked_first = square[0][0].question == format_.question(FIRST_QUESTION)
        for row, text in zip(square, texts, strict=True):
            right = row[0].frames[0] if asked_first else row[0].frames[-1]
            assert text == short_caption(sixteen[right - 100].captions)


PHOTOS = {
    "dogs": ("Two brown dogs run on grass", "Two dogs are running after a ball", "The brown dogs are chasing a ball"),
    "man": ("A man is sitting on a bench", "A man in a red hat sits", "The man with the red hat is sitting outside"),
    "nothing": ("Outside", "It rains", "Clouds"),
}


def test_questions_made_from_captions():
    """All that each kind can ask of a photo, and nothing where the captions say too little or disagree."""
    random = np.random.default_rng(0)

    def all_of(kind: Callable, photo: str) -> set[tuple[str, str]]:
        return {kind(PHOTOS[photo], random) for _ in range(300)} - {None}

    assert {answer for question, answer in all_of(presence, "dogs") if "dog" in question} == {"yes"}
    assert {answer for question, answer in all_of(presence, "man") if "dog" in question} == {"no"}
    assert all_of(color, "dogs") == {("What color is the dogs?", "brown"), ("what is the color of the dogs?", "brown")}
    assert {answer for _, answer in all_of(color, "man")} == {"red"}
    assert {answer for _, answer in all_of(number, "dogs")} == {"2", "two"}
    assert ("Are the dogs running?", "yes") in all_of(deed, "dogs")
    assert ("What is the man doing?", "sitting") in all_of(deed, "man")
    assert {answer for question, answer in all_of(deed, "man") if "swimming" in question} == {"no"}
    assert all_of(beginning, "dogs") == {
        ("what are running after a ball?", "dogs"),
        ("what are chasing a ball?", "dogs"),
    }
    for kind in KINDS[1:]:
        assert not all_of(kind, "nothing"), kind


def test_caption_questions_show_what_they_ask_about(format_):
    examples = [Example(f"{name}{place}.webp", captions) for name, captions in PHOTOS.items() for place in range(3)]
    episodes = CaptionQuestionEpisodes(format_, Photos.of(examples, first=7), SETTINGS)
    for chunks in draws(episodes, 30):
        assert chunks[-1].shown
        for chunk in chunks:
            assert chunk.question is not None
            assert 7 <= chunk.image < 7 + len(examples)
    empty = CaptionQuestionEpisodes(format_, Photos.of([Example("a.webp", ("one",))]), SETTINGS)
    with pytest.raises(ValueError, match="no caption"):
        next(empty.ask((color,), np.random.default_rng(0)))


def test_workers_prepare_what_the_process_itself_would(make):
    alone = make()
    workers = Workers(2, alone.mixture, CiderScorer([["a dog runs"], ["a cat sits"]]))
    try:
        for step in range(3):
            share, expected = workers.share(step, 1, 2), alone.workers.share(step, 1, 2)
            assert share.total == expected.total
            assert [episodes for episodes, _ in share.passes] == [episodes for episodes, _ in expected.passes]
            for (_, batch), (_, same) in zip(share.passes, expected.passes, strict=True):
                assert torch.equal(batch.ids, same.ids)
                assert torch.equal(batch.targets, same.targets)
        assert workers.scores([(0, "a dog runs"), (1, "a dog"), (1, "a cat")]) == [
            workers.scorer.score(image, text) for image, text in ((0, "a dog runs"), (1, "a dog"), (1, "a cat"))
        ]
    finally:
        workers.close()


def test_what_is_not_determined_is_not_learned(format_):
    text, question = format_.text("ab"), format_.question(" what? ")
    ids, targets = format_.sequence([Chunk(0, text, learned=False), Chunk(1, text, question=question)])
    assert format_.tokenizer.decode(ids, skip_special_tokens=False) == (
        "<image>Output:ab<|endofchunk|>\n<image>Question:what? Short answer:ab<|endofchunk|>"
    )
    assert [target for target in targets if target != IGNORED] == [*text, format_.end]
    assert all(target == IGNORED for target in targets[: ids.index(format_.end) + 1])


def test_passes_hold_every_sequence_once(format_, sixteen, asked):
    episodes = Mixture(format_, Photos.of(sixteen), asked, {**SETTINGS, "tokens": 4000}, 2).step(0)
    batches = passes(episodes, 600, 0.7)
    assert [episode for batch in batches for episode in batch] == episodes
    assert len(batches) > 2
    for batch in batches:
        rows = sum(len(episode.sequences) for episode in batch)
        assert len(batch) == 1 or rows * batch[0].tokens <= 600
        assert batch[-1].tokens >= 0.7 * batch[0].tokens


def test_a_resumed_run_takes_the_same_steps(make, tmp_path):
    first = make()
    first.train_step()
    first.save(tmp_path / "checkpoint.pt")
    expected = first.train_step()
    torch.rand(5)
    second = make()
    second.resume(tmp_path / "checkpoint.pt")
    assert second.train_step() == expected
    for name, parameter in second.model.bridges().items():
        assert torch.equal(parameter, first.model.bridges()[name]), name
        assert torch.equal(second.average[name], first.average[name]), name


def early_shares(resampler: PerceiverResampler, photos: torch.Tensor) -> torch.Tensor:
    """How much of the attention of each latent of the first layer goes to the first of two frames, (latents)."""
    attention = resampler.layers[0][0]
    x = resampler.input_proj(resampler.input_norm(photos)) + resampler.frame_embs[:2, None]
    queries = attention.to_q(attention.norm_latents(resampler.latents))
    keys = attention.to_kv(attention.norm_media(x.flatten(0, 1))).chunk(2, dim=-1)[0]
    queries, keys = (split_heads(y[None], attention.head_width)[0] for y in (queries, keys))
    weights = (queries @ keys.transpose(1, 2) * attention.head_width**-0.5).softmax(-1)
    return weights[..., : photos.shape[1]].sum(-1).mean(0)


def test_some_latents_start_with_a_preference_for_early_or_late_frames(make, model):
    """Photos look as before, and temporal embeddings that are far apart already are kept."""
    torch.nn.init.constant_(model.perceiver.frame_embs, 0.25)
    photos = MemoryStore(16, 9, 16).read([3, 4])
    before = model.see(photos[None])
    resampler = make().model.perceiver
    embeddings = resampler.frame_embs
    assert (embeddings[0] == 0.25).all()
    assert resampler.time_span() == pytest.approx(SETTINGS["time_line"], rel=1e-3)
    line = torch.linspace(0, 1, len(embeddings))[:, None] * (embeddings[-1] - embeddings[0])
    torch.testing.assert_close(embeddings - embeddings[0], line)
    early = early_shares(resampler, photos)
    assert early[0::4].min() > 0.8 and early[2::4].max() < 0.2
    assert (early[1::2] - 0.5).abs().max() < 0.1
    again = resampler(photos[None, :, None])
    assert torch.nn.functional.cosine_similarity(before, again, dim=-1).min() > 0.9
    with torch.no_grad():
        model.perceiver.frame_embs[-1] += SETTINGS["time_line"]
    expected = model.perceiver.frame_embs.clone()
    assert torch.equal(make().model.perceiver.frame_embs, expected)


def test_two_steps_move_the_bridges_and_their_average(make):
    trainer = make()
    start = {name: tensor.clone() for name, tensor in trainer.average.items()}
    expected = dict(start)
    for step in range(1, 3):
        values = trainer.train_step()
        assert values["loss"] > 0
        assert values.keys() - {"loss", "gradient"} <= set(SETTINGS["shares"])
        decay = min(0.9, step / (step + 10))
        expected = {
            name: decay * expected[name] + (1 - decay) * parameter.detach()
            for name, parameter in trainer.model.bridges().items()
        }
    bridges = trainer.model.bridges()
    moved = [name for name in bridges if not torch.equal(bridges[name], start[name])]
    assert "perceiver.frame_embs" in moved
    assert "lang_encoder.model.embed_tokens.additional_embedding.weight" in moved
    for name, tensor in trainer.average.items():
        torch.testing.assert_close(tensor, expected[name], atol=1e-6, rtol=1e-5)
    trained = {name: parameter.detach().clone() for name, parameter in bridges.items()}
    with trainer.averaged():
        assert all(torch.equal(bridges[name], trainer.average[name]) for name in bridges)
    assert all(torch.equal(bridges[name], trained[name]) for name in bridges)


def without_dropout(make) -> Trainer:
    """A trainer away from the start, where projections of zero let little flow back."""
    trainer = make()
    trainer.model.set_dropout(0.0, 0.0)
    random_bridges(trainer.model)
    return trainer


def flat_gradient(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in trainer.model.bridges().values()])


def step_gradient(make, pass_tokens: int) -> torch.Tensor:
    """The gradient of the first step."""
    trainer = without_dropout(make)
    trainer.mixture.settings["pass_tokens"] = pass_tokens
    trainer.episode_gradients(np.random.default_rng(0))
    trainer.average_gradients()
    return flat_gradient(trainer)


def expected_gradient(make) -> torch.Tensor:
    """That of the mean loss of learned tokens and choices, each with its kind's weight, sequence by sequence."""
    trainer = without_dropout(make)
    losses, weights = [], []
    for episode in trainer.mixture.step(0):
        weight = SETTINGS["weights"][episode.kind]
        found = []
        for sequence in episode.sequences:
            batch = collate(trainer.format, [sequence])
            latents = trainer.model.see_media(trainer.store.read(batch.images), batch.media)
            logits = trainer.model.logits(trainer.model.hidden(batch.ids, latents[batch.index]))[0]
            pairs = zip(logits, batch.targets[0].tolist(), strict=True)
            found.append([scores.log_softmax(0)[target] for scores, target in pairs if target != IGNORED])
        if len(found) > 1:
            side = math.isqrt(len(found))
            means = torch.stack([torch.stack(tokens[:-1]).mean() for tokens in found]).view(side, side)
            sums = torch.stack([torch.stack(tokens[:-1]).sum() for tokens in found]).view(side, side)
            texts = (SETTINGS["choice_sharpness"] * means).log_softmax(1).diagonal()
            losses.append(-weight * torch.cat([texts, sums.log_softmax(0).diagonal()]).mean())
            weights.append(weight)
            continue
        losses += [-weight * token for token in found[0]]
        weights += [weight] * len(found[0])
    (torch.stack(losses).sum() / sum(weights)).backward()
    return flat_gradient(trainer)


def take_share(rank: int, folder: Path, make) -> None:
    """One of two processes."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(step_gradient(make, 400), folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_passes_and_processes_share_one_gradient(make, tmp_path):
    """Cut into passes and shared by two processes, a step's gradient is that of one weighted mean."""
    assert len({episode.weight for episode in make().mixture.step(0)}) > 1
    whole = expected_gradient(make)
    assert whole.norm() > 1e-3
    torch.testing.assert_close(step_gradient(make, 200), whole, atol=1e-5, rtol=1e-3)
    multiprocessing.spawn(take_share, (tmp_path, make), nprocs=2)
    shares = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert torch.equal(*shares)
    torch.testing.assert_close(shares[0], whole, atol=1e-5, rtol=1e-3)


def test_rehearsal_adds_the_gradient_of_its_episodes(make, recipe):
    """Beside the reward's gradient, with its weight; the episodes are those of the stage's own seed, no captions."""
    same = {name: SETTINGS[name] for name in ("seed", "tokens")}
    recipe["self_critical"].update({"clip": 1e9, "rehearsal": 0.5, **same})
    trainer = without_dropout(functools.partial(make, stage="self_critical"))
    latents = trainer.model.perceiver.latents
    # In place of a reward, which an untrained model does not earn.

    def gradients(random):
        (7 * latents.sum()).backward()
        return {"reward": torch.ones(())}

    trainer.self_critical_gradients = gradients
    step = trainer.train_step()
    assert step["reward"] == 1 and "captions" not in step
    recipe["episodes"]["shares"]["captions"] = 0.0
    expected = 0.5 * expected_gradient(make)
    place = 0
    for name, parameter in trainer.model.bridges().items():
        if name == "perceiver.latents":
            expected[place : place + parameter.numel()] += 7
        place += parameter.numel()
    torch.testing.assert_close(flat_gradient(trainer), expected, atol=1e-5, rtol=1e-3)
