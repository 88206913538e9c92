"""Captions rewritten in a style that only the shots tell, and a checker for each style.

Every answer begins with a letter or a digit: a mark right after the prompt's colon could melt with it into one
token, and the prompt would then end in another token than it does in training.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..consensus import words
from ..sequences import Chunk, PromptFormat
from .photos import Photos

LONGEST_REWRITTEN = 12
TWO_WORDS = r"\S+\s+\S.*"
TRIES = 400

STOP_WORDS = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "some", "any", "each", "other", "another", "one", "two",
    "three", "four", "five", "six", "seven", "eight", "several", "many", "few", "lot", "group", "couple", "pair",
    "and", "or", "but", "as", "while", "with", "without", "in", "on", "at", "to", "of", "for", "from", "by", "into",
    "onto", "over", "under", "through", "across", "along", "around", "behind", "beside", "besides", "between",
    "near", "next", "off", "out", "up", "down", "above", "below", "against", "toward", "towards", "during",
    "outside", "inside", "front", "back", "top", "side", "edge", "is", "are", "was", "were", "be", "been", "being",
    "am", "do", "does", "doing", "did", "has", "have", "having", "had", "can", "it", "its", "he", "him", "his",
    "she", "her", "hers", "they", "them", "their", "there", "who", "which", "what", "where", "when", "whose", "not",
    "n't", "'s", "t", "just", "very", "all", "both", "so", "than", "then", "together", "away", "about", "after",
    "before", "something", "someone", "like", "look", "looks", "looking", "appears", "get", "gets", "getting", "go",
    "goes", "going", "make", "makes", "making", "take", "takes", "taking", "wear", "wears", "wearing", "dressed",
))  # fmt: skip
PREPOSITIONS = ("in", "on", "at", "through", "over", "near", "along", "down", "across", "under", "behind", "beside")
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
# Singular and plural of what captions count.
COUNTED = {
    "dog": "dogs",
    "man": "men",
    "woman": "women",
    "boy": "boys",
    "girl": "girls",
    "child": "children",
    "kid": "kids",
    "person": "people",
    "player": "players",
    "horse": "horses",
    "bird": "birds",
    "bike": "bikes",
}
# What yes/no questions ask for: a word, and the forms that count as its mention.
ASKED = {
    "dog": ("dog", "dogs", "puppy", "puppies"),
    "man": ("man", "men", "guy", "guys", "male", "person", "people"),
    "woman": ("woman", "women", "lady", "ladies", "female", "person", "people"),
    "boy": ("boy", "boys", "child", "children", "kid", "kids"),
    "girl": ("girl", "girls", "child", "children", "kid", "kids"),
    "child": ("child", "children", "kid", "kids", "boy", "boys", "girl", "girls", "baby", "toddler"),
    "ball": ("ball", "balls", "football", "basketball", "baseball", "soccer", "tennis", "volleyball"),
    "bike": ("bike", "bikes", "bicycle", "bicycles", "biker", "bikers", "cyclist", "motorcycle", "motorbike"),
    "car": ("car", "cars", "vehicle", "truck", "van", "traffic", "street", "road"),
    "beach": ("beach", "sand", "shore", "ocean", "sea"),
}
PREFIXES = (
    "a photo of", "a picture of", "an image of", "this is", "here we see", "I can see", "look,", "today:",
    "my holiday:", "caption:", "in this picture,", "you can see", "once upon a time,", "dear diary,", "as you see,",
    "photo album:", "we found", "it shows", "the picture shows", "this one has", "what a sight:", "guess what:",
)  # fmt: skip
PREFIX_WORDS = (
    "blue", "seven", "north", "alpha", "report", "memo", "letter", "frame", "scene", "page", "station", "kitchen",
    "winter", "monday", "garden", "silver", "river", "signal", "draft", "index", "camera", "corner", "museum", "radio",
)  # fmt: skip
PREFIX_MARKS = (":", " -", ",", " >", " =", " |")
SUFFIXES = (
    "!", "!!!", "...", ", I think", ", they say", " today", " (photo)", " - what a day", ", of course", " #photo",
    " in this picture", ", as you can see", " right now", ", no doubt", " :)", ", said the man", " once again", " *",
)  # fmt: skip
SUFFIX_MARKS = (" #", " / ", ", ", " - ")
SEPARATORS = (", ", " / ", " | ", "; ", " ")
DIALOGUES = (
    ("Question:", "Answer:"),
    ("Q:", "A:"),
    ("Ask:", "Reply:"),
    ("Anna:", "Ben:"),
)
DIALOGUE_QUESTIONS = ("what is this?", "what do you see?", "what is happening?", "what does it show?")
ANSWER_PAIRS = (
    ("yes", "no"), ("Yes", "No"), ("YES", "NO"), ("yes.", "no."), ("true", "false"), ("y", "n"), ("yeah", "nope"),
    ("1", "0"), ("right", "wrong"), ("present", "absent"),
)  # fmt: skip
HELD_OUT_PREFIXES = ("breaking news:", "a painting of", "the weather report:", "note to self:", "everybody knows")
HELD_OUT_SUFFIXES = (" - the end", ", believe me", " (archive)", " every morning", "!?")
HELD_OUT_PAIRS = (("correct", "incorrect"), ("sure", "never"), ("A", "B"))
HELD_OUT_SEPARATORS = (" + ", " & ")


@dataclass(frozen=True)
class Written:
    """A photo's answer in a style, and the question where the style answers one."""

    answer: str
    question: str | None = None


