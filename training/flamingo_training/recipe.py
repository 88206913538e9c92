"""The recipe file: every size and hyper-parameter in one place."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import CrossAttentionConfig, ResamplerConfig

DEFAULT = Path(__file__).resolve().parents[1] / "recipe.toml"


@dataclass(frozen=True)
class Recipe:
    """A parsed recipe; the sections that are not sizes stay plain tables."""

    resampler: ResamplerConfig
    cross_attention: CrossAttentionConfig
    sections: dict[str, dict[str, Any]]

    @classmethod
    def load(cls, path: Path = DEFAULT) -> Recipe:
        """Reads a TOML recipe."""
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(
            ResamplerConfig(**sections["resampler"]),
            CrossAttentionConfig(**sections["cross_attention"]),
            sections,
        )

    def __getitem__(self, section: str) -> dict[str, Any]:
        return self.sections[section]
