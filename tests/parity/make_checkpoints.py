"""Writes tests/fixtures/convert/checkpoints: one state dict in every form in which checkpoints
are released, written by the programs that write them.

    python3.11 -m venv venv && venv/bin/pip install -r tests/parity/checkpoints.requirements.txt
    venv/bin/python tests/parity/make_checkpoints.py

`expected.safetensors` has the state dict's numbers as f32 (all its integers and truth values
fit), in its order. Files:

| file | form |
| --- | --- |
| `flat.pt` | zip, names as they are |
| `module.pt` | zip, names with `module.` before them |
| `wrapped.pt` | zip, `{"epoch", "model_state_dict": with "module.", "optimizer_state_dict", …}` |
| `a_root_of_21_letters_.pt` | zip whose root has 21 letters, which some versions of `zip` refuse |
| `legacy.pt` | the format before zip archives |
| `scripted.pt` | TorchScript: the tensors as parameters and buffers of nested modules |
| `single/`, `sharded/` | safetensors in a folder, whole and in two parts with an index |
| `bins/` | `.bin` in two parts with an index |
"""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[1] / "fixtures" / "convert" / "checkpoints"


def state() -> OrderedDict[str, torch.Tensor]:
    """Tensors of every type and layout that a checkpoint of a model can have."""
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    base = noise(6, 8)
    halves = noise(24).half()
    tensors = OrderedDict()
    tensors["visual.conv1.weight"] = noise(4, 3, 2, 2).half()
    tensors["visual.ln_pre.weight"] = noise(4)
    tensors["visual.transformer.resblocks.0.attn.in_proj_weight"] = noise(12, 4).half()
    tensors["visual.transformer.resblocks.10.ln_1.weight"] = noise(4)
    tensors["visual.transformer.resblocks.9.ln_1.weight"] = noise(4)
    tensors["text.embedding"] = base
    # The same storage again, a part of it, and its transpose.
    tensors["text.head"] = base
    tensors["text.rows"] = base[2:4]
    tensors["text.columns"] = base[:, 1:7:2]
    tensors["text.transposed"] = base.t()
    tensors["text.half_view"] = halves.view(4, 6)[1:3]
    tensors["text.brain"] = noise(3, 5).bfloat16()
    tensors["text.wide"] = noise(3).double().float().double()
    tensors["text.gate"] = noise(1)
    tensors["text.scale"] = noise(1).squeeze()
    tensors["text.mask"] = torch.ones(1, 1, 4, 4, dtype=torch.bool).tril()
    tensors["text.ids"] = torch.arange(-3, 4)
    tensors["text.steps"] = torch.arange(5, dtype=torch.int32)
    tensors["text.bytes"] = torch.tensor([0, 127, 255], dtype=torch.uint8)
    tensors["text.empty"] = torch.empty(0, 4)
    return tensors


class Node(torch.nn.Module):
    """A module whose parameters, buffers and children are those of a state dict."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.sizes = [224, 14]
        self.name = "node"
        self.factor = 0.5
        children: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            head, dot, rest = name.partition(".")
            if dot:
                children.setdefault(head, {})[rest] = tensor
            elif tensor.is_floating_point() and tensor.numel():
                self.register_parameter(head, torch.nn.Parameter(tensor))
            else:
                self.register_buffer(head, tensor)
        for name, child in children.items():
            self.add_module(name, Node(child))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def shards(tensors: OrderedDict[str, torch.Tensor]) -> list[OrderedDict[str, torch.Tensor]]:
    """Two parts, by turns."""
    items = list(tensors.items())
    return [OrderedDict(items[0::2]), OrderedDict(items[1::2])]


def write_index(path: Path, files: dict[str, OrderedDict[str, torch.Tensor]]) -> None:
    """The list of the files of a checkpoint, as `transformers` writes it."""
    weight_map = {name: file for file, part in files.items() for name in part}
    total = sum(t.numel() * t.element_size() for part in files.values() for t in part.values())
    path.write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=1))


def main() -> None:
    """Writes all files."""
    shutil.rmtree(OUT, ignore_errors=True)
    for folder in ("single", "sharded", "bins"):
        (OUT / folder).mkdir(parents=True)
    tensors = state()
    apart = OrderedDict((name, tensor.clone().contiguous()) for name, tensor in tensors.items())
    save_file({name: tensor.float() for name, tensor in apart.items()}, OUT / "expected.safetensors")

    module = OrderedDict((f"module.{name}", tensor) for name, tensor in tensors.items())
    torch.save(tensors, OUT / "flat.pt")
    torch.save(tensors, OUT / "a_root_of_21_letters_.pt")
    torch.save(module, OUT / "module.pt")
    torch.save(tensors, OUT / "legacy.pt", _use_new_zipfile_serialization=False)
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    wrapped = {
        "epoch": 3,
        "model_state_dict": module,
        "optimizer_state_dict": optimizer.state_dict(),
        "lr_scheduler_state_dict": {"last_epoch": 7, "_last_lr": [1e-4]},
    }
    torch.save(wrapped, OUT / "wrapped.pt")
    torch.jit.save(torch.jit.script(Node(tensors)), OUT / "scripted.pt")

    save_file(apart, OUT / "single" / "model.safetensors", metadata={"format": "pt"})
    files = {f"model-0000{i + 1}-of-00002.safetensors": part for i, part in enumerate(shards(apart))}
    for name, part in files.items():
        save_file(part, OUT / "sharded" / name)
    write_index(OUT / "sharded" / "model.safetensors.index.json", files)
    files = {f"pytorch_model-0000{i + 1}-of-00002.bin": part for i, part in enumerate(shards(tensors))}
    for name, part in files.items():
        torch.save(part, OUT / "bins" / name)
    write_index(OUT / "bins" / "pytorch_model.bin.index.json", files)


if __name__ == "__main__":
    main()
