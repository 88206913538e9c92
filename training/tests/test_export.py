"""The bridges' files."""

from __future__ import annotations

import gguf
import pytest
import torch

from flamingo_training.assemble import load_bridges
from flamingo_training.export import (
    as_matrix,
    ensemble,
    gguf_name,
    openflamingo_name,
    read_bridges,
    storage_type,
    write_gguf,
    write_safetensors,
)
from flamingo_training.model import Flamingo, ResamplerConfig
from flamingo_training.recipe import Recipe
from flamingo_training.vision import LastBlocks

Q8_0, F16, F32 = (gguf.GGMLQuantizationType[name] for name in ("Q8_0", "F16", "F32"))


def fill(model: Flamingo) -> dict[str, torch.Tensor]:
    torch.manual_seed(11)
    for parameter in model.bridges().values():
        torch.nn.init.normal_(parameter)
    return {name: parameter.detach().clone() for name, parameter in model.bridges().items()}


def test_names_both_ways(model: Flamingo):
    blocks = [f"vision_encoder.{name}" for name in LastBlocks.of_lite2(2).state_dict()]
    names = [*model.bridges(), "perceiver.media_time_embs", *blocks]
    targets = [gguf_name(name) for name in names]
    assert len(set(targets)) == len(names)
    assert max(map(len, targets)) <= 63
    assert [openflamingo_name(target) for target in targets] == names
    assert "xattn.1.ffn_gate_scale" in targets
    assert "resampler.blk.0.attn_kv.weight" in targets
    assert "v.blk.20.depthwise.bias" in targets and "v.head.weight" in targets


@pytest.mark.parametrize("convert", [gguf_name, openflamingo_name])
def test_unknown_name(convert):
    with pytest.raises(ValueError, match=r"encoder\.weight"):
        convert("encoder.weight")


def test_safetensors_round_trip(model: Flamingo, tmp_path):
    state = fill(model)
    digest = write_safetensors(tmp_path / "bridges.safetensors", state)
    assert len(digest) == 64
    read = read_bridges(tmp_path / "bridges.safetensors")
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)


def test_an_ensemble_lies_between_its_bridges():
    trained, earlier = {"a": torch.tensor([2.0, 4.0])}, {"a": torch.tensor([0.0, 8.0])}
    assert torch.allclose(ensemble(trained, earlier, 0.75)["a"], torch.tensor([1.5, 5.0]))
    assert torch.equal(ensemble(trained, earlier, 1.0)["a"], trained["a"])
    times = "perceiver.frame_embs"
    assert torch.equal(ensemble({times: trained["a"]}, {times: earlier["a"]}, 0.75)[times], trained["a"])


def test_gguf_round_trip(model: Flamingo, recipe: Recipe, tmp_path):
    """Quantized matrices come back within half a step of their block, everything else exactly."""
    state, path = fill(model), tmp_path / "bridges.gguf"
    write_gguf(path, state, recipe, 256, 257)
    reader = gguf.GGUFReader(path)
    assert reader.fields["general.architecture"].contents() == "flamingo"
    assert reader.fields["flamingo.cross_attention.offset"].contents() == recipe.cross_attention.every - 1
    assert reader.fields["flamingo.tokens.image"].contents() == 257
    read = read_bridges(path)
    assert read.keys() == state.keys()
    quantized = 0
    for name, tensor in state.items():
        assert read[name].shape == tensor.shape
        if storage_type(gguf_name(name), tensor) == Q8_0:
            quantized += 1
            blocks, error = tensor.view(-1, 32), (read[name] - tensor).view(-1, 32).abs()
            step = blocks.abs().amax(1, keepdim=True) / 127
            # Half a step, and the rounding of the step itself to f16 over up to 127 steps.
            assert (error <= step * (0.5 + 127 * 2**-11)).all(), name
            assert error.max() > 0
        else:
            assert torch.equal(read[name], tensor), name
    assert quantized >= 8
    load_bridges(model, read)


def test_the_vision_encoder_is_held_as_the_converter_holds_it(model: Flamingo, recipe: Recipe, tmp_path):
    """Kernels become matrices; those that write the residual stream, or whose rows are no whole blocks, f16."""
    model.vision_encoder = LastBlocks.of_lite2(1)
    state, path = fill(model), tmp_path / "bridges.gguf"
    write_gguf(path, state, recipe, 256, 257)
    held = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors if tensor.name.startswith("v.")}
    kinds = {name.removeprefix("v."): tensor.tensor_type for name, tensor in held.items() if "weight" in name}
    assert kinds == {
        "blk.20.expand.weight": F16,
        "blk.20.depthwise.weight": F16,
        "blk.20.project.weight": F16,
        "head.weight": Q8_0,
    }
    assert {tensor.tensor_type for name, tensor in held.items() if name.endswith("bias")} == {F32}
    assert held["v.blk.20.depthwise.weight"].shape.tolist() == [9, 1248]
    load_bridges(model, read_bridges(path))
    for name, parameter in model.vision_encoder.named_parameters():
        expected = state[f"vision_encoder.{name}"]
        assert torch.allclose(parameter, expected, atol=0.03), name
    write_safetensors(tmp_path / "bridges.safetensors", state)
    exact = read_bridges(tmp_path / "bridges.safetensors")
    assert all(torch.equal(exact[name], as_matrix(tensor)) for name, tensor in state.items())


def test_bridges_of_other_sizes_are_refused(model: Flamingo):
    state = fill(model)
    state["perceiver.latents"] = torch.zeros(5, 32)
    with pytest.raises(ValueError, match=r"perceiver\.latents"):
        load_bridges(model, state)
    del state["perceiver.latents"]
    with pytest.raises(ValueError, match="bridge tensors differ"):
        load_bridges(model, state)


def test_recipe_sizes():
    assert Recipe.load().resampler == ResamplerConfig(384, 2, 32, 6, 64, 4, 8, 1280)
