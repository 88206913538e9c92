"""CIDEr-D in plain Python: which captions agree with the others, and the reward of self-critical training.

The score is the one of `pycocoevalcap` (n-grams of one to four words, clipped counts, Gaussian length
penalty), but with the reference vectors kept, so that many candidates are scored cheaply.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

MAXIMUM_ORDER = 4
LENGTH_DEVIATION = 6.0
END = "<end>"

Vector = tuple[list[dict[tuple[str, ...], float]], list[float], int]


def words(caption: str) -> list[str]:
    """Words as the Penn Treebank tokenizer gives them, lower case, without punctuation.

    Possessive 's and the negation n't are words of their own; hyphens inside a word stay.
    """
    text = caption.lower().replace("\u2019", "'")
    text = re.sub(r"n't\b", " n't", text)
    return re.findall(r"n't|'s\b|[a-z0-9]+(?:-[a-z0-9]+)*", text)


def count_ngrams(tokens: Sequence[str]) -> Counter[tuple[str, ...]]:
    """How often each n-gram of one to four tokens occurs."""
    return Counter(
        tuple(tokens[first : first + order])
        for order in range(1, MAXIMUM_ORDER + 1)
        for first in range(len(tokens) - order + 1)
    )


class CiderScorer:
    """Scores captions against reference captions; document frequencies come from the references."""

    def __init__(self, references: Sequence[Sequence[str]], with_end: bool = False) -> None:
        """references holds, for each image, its captions; with_end counts the caption's end as a word."""
        self.with_end = with_end
        counts = [[count_ngrams(self.tokens(caption)) for caption in captions] for captions in references]
        self.images_with: Counter[tuple[str, ...]] = Counter()
        for image in counts:
            self.images_with.update(set().union(*image))
        self.log_images = math.log(len(references))
        self.references = [[self.vector(count) for count in image] for image in counts]

    def tokens(self, caption: str) -> list[str]:
        """Words of a caption, with the end mark where it counts."""
        return words(caption) + [END] * self.with_end

    def vector(self, counts: Counter[tuple[str, ...]]) -> Vector:
        """TF-IDF weights by order, their norms, and the length in bigrams."""
        weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(MAXIMUM_ORDER)]
        length = 0
        for ngram, count in counts.items():
            rarity = self.log_images - math.log(max(1, self.images_with[ngram]))
            weights[len(ngram) - 1][ngram] = count * rarity
            length += count * (len(ngram) == 2)
        return weights, [math.sqrt(sum(w * w for w in order.values())) for order in weights], length

    def similarity(self, candidate: Vector, reference: Vector) -> float:
        """Mean over orders of the clipped cosine, with the length penalty."""
        total = 0.0
        for ours, theirs, our_norm, their_norm in zip(
            candidate[0], reference[0], candidate[1], reference[1], strict=True
        ):
            product = sum(min(w, theirs[ngram]) * theirs[ngram] for ngram, w in ours.items() if ngram in theirs)
            if our_norm and their_norm:
                total += product / (our_norm * their_norm)
        difference = candidate[2] - reference[2]
        return total / MAXIMUM_ORDER * math.exp(-(difference**2) / (2 * LENGTH_DEVIATION**2))

    def score(self, image: int, caption: str) -> float:
        """CIDEr-D of a caption for an image, on the scale where 1 is usually written as 100."""
        candidate = self.vector(count_ngrams(self.tokens(caption)))
        references = self.references[image]
        return 10.0 * sum(self.similarity(candidate, reference) for reference in references) / len(references)

    def agreement(self, image: int) -> list[float]:
        """CIDEr-D of each reference of an image against the image's other references."""
        references = self.references[image]
        return [
            10.0
            * sum(self.similarity(caption, other) for index, other in enumerate(references) if index != position)
            / max(1, len(references) - 1)
            for position, caption in enumerate(references)
        ]


def consensual_captions(captions: Sequence[Sequence[str]], keep: int) -> list[list[str]]:
    """For each image the `keep` captions that agree best with its other captions, best first."""
    scorer = CiderScorer(captions)
    chosen = []
    for image, texts in enumerate(captions):
        agreement = scorer.agreement(image)
        order = sorted(range(len(texts)), key=lambda position: -agreement[position])
        chosen.append([texts[position] for position in order[:keep]])
    return chosen
