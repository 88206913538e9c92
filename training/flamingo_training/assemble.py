"""The whole model from its parts: sizes from the recipe, frozen weights from GGUF, bridges from a file."""

from __future__ import annotations

from pathlib import Path

import torch

from .export import as_matrix, read_bridges
from .language import load_gguf
from .model import Flamingo
from .recipe import Recipe
from .sequences import PromptFormat
from .tokenizer import tokenizer_from_gguf
from .vision import EfficientNetLite, LastBlocks


def assemble(
    recipe: Recipe, language_model: Path, device: str, dtype: torch.dtype = torch.float32, bridges: Path | None = None
) -> tuple[Flamingo, PromptFormat]:
    """Builds the model with its frozen weights; `bridges` is a safetensors or GGUF file of this project."""
    format_ = PromptFormat(tokenizer_from_gguf(language_model))
    config, state = load_gguf(language_model)
    last_blocks = LastBlocks.of_lite2(recipe["vision"]["trained_blocks"])
    model = Flamingo(config, recipe.resampler, recipe.cross_attention, format_.image, vision_encoder=last_blocks)
    model.load_language(state)
    if bridges is not None:
        load_bridges(model, read_bridges(bridges))
    model.freeze(dtype)
    return model.to(device), format_


def pretrained_blocks(recipe: Recipe, weights: Path) -> LastBlocks:
    """The last blocks of the vision encoder as the package has them, for training to start from."""
    return EfficientNetLite.from_package(weights).split(recipe["vision"]["trained_blocks"])[1]


def load_bridges(model: Flamingo, state: dict[str, torch.Tensor]) -> None:
    """Copies all bridge tensors into the model; names and shapes must agree, kernels as matrices."""
    bridges = model.bridges()
    if bridges.keys() != state.keys():
        raise ValueError(f"bridge tensors differ: {sorted(bridges.keys() ^ state.keys())}")
    with torch.no_grad():
        for name, parameter in bridges.items():
            found, expected = (as_matrix(tensor).shape for tensor in (state[name], parameter))
            if found != expected:
                raise ValueError(f"{name}: {tuple(found)} in the file, {tuple(expected)} expected")
            parameter.copy_(state[name].view_as(parameter))
