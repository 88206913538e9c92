"""Captions, sequences and scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flamingo_training.consensus import CiderScorer, consensual_captions, words
from flamingo_training.data import clean_caption
from flamingo_training.evaluate import cider
from flamingo_training.sequences import IGNORED, Chunk, PromptFormat, collate, epoch_batches


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("A dog runs .", "A dog runs"),
        ("Two girls , one in red , play .", "Two girls, one in red, play"),
        ("The man 's hat  is big", "The man's hat is big"),
        ("A boy ( in blue ) jumps . ", "A boy (in blue) jumps"),
        ('A sign says " stop " .', 'A sign says " stop "'),
    ],
)
def test_clean_caption(raw, clean):
    assert clean_caption(raw) == clean


def test_words():
    assert words("The man's T-shirt isn't red, is it?") == [
        "the", "man", "'s", "t-shirt", "is", "n't", "red", "is", "it",
    ]  # fmt: skip


def test_cider_by_hand():
    """Two images, captions of one word: df 1 for each, so the TF-IDF vector is log 2 in one dimension.

    The right word gives cosine 1 for unigrams and 0 for the empty orders, so 10 / 4; a wrong word gives 0.
    """
    assert cider(["dog", "cat"], [["dog"], ["cat"]]) == pytest.approx(250.0)
    assert cider(["dog", "dog"], [["dog"], ["cat"]]) == pytest.approx(125.0)
    # One extra word: unigram norm grows by sqrt 2, one bigram more costs exp(-1 / 72).
    scorer = CiderScorer([["dog"], ["cat"]])
    assert scorer.score(0, "dog zebra") == pytest.approx(2.5 / math.sqrt(2) * math.exp(-1 / 72))


def test_our_scores_are_those_of_pycocoevalcap():
    references = [
        ["a brown dog runs on grass", "the dog runs", "a dog is running in the grass"],
        ["two boys play football", "boys playing football on a field", "children play"],
        ["a man rides a bike", "a cyclist on a road", "the man is riding his bicycle down a road"],
    ]
    found = ["a dog runs on the grass", "two boys play", "a man on a road rides"]
    scorer = CiderScorer(references)
    ours = np.mean([scorer.score(image, text) for image, text in enumerate(found)])
    assert 100 * ours == pytest.approx(cider(found, references), rel=1e-6)


def test_consensual_captions():
    captions = [
        ["a dog runs on grass", "a brown dog runs on grass", "fido is happy", "a dog runs on the grass"],
        ["a boy jumps", "the boy jumps up", "a boy jumps up", "wow"],
    ]
    kept = consensual_captions(captions, 3)
    assert "fido is happy" not in kept[0]
    assert "wow" not in kept[1]
    assert all(len(texts) == 3 for texts in kept)


def test_sequence(format_: PromptFormat):
    """Captions and their ends are learned, each token from the one before; examples without image are not."""
    text = format_.caption("ab")
    ids, targets = format_.sequence([Chunk(0, text), Chunk(1, text, shown=False), Chunk(2, text)])
    tokenizer = format_.tokenizer
    assert tokenizer.decode(ids, skip_special_tokens=False) == (
        "<image>Output:ab<|endofchunk|>\nOutput:ab<|endofchunk|>\n<image>Output:ab<|endofchunk|>"
    )
    learned = [(ids[i], target) for i, target in enumerate(targets) if target != IGNORED]
    colon = tokenizer.encode(":").ids[0]
    assert learned == [(colon, text[0]), (text[0], text[1]), (text[1], format_.end)] * 2
    assert format_.prompt([Chunk(0, text)]) + list(text) == format_.sequence([Chunk(0, text), Chunk(1, text)])[0][:-1]


def test_collate_lists_each_image_once(format_: PromptFormat):
    text = format_.caption("ab")
    batch = collate(format_, [[Chunk(7, text)], [Chunk(3, text), Chunk(5, text, shown=False), Chunk(7, text)]])
    assert batch.images == [3, 7]
    assert batch.index.tolist() == [[1, 0], [0, 1]]
    assert batch.ids.shape == batch.targets.shape


def test_an_epoch_holds_every_caption_once():
    captions = [[(image, number) for number in range(3)] for image in range(50)]
    batches = epoch_batches(captions, 8, 0.25, 0.2, np.random.default_rng(0))
    chunks = [chunk for batch in batches for sequence in batch for chunk in sequence]
    assert sorted(chunk.caption for chunk in chunks) == sorted(text for texts in captions for text in texts)
    assert all(chunk.caption[0] == chunk.image for chunk in chunks)
    assert all(sum(map(len, batch)) <= 8 for batch in batches)
    assert all(sequence[-1].shown for batch in batches for sequence in batch)
    lengths = {len(sequence) for batch in batches for sequence in batch}
    assert lengths == {1, 2, 3, 4}
