"""A tensor of a checkpoint: name, shape, type, and the numbers that fill it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum


class Element(Enum):
    """Type of an element: name in safetensors, name of PyTorch's storage, bytes."""

    F32 = ("F32", "FloatStorage", 4)
    F16 = ("F16", "HalfStorage", 2)
    BF16 = ("BF16", "BFloat16Storage", 2)
    I64 = ("I64", "LongStorage", 8)
    BOOL = ("BOOL", "BoolStorage", 1)

    @property
    def bytes(self) -> int:
        """Bytes of one element."""
        return self.value[2]


class Kind(Enum):
    """Where numbers come from."""

    NORMAL = "normal"
    CONSTANT = "constant"
    POSITIONS = "positions"
    CAUSAL_MASK = "causal mask"


@dataclass(frozen=True)
class Fill:
    """The numbers of a tensor; `value` is a standard deviation or the constant itself."""

    kind: Kind
    value: float = 0.0


@dataclass(frozen=True)
class Tensor:
    """One entry of a state dict. `same_as` names an earlier one whose storage it shares."""

    name: str
    shape: tuple[int, ...]
    fill: Fill
    element: Element = Element.F32
    same_as: str | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes in a file; 0 if another tensor has them."""
        return 0 if self.same_as else self.elements * self.element.bytes

    def of(self, element: Element) -> Tensor:
        """The same tensor in another type."""
        return replace(self, element=element)

    def behind(self, prefix: str) -> Tensor:
        """The same tensor with `prefix` before its name."""
        return replace(self, name=prefix + self.name)


def normal(name: str, *shape: int, std: float = 0.02) -> Tensor:
    """A tensor of normally distributed numbers."""
    return Tensor(name, shape, Fill(Kind.NORMAL, std))


def matrix(name: str, rows: int, columns: int) -> Tensor:
    """A matrix that keeps the size of what it multiplies."""
    return normal(name, rows, columns, std=columns**-0.5)


def linear(name: str, rows: int, columns: int) -> list[Tensor]:
    """A matrix with a bias."""
    return [matrix(f"{name}.weight", rows, columns), normal(f"{name}.bias", rows)]


def constant(name: str, *shape: int, value: float) -> Tensor:
    """A tensor of one number."""
    return Tensor(name, shape, Fill(Kind.CONSTANT, value))


def layer_norm(name: str, width: int) -> list[Tensor]:
    """Weight and bias of a layer norm."""
    return [norm(name, width), normal(f"{name}.bias", width)]


def norm(name: str, width: int) -> Tensor:
    """The weight of a norm without a bias."""
    return constant(f"{name}.weight", width, value=1.0)


def gate(name: str) -> Tensor:
    """A gate that is half open: closed ones would hide faults of what they gate."""
    return constant(name, 1, value=0.5)
