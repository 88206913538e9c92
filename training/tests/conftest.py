"""A tiny Flamingo model and data, so that every test runs in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from flamingo_training.data import Example
from flamingo_training.language import LlamaConfig
from flamingo_training.model import CrossAttentionConfig, Flamingo, ResamplerConfig
from flamingo_training.recipe import Recipe
from flamingo_training.sequences import PromptFormat
from flamingo_training.tokenizer import END_OF_CHUNK, IMAGE

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"

COLOURS = ("red", "blue", "green", "white")
THINGS = ("dog", "boy", "ball", "car")


@pytest.fixture
def format_() -> PromptFormat:
    """A prompt format over a tokenizer of single bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in (END_OF_CHUNK, IMAGE)])
    return PromptFormat(tokenizer)


@pytest.fixture
def recipe() -> Recipe:
    """The shipped recipe with tiny sizes and short stages."""
    shipped = Recipe.load()
    sections = {name: dict(section) for name, section in shipped.sections.items()}
    sections["caption"] |= {"batch": 8, "warmup": 2, "steps": 60, "learning_rate": 3e-3, "final_learning_rate": 1e-3}
    sections["self_critical"] |= {"images": 4, "samples": 3, "steps": 10, "rehearsal": 0.0}
    sections["evaluation"] |= {"images": 8, "batch": 8, "new_tokens": 16}
    return Recipe(ResamplerConfig(32, 1, 4, 2, 16, 2, 2, 16), CrossAttentionConfig(2, 4, 16, 4), sections)


@pytest.fixture
def model(recipe: Recipe, format_: PromptFormat) -> Flamingo:
    """A two-layer decoder with one cross-attention block, frozen but for its bridges."""
    torch.manual_seed(0)
    language = LlamaConfig(
        width=64,
        layers=2,
        heads=4,
        key_value_heads=2,
        feed_forward=128,
        vocabulary=256,
        rope_base=10000.0,
        norm_epsilon=1e-5,
    )
    flamingo = Flamingo(language, recipe.resampler, recipe.cross_attention, format_.image)
    torch.nn.init.normal_(flamingo.lang_encoder.model.embed_tokens.weight)
    flamingo.freeze(torch.float32)
    flamingo.initialise(0.8)
    return flamingo


@pytest.fixture
def examples() -> list[Example]:
    """Sixteen images, each with two captions that only its picture tells."""
    pairs = [(colour, thing) for colour in COLOURS for thing in THINGS]
    return [Example(f"{index}.webp", (f"a {c} {t}", f"the {c} {t}")) for index, (c, t) in enumerate(pairs)]


class MemoryStore:
    """Features of images, in memory, in place of the files of a feature cache."""

    def __init__(self, images: int, tokens: int, width: int) -> None:
        generator = torch.Generator().manual_seed(3)
        self.features = torch.randn(images, tokens, width, generator=generator)

    def __len__(self) -> int:
        return len(self.features)

    def read(self, images, random: np.random.Generator | None = None) -> torch.Tensor:
        """(images, tokens, width)."""
        return self.features[list(images)]


@pytest.fixture
def store(examples: list[Example], recipe: Recipe) -> MemoryStore:
    """Random features for the examples' images."""
    return MemoryStore(len(examples), 9, recipe.resampler.input_width)
