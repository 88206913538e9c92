"""Words bound to groups of photos by the shots alone: made-up ones, fresh in each episode, and real ones.

A group is the photos whose captions agree on a content word. Within an episode groups exclude each other: no photo
of one is in any caption said to hold the word of another. Photos of the held-out groups appear in no such training
episode, neither under the group's word nor under another.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..consensus import words
from ..sequences import Chunk, PromptFormat
from .photos import Photos

AGREEMENT = 3
TRIES = 200

# A group's word, and the forms that captions mention it by.
GROUPS: dict[str, tuple[str, ...]] = {
    "dog": ("dog", "dogs", "puppy", "puppies"),
    "man": ("man", "men", "guy", "guys", "male"),
    "woman": ("woman", "women", "lady", "ladies", "female"),
    "boy": ("boy", "boys"),
    "girl": ("girl", "girls"),
    "child": ("child", "children", "kid", "kids"),
    "crowd": ("crowd", "crowds", "crowded"),
    "water": ("water",),
    "ocean": ("ocean", "sea", "waves", "wave"),
    "grass": ("grass", "grassy"),
    "sand": ("sand", "sandy"),
    "field": ("field",),
    "street": ("street", "streets", "sidewalk"),
    "road": ("road", "highway"),
    "mountain": ("mountain", "mountains", "mountainside"),
    "hill": ("hill", "hillside"),
    "rock": ("rock", "rocks", "rocky", "cliff", "cliffs"),
    "tree": ("tree", "trees"),
    "wall": ("wall",),
    "fence": ("fence",),
    "building": ("building", "buildings"),
    "bench": ("bench", "benches"),
    "table": ("table", "tables"),
    "fountain": ("fountain", "fountains"),
    "swing": ("swing", "swings", "swinging"),
    "slide": ("slide", "slides", "sliding"),
    "rope": ("rope", "ropes"),
    "stick": ("stick", "sticks", "branch"),
    "toy": ("toy", "toys"),
    "ball": ("ball", "balls"),
    "soccer": ("soccer",),
    "football": ("football",),
    "baseball": ("baseball",),
    "hockey": ("hockey",),
    "race": ("race", "racing", "racer", "racers"),
    "car": ("car", "cars"),
    "motorcycle": ("motorcycle", "motorcycles", "motorbike", "motorcyclist"),
    "boat": ("boat", "boats", "canoe", "kayak", "kayaker"),
    "bird": ("bird", "birds"),
    "guitar": ("guitar", "guitars"),
    "camera": ("camera", "cameras"),
    "hat": ("hat", "hats", "cap"),
    "dress": ("dress", "dresses"),
    "shirt": ("shirt", "shirts", "t-shirt"),
    "jacket": ("jacket", "jackets", "coat"),
    "surfing": ("surfer", "surfers", "surfing", "surfboard", "surf", "surfs"),
    "climbing": ("climbing", "climber", "climbs", "climb"),
    "swimming": ("swimming", "swims", "swim", "swimmer"),
    "jumping": ("jumping", "jumps", "jump", "leaps", "leaping"),
    "running": ("running", "runs", "run"),
    "sitting": ("sitting", "sits", "sit", "seated"),
    "walking": ("walking", "walks", "walk"),
    "red": ("red",),
    "blue": ("blue",),
    "green": ("green",),
    "yellow": ("yellow",),
    "orange": ("orange",),
    "pink": ("pink",),
    "black": ("black",),
    "brown": ("brown",),
}
HELD_OUT_GROUPS: dict[str, tuple[str, ...]] = {
    "snow": ("snow", "snowy", "snowboard", "snowboarder", "snowboarding", "skier", "skiing", "skis", "sled"),
    "bicycle": ("bicycle", "bicycles", "bike", "bikes", "biker", "bikers", "biking", "cyclist", "cyclists"),
    "beach": ("beach", "beaches"),
    "tennis": ("tennis",),
    "skateboard": ("skateboard", "skateboarder", "skateboarding", "skateboards", "skateboarders"),
    "pool": ("pool", "pools"),
    "basketball": ("basketball",),
    "baby": ("baby", "babies", "infant", "toddler"),
    "horse": ("horse", "horses"),
    "frisbee": ("frisbee", "frisbees"),
}

ONSETS = ("b", "bl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pr", "r", "s", "sk",
          "sn", "t", "tr", "v", "w", "y", "z")  # fmt: skip
VOWELS = ("a", "e", "i", "o", "u", "oo", "ee", "ai")
CODAS = ("", "", "b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "sh", "t", "x", "nk", "st")


def made_up_word(real: frozenset[str], random: np.random.Generator) -> str:
    """One to three syllables that are none of the real words."""
    while True:
        syllables = int(random.integers(1, 4))
        parts = [
            options[random.integers(len(options))]
            for syllable in range(syllables)
            # Only the last syllable closes.
            for options in (ONSETS, VOWELS, *((CODAS,) if syllable == syllables - 1 else ()))
        ]
        word = "".join(parts)
        if len(word) > 2 and word not in real:
            return word


def vocabulary(photos: Photos) -> frozenset[str]:
    """Every word of the captions and of the groups."""
    groups = itertools.chain(*GROUPS.values(), *HELD_OUT_GROUPS.values())
    return frozenset(groups).union(*(words(caption) for captions in photos.captions for caption in captions))


class GroupedPhotos:
    """Which groups the captions of each photo mention, and on which they agree: two of (photos, groups)."""

    def __init__(self, photos: Photos, groups: dict[str, tuple[str, ...]]) -> None:
        self.names = list(groups)
        group_of = {form: place for place, forms in enumerate(groups.values()) for form in forms}
        mentions = np.zeros((len(photos), len(groups)), dtype=np.int8)
        for photo, captions in enumerate(photos.captions):
            for caption in captions:
                for place in {group_of[word] for word in words(caption) if word in group_of}:
                    mentions[photo, place] += 1
        needed = np.minimum(AGREEMENT, [[len(captions)] for captions in photos.captions])
        self.mentioned, self.agreed = mentions > 0, mentions >= needed

    def members(self, groups: Sequence[int]) -> list[np.ndarray]:
        """For each of the groups its photos, without those that mention another of them."""
        alone = self.mentioned[:, groups].sum(axis=1) == 1
        return [np.flatnonzero(alone & self.agreed[:, group]) for group in groups]


class WordEpisodes:
    """Several ways, several shots each, in random order; then the query, of one of the groups.

    A photo is learned from where its word has been shown before: the first of each could be called anything.
    """

    def __init__(self, format_: PromptFormat, photos: Photos, settings: dict[str, Any]) -> None:
        self.format, self.settings, self.photos = format_, settings, photos
        self.real = vocabulary(photos)
        self.grouped = GroupedPhotos(photos, GROUPS)
        held_out = GroupedPhotos(photos, HELD_OUT_GROUPS)
        # A photo that mentions a held-out group belongs to no group at all.
        self.grouped.agreed[held_out.mentioned.any(axis=1)] = False

    def draw_groups(self, ways: int, needed: int, random: np.random.Generator) -> tuple[list[int], list[np.ndarray]]:
        """Groups that have enough photos beside each other, and those photos."""
        large = np.flatnonzero(self.grouped.agreed.sum(axis=0) >= needed)
        if len(large) < ways:
            raise ValueError(f"{len(large)} groups of {needed} photos, {ways} needed")
        for _ in range(TRIES):
            groups = random.choice(large, ways, replace=False).tolist()
            members = self.grouped.members(groups)
            if all(len(photos) >= needed for photos in members):
                return groups, members
        raise ValueError(f"no {ways} groups of {needed} photos beside each other in {TRIES} tries")

    def draw(self, random: np.random.Generator) -> list[Chunk]:
        """The chunks of one sequence; the last is the query."""
        ways = int(random.integers(2, self.settings["most_ways"] + 1))
        shots = int(random.integers(1, self.settings["most_shots_a_way"] + 1))
        groups, members = self.draw_groups(ways, shots + 1, random)
        if random.random() < self.settings["real_word_share"]:
            names = [self.grouped.names[group] for group in groups]
        else:
            names = draw_names(ways, self.real, random)
        order = [*random.permutation(np.repeat(np.arange(ways), shots)).tolist(), int(random.integers(ways))]
        photos = [iter(random.choice(photos, shots + 1, replace=False).tolist()) for photos in members]
        seen: set[int] = set()
        chunks = []
        for way in order:
            chunks.append(
                Chunk(self.photos.first + next(photos[way]), self.format.text(names[way]), learned=way in seen)
            )
            seen.add(way)
        return chunks


def draw_names(ways: int, real: frozenset[str], random: np.random.Generator) -> list[str]:
    """Different made-up words."""
    names: dict[str, None] = {}
    while len(names) < ways:
        names[made_up_word(real, random)] = None
    return list(names)
