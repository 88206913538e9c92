"""Photos, preprocessed pixels and EfficientNet-Lite2 features, from the package's own network.

Usage: make_efficientnet.py WEIGHTS.pth BRIDGES FLICKR8K_FOLDER OUTPUT_FOLDER

The last blocks, which are trained with the bridges, are theirs; their batch norms, which are folded in, do nothing.

The photos are the first three of the dev split. `expected.safetensors` holds, for each, `{name}.pixels`
(u8, 260 x 260 x 3, squashed with Pillow's bicubic) and `{name}.features` (f32, 81 x 1280).
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.torch import save_file

from flamingo_training.export import read_bridges

PHOTOS = 3
SIZE = 260
# The package's names of a convolution and of its batch norm, by ours.
PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "head": ("_conv_head", "_bn1"),
}


def take_trained_blocks(network: EfficientNet, state: dict[str, torch.Tensor]) -> None:
    """Puts the convolutions of the bridges' file in the places of the pretrained ones and their batch norms."""
    for name, weight in state.items():
        match = re.fullmatch(r"vision_encoder\.(?:blocks\.(\d+)\.)?(\w+)\.weight", name)
        if match is None:
            continue
        block = network._blocks[int(match[1])] if match[1] else network
        kernel, norm = (getattr(block, part) for part in PARTS[match[2]])
        with torch.no_grad():
            kernel.weight.copy_(weight.view_as(kernel.weight))
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.weight.fill_(1)
            norm.bias.copy_(state[name.removesuffix("weight") + "bias"])


def main() -> None:
    """Copies the photos and writes what a correct encoder makes of them."""
    weights, bridges, folder, output = map(Path, sys.argv[1:])
    network = EfficientNet.from_name("efficientnet-lite2").eval()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    take_trained_blocks(network, read_bridges(bridges))
    with (folder / "dev.jsonl").open(encoding="utf-8") as lines:
        names = [json.loads(next(lines))["image"] for _ in range(PHOTOS)]
    tensors: dict[str, torch.Tensor] = {}
    with tarfile.open(folder / "dev-0.tar") as tar:
        files = {Path(member.name).name: member for member in tar if member.isfile()}
        for name in names:
            content = tar.extractfile(files[name]).read()
            (output / name).write_bytes(content)
            image = Image.open(io.BytesIO(content)).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
            pixels = torch.from_numpy(np.array(image))
            with torch.inference_mode():
                grid = network.extract_features(((pixels.float() - 127) / 128).permute(2, 0, 1)[None])
            stem = Path(name).stem
            tensors[f"{stem}.pixels"] = pixels
            tensors[f"{stem}.features"] = grid[0].flatten(1).T.contiguous()
    save_file(tensors, output / "expected.safetensors")


if __name__ == "__main__":
    main()
