"""What the first blocks of the vision encoder make of every image, computed once and stored as f16 grids on disk.

A view is a fixed change of the picture before it is encoded: `plain` is what the released
model sees, the others are augmentation for training. One file holds one view of one split.
An interrupted run resumes at the batch where it stopped.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .data import data_folder, image_names, read_questions, read_split
from .recipe import DEFAULT, Recipe
from .vision import EfficientNetLite, FirstBlocks, normalise, resize

SPLITS = ("dev", "train", "vqa-dev", "vqa-train")
CROPS = 7
# The numbers of the first four go into the seeds of their crops.
VIEWS = (
    "plain",
    "flip",
    "crop",
    "flip_crop",
    *(f"{view}_{number}" for number in range(2, CROPS + 1) for view in ("crop", "flip_crop")),
)
CROP_SHARES = (0.7, 0.95)
BATCH = 20


def load_images(folder: Path, split: str) -> dict[str, bytes]:
    """Encoded images of a split by file name, read from its tar archives."""
    images: dict[str, bytes] = {}
    for archive in sorted(folder.glob(f"{split}-*.tar")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile():
                    images[Path(member.name).name] = tar.extractfile(member).read()
    return images


def split_source(split: str) -> tuple[Path, str, list[str]]:
    """The folder of a split of captions or questions, its name there, and its images in the order of the features."""
    corpus, _, name = split.rpartition("-")
    folder = data_folder() / (corpus or "flickr8k")
    return folder, name, image_names((read_questions if corpus else read_split)(folder, name))


def apply_view(image: Image.Image, view: str, seed: int) -> Image.Image:
    """The picture as a view shows it; the crop's size and place are fixed by the view and the seed."""
    if "crop" in view:
        random = np.random.default_rng((VIEWS.index(view), seed))
        width, height = (round(side * random.uniform(*CROP_SHARES)) for side in image.size)
        left = int(random.integers(image.width - width + 1))
        top = int(random.integers(image.height - height + 1))
        image = image.crop((left, top, left + width, top + height))
    if "flip" in view:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image


def feature_path(cache: Path, split: str, view: str) -> Path:
    """Where the grids of one view of one split lie."""
    return cache / f"{split}-{view}.f16.npy"


class FeatureStore:
    """The grids of one split, of which each read takes one of the views at random.

    They are read from disk, unless `device` names where all of them are to lie.
    """

    def __init__(self, cache: Path, split: str, views: Sequence[str], device: str | None = None) -> None:
        self.views = [np.load(feature_path(cache, split, view), mmap_mode="r") for view in views]
        self.held: torch.Tensor | None = None
        if device is not None:
            self.held = torch.empty(len(views), *self.views[0].shape, dtype=torch.float16, device=device)
            for held, view in zip(self.held, self.views, strict=True):
                held.copy_(torch.from_numpy(np.array(view)))

    def __len__(self) -> int:
        return len(self.views[0])

    def read(self, images: Sequence[int], random: np.random.Generator | None = None) -> torch.Tensor:
        """f32 (images, tokens, width); without a random generator the first view."""
        choice = random.integers(len(self.views), size=len(images)) if random else np.zeros(len(images), dtype=int)
        if self.held is not None:
            places = torch.from_numpy(np.stack([choice, images])).to(self.held.device)
            return self.held[places[0], places[1]].float()
        rows = [self.views[view][image] for view, image in zip(choice, images, strict=True)]
        return torch.from_numpy(np.stack(rows)).float()


class JoinedStores:
    """Several stores as one: the images of each are numbered on from those of the stores before it."""

    def __init__(self, stores: Sequence[FeatureStore]) -> None:
        self.stores = stores
        self.firsts = np.cumsum([0, *map(len, stores)])

    def __len__(self) -> int:
        return int(self.firsts[-1])

    def read(self, images: Sequence[int], random: np.random.Generator | None = None) -> torch.Tensor:
        """f32 (images, tokens, width); without a random generator the first view."""
        numbers = np.asarray(images)
        owners = np.searchsorted(self.firsts, numbers, side="right") - 1
        pieces, order = [], []
        for owner in np.unique(owners):
            places = np.flatnonzero(owners == owner)
            pieces.append(self.stores[owner].read((numbers[places] - self.firsts[owner]).tolist(), random))
            order += places.tolist()
        return torch.cat(pieces)[torch.tensor(order, device=pieces[0].device).argsort()]


def extract(
    encoder: FirstBlocks, size: int, split: str, view: str, cache: Path, device: str, bf16: bool = False
) -> None:
    """Writes the grids (images, 81, channels) of one view of one split, in the order of `split_source`."""
    folder, name, names = split_source(split)
    images = load_images(folder, name)
    path, progress = feature_path(cache, split, view), cache / f"{split}-{view}.progress"
    done = int(progress.read_text()) if progress.exists() else 0
    if done == len(names):
        return
    partial = path.with_suffix(".partial.npy")
    # Without the cache of cast weights, which a traced graph cannot hold.
    cast = torch.autocast(device, torch.bfloat16, enabled=bf16, cache_enabled=False)
    encode = encoder
    with torch.inference_mode(), cast:
        example = torch.zeros(BATCH, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
        tokens, width = encoder(example).shape[1:]
        if device == "cpu":
            # A frozen graph joins convolutions with what follows them: a third less time.
            encode = torch.jit.freeze(torch.jit.trace(encoder, example, check_trace=False))
            encode = encode if bf16 else torch.jit.optimize_for_inference(encode)
    store = np.lib.format.open_memmap(
        partial, mode="r+" if done else "w+", dtype=np.float16, shape=(len(names), tokens, width)
    )
    start = time.monotonic()
    for first in range(done, len(names), BATCH):
        batch = names[first : first + BATCH]
        pixels = np.stack(
            [
                resize(apply_view(Image.open(io.BytesIO(images[image])), view, first + offset), size)
                for offset, image in enumerate(batch)
            ]
        )
        with torch.inference_mode(), cast:
            grid = encode(normalise(torch.from_numpy(pixels).to(device)).contiguous(memory_format=torch.channels_last))
        store[first : first + len(batch)] = grid.float().cpu().numpy().astype(np.float16)
        progress.write_text(str(first + len(batch)))
        print(f"{split} {view} {first + len(batch)}/{len(names)} {time.monotonic() - start:.0f} s", flush=True)
    store.flush()
    partial.rename(path)


def main() -> None:
    """Command line: features of the given views of the given splits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=DEFAULT)
    parser.add_argument("--weights", type=Path, required=True, help="the EfficientNet-Lite2 state dict (.pth)")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["dev", "train"])
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=["plain"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true", help="faster where processors have AMX, less exact")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    whole = EfficientNetLite.from_package(arguments.weights)
    encoder, _ = whole.split(Recipe.load(arguments.recipe)["vision"]["trained_blocks"])
    encoder = encoder.to(arguments.device).to(memory_format=torch.channels_last)
    for view in arguments.views:
        for split in arguments.splits:
            extract(encoder, whole.config.image_size, split, view, arguments.cache, arguments.device, arguments.bf16)


if __name__ == "__main__":
    main()
