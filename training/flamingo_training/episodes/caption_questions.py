"""Questions made from captions, in the words of VQA v2 and of COCO-QA: many more than people were paid to ask.

What at least two captions of a photo agree on can be asked for: whether something is there, how many, its colour, what
somebody does, and, as COCO-QA does it, the noun that a caption begins with.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..consensus import words
from ..sequences import Chunk, PromptFormat
from .photos import Photos, draw_shots
from .styles import ASKED, COUNTED, NUMBERS, STOP_WORDS, counted_thing, mentions

AGREEMENT = 2
# What a photo surely shows where three captions mention it, and surely not where none does.
SURE = 3
COLORS = ("red", "black", "white", "green", "blue", "yellow", "brown", "orange", "gray", "grey", "purple", "pink")
# Things beside those of the styles' yes/no questions; the first two forms are mentions of the thing itself.
THINGS = ASKED | {
    "person": ("person", "people", "man", "men", "woman", "women", "boy", "boys", "girl", "girls", "child", "children",
               "kid", "kids", "lady", "guy", "baby", "toddler", "player", "players", "rider", "biker", "cyclist",
               "crowd", "group", "couple", "team", "skier", "surfer", "climber", "skateboarder", "snowboarder", "male",
               "female", "friends", "family", "someone", "he", "she", "his", "her", "ladies", "guys", "runner", "hiker",
               "athlete"),
    "horse": ("horse", "horses", "rodeo", "pony"),
    "bird": ("bird", "birds", "duck", "ducks", "seagull", "seagulls", "pigeons", "pigeon"),
    "boat": ("boat", "boats", "canoe", "kayak", "kayaker", "raft", "ship", "sailboat", "jet", "ski"),
    "motorcycle": ("motorcycle", "motorcycles", "motorbike", "motorcyclist", "bike", "dirt"),
    "guitar": ("guitar", "guitars", "band", "musician", "musicians"),
    "frisbee": ("frisbee", "frisbees", "disc", "disk"),
    "swimming pool": ("pool", "pools", "swimming", "swim", "water", "swims"),
    "skateboard": ("skateboard", "skateboards", "skateboarder", "skateboarding", "skater", "skate"),
    "cat": ("cat", "cats", "kitten"),
    "tree": ("tree", "trees", "forest", "woods", "wooded", "branch", "leaves", "park", "yard", "outside", "field"),
}  # fmt: skip
# Things that are no thing among several.
STUFF = {
    "snow": ("snow", "snowy", "snowboard", "snowboarder", "ski", "skier", "skiing", "winter", "ice", "sled"),
    "water": ("water", "ocean", "sea", "lake", "river", "pool", "wave", "waves", "beach", "swim", "swimming", "surf",
              "surfer", "surfing", "wet", "stream", "fountain", "rain", "splash", "splashes", "creek", "pond", "shore"),
    "grass": ("grass", "grassy", "lawn", "field", "yard", "park", "meadow"),
    "sand": ("sand", "sandy", "beach", "desert", "dune", "dirt"),
}  # fmt: skip
PRESENCE = ("Is there a {} in the picture?", "Is there a {} in this photo?", "Is there a {}?", "Do you see a {}?")
STUFF_PRESENCE = ("Is there {} in the picture?", "Is there any {}?", "Do you see {}?", "Can you see {} in this photo?")
# What somebody does, and how captions say it.
DEEDS = {
    "running": ("running", "runs", "run", "race", "racing", "chases", "chasing"),
    "jumping": ("jumping", "jumps", "jump", "leaps", "leaping", "midair", "air", "trick"),
    "sitting": ("sitting", "sits", "sit", "seated"),
    "standing": ("standing", "stands", "stand", "poses", "posing"),
    "walking": ("walking", "walks", "walk", "hiking", "hikes", "strolling"),
    "swimming": ("swimming", "swims", "swim", "pool"),
    "climbing": ("climbing", "climbs", "climb", "climber"),
    "riding": ("riding", "rides", "ride", "rider"),
    "playing": ("playing", "plays", "play", "game"),
    "smiling": ("smiling", "smiles", "smile", "laughing", "laughs", "grinning"),
    "surfing": ("surfing", "surfs", "surfer", "surfboard", "surf"),
    "dancing": ("dancing", "dances", "dance", "dancer", "dancers"),
    "sleeping": ("sleeping", "sleeps", "asleep", "lying", "laying"),
    "eating": ("eating", "eats", "eat", "food"),
}
# Who can be asked about, by the words that name nobody else.
SUBJECTS = {
    "man": ("man",), "woman": ("woman", "lady"), "boy": ("boy",), "girl": ("girl",), "dog": ("dog",),
    "child": ("child", "kid"), "people": ("people",), "men": ("men",), "dogs": ("dogs",),
    "children": ("children", "kids"),
}  # fmt: skip
PLURALS = frozenset(("people", "men", "dogs", "children", *COUNTED.values()))
NOUNS = "|".join(sorted({form for forms in SUBJECTS.values() for form in forms} | {*COUNTED, *COUNTED.values()}))
BEGINNING = re.compile(
    rf"(?:a|an|the|one|two|three|four|five|some|several)? ?(?:[a-z-]+ ){{0,2}}({NOUNS}) "
    rf"(?:is |are )?([a-z]+ing|[a-z]+s) (.+)"
)

Asked = tuple[str, str]
"""A question and its answer."""


def presence(captions: Sequence[str], random: np.random.Generator) -> Asked | None:
    """Whether something is there; yes and no equally often."""
    wanted = random.random() < 0.5
    stuff = random.random() < 0.25
    things = [
        thing
        for thing, forms in (STUFF if stuff else THINGS).items()
        if (mentions(captions, forms[:2]) >= SURE if wanted else not mentions(captions, forms))
    ]
    if not things:
        return None
    form = one(STUFF_PRESENCE if stuff else PRESENCE, random)
    return form.format(one(things, random)), "yes" if wanted else "no"


def deed(captions: Sequence[str], random: np.random.Generator) -> Asked | None:
    """Whether somebody does something, or what."""
    subject = one(subjects(captions), random)
    done = {name: mentions(captions, forms) for name, forms in DEEDS.items()}
    surely = [name for name, count in done.items() if count >= SURE]
    if subject is None or not surely:
        return None
    verb = "Are" if subject in PLURALS else "Is"
    kind = random.random()
    if kind < 0.4:
        return f"What {verb.lower()} the {subject} doing?", one(surely, random)
    if kind < 0.7:
        return f"{verb} the {subject} {one(surely, random)}?", "yes"
    never = [name for name, count in done.items() if not count]
    return f"{verb} the {subject} {one(never, random)}?", "no"


def subjects(captions: Sequence[str]) -> list[str]:
    """Those whom at least two captions name."""
    return [subject for subject, forms in SUBJECTS.items() if mentions(captions, forms) >= AGREEMENT]


def color(captions: Sequence[str], random: np.random.Generator) -> Asked | None:
    """The colour that at least two captions give the same thing."""
    found: Counter[tuple[str, str]] = Counter()
    for caption in captions:
        tokens = words(caption)
        found.update({(a, b) for a, b in itertools.pairwise(tokens) if a in COLORS and b not in COLORS})
    agreed = [pair for pair, count in found.items() if count >= AGREEMENT and pair[1] not in STOP_WORDS]
    if not agreed:
        return None
    shade, thing = one(agreed, random)
    shade = "gray" if shade == "grey" else shade
    if random.random() < 0.5:
        return f"What color is the {thing}?", shade
    return f"what is the color of the {thing}?", shade


def number(captions: Sequence[str], random: np.random.Generator) -> Asked | None:
    """How many there are, as VQA v2 or as COCO-QA writes it."""
    found = counted_thing(captions)
    # One is by far the most frequent number: most of it is left out.
    if found is None or (found[0] == 1 and random.random() < 0.7):
        return None
    count, things = found
    if random.random() < 0.3:
        return f"how many {things} are there?", list(NUMBERS)[count - 1]
    forms = ("How many {} are there?", "How many {} are in the picture?", "How many {} do you see?")
    return one(forms, random).format(things), str(count)


def beginning(captions: Sequence[str], random: np.random.Generator) -> Asked | None:
    """A caption's first noun, as COCO-QA asks for it: the rest of the sentence becomes the question."""
    found = []
    for caption in captions:
        match = BEGINNING.fullmatch(caption.lower())
        if match and match[2] not in ("has", "is", "was", "its", "wears"):
            found.append((match[1], match[2], match[3]))
    named = Counter(noun for noun, _, _ in found)
    agreed = [row for row in found if named[row[0]] >= AGREEMENT]
    if not agreed:
        return None
    noun, verb, rest = one(agreed, random)
    helper = ("are " if noun in PLURALS else "is ") if verb.endswith("ing") else ""
    return f"what {helper}{verb} {rest}?", noun


