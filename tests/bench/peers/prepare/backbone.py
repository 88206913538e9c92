"""The vision encoder as ONNX."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[4] / "training"))
from flamingo_training.vision import EfficientNetLite


def export_backbone(weights: Path, target: Path) -> None:
    """Writes EfficientNet-Lite2, batch norm folded in: pixels f32 `[1, 3, 260, 260]` to tokens `[1, 81, 1280]`."""
    model = EfficientNetLite.from_package(weights)
    size = model.config.image_size
    torch.onnx.export(
        model,
        (torch.zeros(1, 3, size, size),),
        target,
        input_names=["pixels"],
        output_names=["tokens"],
        opset_version=17,
        dynamo=False,
    )
