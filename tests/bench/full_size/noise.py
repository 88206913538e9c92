"""The bytes of tensors, as fast as a disk takes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tensors import Element, Kind, Tensor

# Numbers that are drawn once; a prime, so that repetitions do not fall together with rows.
POOL = 16_777_259

# Most elements that are made at a time.
BLOCK = 1 << 22


class Noise:
    """Draws numbers from a pool, which each tensor enters where the one before left it."""

    def __init__(self, seed: int) -> None:
        self._pool = np.random.default_rng(seed).standard_normal(POOL, dtype=np.float32)
        self._at = 0

    def bytes_of(self, tensor: Tensor) -> Iterator[memoryview]:
        """The elements in order, little-endian."""
        for start in range(0, tensor.elements, BLOCK):
            count = min(BLOCK, tensor.elements - start)
            yield encode(self._values(tensor, start, count), tensor.element).data.cast("B")

    def _values(self, tensor: Tensor, start: int, count: int) -> np.ndarray:
        match tensor.fill.kind:
            case Kind.NORMAL:
                return self._normal(count) * np.float32(tensor.fill.value)
            case Kind.CONSTANT:
                return np.full(count, tensor.fill.value, dtype=np.float32)
            case Kind.POSITIONS:
                return np.arange(start, start + count, dtype=np.int64)
            case Kind.CAUSAL_MASK:
                at = np.arange(start, start + count)
                side = tensor.shape[-1]
                return at % side <= at // side

    def _normal(self, count: int) -> np.ndarray:
        if self._at + count > POOL:
            # The rest of a round is left out; the next one starts elsewhere.
            self._at = (self._at * 7 + count) % (POOL - BLOCK)
        values = self._pool[self._at : self._at + count]
        self._at += count
        return values


def encode(values: np.ndarray, element: Element) -> np.ndarray:
    """Numbers as the type stores them."""
    match element:
        case Element.F32:
            return values.astype("<f4", copy=False)
        case Element.F16:
            return values.astype("<f2")
        case Element.BF16:
            bits = np.ascontiguousarray(values, dtype="<f4").view("<u4")
            # To the nearest, ties to even.
            return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")
        case Element.I64:
            return values.astype("<i8")
        case Element.BOOL:
            return values.astype(np.uint8)