KINDS: tuple[Callable[[Sequence[str], np.random.Generator], Asked | None], ...] = (
    presence,
    deed,
    color,
    number,
    beginning,
)


def one(options: Sequence[Any], random: np.random.Generator) -> Any:
    """One of the options, None where there are none."""
    return options[int(random.integers(len(options)))] if options else None


class CaptionQuestionEpisodes:
    """Questions in the format of VQA, zero-shot or after shots; a sequence asks in one way or in all."""

    def __init__(self, format_: PromptFormat, photos: Photos, settings: dict[str, Any]) -> None:
        self.format, self.photos, self.settings = format_, photos, settings

    def draw(self, random: np.random.Generator) -> list[Chunk]:
        """The chunks of one sequence; the last is the query."""
        shown = [*draw_shots(self.settings, random), True]
        kinds = KINDS if random.random() < 0.5 else (one(KINDS, random),)
        asked = self.ask(kinds, random)
        chunks = []
        for show in shown:
            photo, question, answer = next(asked)
            image = self.photos.first + photo
            chunks.append(Chunk(image, self.format.text(answer), show, self.format.question(question)))
        return chunks

    def ask(self, kinds: Sequence[Any], random: np.random.Generator) -> Iterator[tuple[int, str, str]]:
        """Photos in random order, those that allow a question, each with one and its answer, again and again."""
        while True:
            found = False
            for photo in random.permutation(len(self.photos)).tolist():
                asked = one(kinds, random)(self.photos.captions[photo], random)
                if asked is not None:
                    found = True
                    yield photo, *asked
            if not found and kinds == KINDS:
                raise ValueError("no caption allows a question")
            if not found:
                kinds = KINDS