Rewrite = Callable[[str, Sequence[str], np.random.Generator], Written | None]


@dataclass(frozen=True)
class Style:
    """One way to write, fixed for an episode.

    `rewrite` takes a caption and all captions of its photo, and gives None where they do not allow the style;
    `pattern` is a regular expression for the whole of a text that is written in it.
    """

    family: str
    rewrite: Rewrite
    pattern: str

    def follows(self, text: str) -> bool:
        """Whether a text is written in the style."""
        return re.fullmatch(self.pattern, text) is not None


def lower_first(text: str) -> str:
    """The text with its first letter small, to stand inside a sentence."""
    return text[:1].lower() + text[1:]


def tags(captions: Sequence[str], most: int = 3) -> list[str]:
    """The content words that at least two captions hold, most agreed first."""
    mentions = Counter(
        word for caption in captions for word in dict.fromkeys(words(caption)) if word.isalpha() and len(word) > 2
    )
    agreed = [word for word, count in mentions.items() if count >= 2 and word not in STOP_WORDS]
    return sorted(agreed, key=lambda word: -mentions[word])[:most]


def mentions(captions: Sequence[str], forms: Sequence[str]) -> int:
    """How many captions hold one of the words."""
    return sum(not set(forms).isdisjoint(words(caption)) for caption in captions)


def counted_thing(captions: Sequence[str]) -> tuple[int, str] | None:
    """A number and the plural that at least two captions count alike, the most agreed; None where none do."""
    found: Counter[tuple[int, str]] = Counter()
    texts = [" ".join(words(caption)) for caption in captions]
    for singular, plural in COUNTED.items():
        several = re.compile(rf"\b(two|three|four|five|six) (?:[a-z-]+ )?{plural}\b")
        single = re.compile(rf"\b(?:a|an|one) (?:[a-z-]+ )?{singular}\b")
        only_one = not any(re.search(rf"\b{plural}\b|\banother {singular}\b", text) for text in texts)
        for text in texts:
            if match := several.search(text):
                found[NUMBERS[match[1]], plural] += 1
            elif only_one and single.search(text):
                found[1, plural] += 1
    agreed, count = max(found.items(), key=lambda item: item[1], default=(None, 0))
    return agreed if count >= 2 else None


def choose(options: Sequence[Any], random: np.random.Generator) -> Any:
    """One of the options."""
    return options[int(random.integers(len(options)))]


def from_caption(change: Callable[[str], str]) -> Rewrite:
    """A rewriting that needs nothing but the caption."""
    return lambda caption, captions, random: Written(change(caption))


def sentence(random: np.random.Generator) -> Style:
    """Capital and full stop."""
    return Style(
        "sentence",
        from_caption(lambda caption: f"{caption[:1].upper()}{caption[1:]}."),
        r"[A-Z]\S* .*[^.]\.",
    )


def upper(random: np.random.Generator) -> Style:
    """All capitals."""
    return Style("upper", from_caption(str.upper), r"[^a-z\s]+(?:\s+[^a-z\s]+)+")


def lower(random: np.random.Generator) -> Style:
    """No capitals."""
    return Style("lower", from_caption(str.lower), r"[^A-Z\s]+(?:\s+[^A-Z\s]+){2,}")


