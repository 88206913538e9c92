"""Photos, preprocessed pixels and EfficientNet-Lite2 features, from the package's own network.

Usage: make_efficientnet.py WEIGHTS.pth FLICKR8K_FOLDER OUTPUT_FOLDER

The photos are the first three of the dev split. `expected.safetensors` holds, for each, `{name}.pixels`
(u8, 260 x 260 x 3, squashed with Pillow's bicubic) and `{name}.features` (f32, 81 x 1280).
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.torch import save_file

PHOTOS = 3
SIZE = 260


def main() -> None:
    """Copies the photos and writes what a correct encoder makes of them."""
    weights, folder, output = map(Path, sys.argv[1:])
    network = EfficientNet.from_name("efficientnet-lite2").eval()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
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