def title(random: np.random.Generator) -> Style:
    """Every word with a capital."""
    # Three words or more, one of which is not all capitals.
    word, mixed = r"[^a-z\s]\S*", r"[A-Z][a-z]\S*"
    places = (rf"{mixed}(?: {word}){{2,}}", rf"{word} {mixed}(?: {word})+", rf"(?:{word} ){{2,}}{mixed}(?: {word})*")
    return Style(
        "title",
        from_caption(lambda caption: " ".join(word[:1].upper() + word[1:] for word in caption.split())),
        "|".join(places),
    )


def tag_list(separators: Sequence[str]) -> Callable[[np.random.Generator], Style]:
    """Content words only, joined by a separator."""

    def draw(random: np.random.Generator) -> Style:
        separator = choose(separators, random)

        def rewrite(caption: str, captions: Sequence[str], random: np.random.Generator) -> Written | None:
            found = tags(captions)
            return Written(separator.join(found)) if len(found) >= 2 else None

        return Style("tags", rewrite, rf"[a-z]+(?:{re.escape(separator)}[a-z]+){{1,3}}")

    return draw


def one_word(random: np.random.Generator) -> Style:
    """The content word that most captions hold."""

    def rewrite(caption: str, captions: Sequence[str], random: np.random.Generator) -> Written | None:
        found = tags(captions)
        return Written(found[0]) if found else None

    return Style("one word", rewrite, "[a-z]+")


def with_prefix(text: str) -> Style:
    """The caption after fixed words."""
    return Style(
        "prefix",
        from_caption(lambda caption: f"{text} {lower_first(caption)}"),
        rf"{re.escape(text)} {TWO_WORDS}",
    )


def with_suffix(text: str) -> Style:
    """The caption before fixed words or marks."""
    return Style(
        "suffix",
        from_caption(lambda caption: caption + text),
        TWO_WORDS + re.escape(text),
    )


def prefix(random: np.random.Generator) -> Style:
    """A prefix from the list, or a word with a mark, so that there are too many to remember."""
    if random.random() < 0.5:
        return with_prefix(choose(PREFIXES, random))
    return with_prefix(choose(PREFIX_WORDS, random) + choose(PREFIX_MARKS, random))


def suffix(random: np.random.Generator) -> Style:
    """A suffix from the list, or a mark with a word."""
    if random.random() < 0.5:
        return with_suffix(choose(SUFFIXES, random))
    return with_suffix(choose(SUFFIX_MARKS, random) + choose(PREFIX_WORDS, random))


def place_first(random: np.random.Generator) -> Style:
    """Another order of words: the last phrase of place comes before the rest."""

    def rewrite(caption: str, captions: Sequence[str], random: np.random.Generator) -> Written | None:
        tokens = caption.split()
        places = [place for place in range(3, len(tokens) - 1) if tokens[place] in PREPOSITIONS]
        if not places:
            return None
        place, rest = " ".join(tokens[places[-1] :]), " ".join(tokens[: places[-1]])
        return Written(f"{place[:1].upper()}{place[1:]}, {lower_first(rest).rstrip(',')}")

    return Style("place first", rewrite, rf"(?i:{'|'.join(PREPOSITIONS)})(?: .*?)?, {TWO_WORDS}")


def dialogue(random: np.random.Generator) -> Style:
    """A question and the caption as its answer."""
    (asks, replies), question = choose(DIALOGUES, random), choose(DIALOGUE_QUESTIONS, random)
    head = f"{asks} {question} {replies} "
    return Style(
        "dialogue",
        from_caption(lambda caption: head + lower_first(caption)),
        re.escape(head) + TWO_WORDS,
    )


def yes_no(pairs: Sequence[tuple[str, str]]) -> Callable[[np.random.Generator], Style]:
    """Whether the photo shows something, in the pair of words that the shots use."""

    def draw(random: np.random.Generator) -> Style:
        pair = choose(pairs, random)

        def rewrite(caption: str, captions: Sequence[str], random: np.random.Generator) -> Written | None:
            wanted = random.random() < 0.5
            things = [
                word
                for word, forms in ASKED.items()
                if (mentions(captions, forms[:2]) >= 3 if wanted else not mentions(captions, forms))
            ]
            return Written(pair[not wanted], f"Is there a {choose(things, random)}?") if things else None

        return Style("yes/no", rewrite, "|".join(map(re.escape, pair)))

    return draw


COUNT_FORMATS: dict[str, tuple[Callable[[int, str], str], str]] = {
    "digit": (lambda number, things: str(number), r"\d+"),
    "word": (lambda number, things: number_word(number), "|".join(NUMBERS)),
    "capitals": (lambda number, things: number_word(number).upper(), "|".join(NUMBERS).upper()),
    "digit and thing": (lambda number, things: f"{number} {name(number, things)}", r"\d+ [a-z]+"),
    "word and thing": (
        lambda number, things: f"{number_word(number)} {name(number, things)}",
        rf"(?:{'|'.join(NUMBERS)}) [a-z]+",
    ),
    "sentence": (lambda number, things: f"I count {number}.", r"I count \d+\."),
}


def number_word(number: int) -> str:
    """The number in letters."""
    return list(NUMBERS)[number - 1]


def name(number: int, things: str) -> str:
    """The singular for one, else the plural."""
    return next(singular for singular, plural in COUNTED.items() if plural == things) if number == 1 else things


def count(random: np.random.Generator) -> Style:
    """How many there are, as a digit, a word or more, as the shots do it."""
    write, pattern = choose(list(COUNT_FORMATS.values()), random)

    def rewrite(caption: str, captions: Sequence[str], random: np.random.Generator) -> Written | None:
        found = counted_thing(captions)
        # One is by far the most frequent number: most of it is left out.
        if found is None or (found[0] == 1 and random.random() < 0.7):
            return None
        return Written(write(*found), f"How many {found[1]} are there?")

    return Style("count", rewrite, pattern)


STYLES: dict[str, Callable[[np.random.Generator], Style]] = {
    "sentence": sentence,
    "upper case": upper,
    "lower case": lower,
    "tags": tag_list(SEPARATORS),
    "one word": one_word,
    "prefix": prefix,
    "suffix": suffix,
    "place first": place_first,
    "dialogue": dialogue,
    "yes/no": yes_no(ANSWER_PAIRS),
    "count": count,
}
HELD_OUT_STYLES: dict[str, Callable[[np.random.Generator], Style]] = {
    "title case": title,
    "other tags": tag_list(HELD_OUT_SEPARATORS),
    "other prefix": lambda random: with_prefix(choose(HELD_OUT_PREFIXES, random)),
    "other suffix": lambda random: with_suffix(choose(HELD_OUT_SUFFIXES, random)),
    "other yes/no": yes_no(HELD_OUT_PAIRS),
}


def write(photos: Photos, style: Style, count: int, random: np.random.Generator) -> list[tuple[int, Written]]:
    """Different random photos that allow the style, each with its answer."""
    written: dict[int, Written] = {}
    for _ in range(TRIES):
        photo = int(random.integers(len(photos)))
        caption = photos.quote(photo, random)
        if photo in written or len(caption.split()) > LONGEST_REWRITTEN or not caption[:1].isalnum():
            continue
        answer = style.rewrite(caption, photos.captions[photo], random)
        if answer is not None:
            written[photo] = answer
        if len(written) == count:
            return list(written.items())
    raise ValueError(f"{TRIES} photos hold no {count} that allow the style {style.family}")


def style_chunk(format_: PromptFormat, image: int, written: Written, shown: bool = True, learned: bool = True) -> Chunk:
    """A photo with its answer."""
    question = None if written.question is None else format_.question(written.question)
    return Chunk(image, format_.text(written.answer), shown, question, learned)


class StyleEpisodes:
    """One to `most_style_shots` shots in one style, then the query; the first may be in any and is not learned."""

    def __init__(self, format_: PromptFormat, photos: Photos, settings: dict[str, Any]) -> None:
        self.format, self.photos, self.settings = format_, photos, settings

    def draw(self, random: np.random.Generator) -> list[Chunk]:
        """The chunks of one sequence; the last is the query."""
        style = choose(list(STYLES.values()), random)(random)
        shots = int(random.integers(1, self.settings["most_style_shots"] + 1))
        hidden = random.random(shots + 1) < self.settings["text_only_share"]
        return [
            style_chunk(
                self.format,
                self.photos.first + photo,
                written,
                shown=position == shots or not hidden[position],
                learned=position > 0,
            )
            for position, (photo, written) in enumerate(write(self.photos, style, shots + 1, random))
        ]
