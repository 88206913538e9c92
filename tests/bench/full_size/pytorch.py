"""Files as `torch.save` and `torch.jit.save` write them, without PyTorch.

A zip archive of stored members whose local headers say neither length nor checksum, each storage at
a multiple of 64 bytes, with an end record of zip64. No tensor is held in memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from noise import Noise
from tensors import Tensor

ALIGNMENT = 64

# Lengths stand behind the data (8), names are UTF-8 (0x800).
FLAGS = 0x0808
STORED = 0
DEFLATED = 8
LIMIT32 = 0xFFFF_FFFF


@dataclass(frozen=True)
class Member:
    """What the directory says of a member."""

    name: bytes
    method: int
    crc: int
    stored: int
    length: int
    offset: int


class Archive:
    """A zip archive that is written from front to back."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._root = path.stem
        self._members: list[Member] = []

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._finish()
        self._file.close()

    def add(self, name: str, parts: Iterable[bytes | memoryview], deflate: bool = False) -> None:
        """Adds a member."""
        encoded = f"{self._root}/{name}".encode()
        offset = self._file.tell()
        padding = -(offset + 30 + len(encoded) + 4) % ALIGNMENT
        extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        method = DEFLATED if deflate else STORED
        header = struct.pack(
            "<IHHHHHIIIHH", 0x04034B50, 20, FLAGS, method, 0, 0, 0, 0, 0, len(encoded), len(extra)
        )
        self._file.write(header + encoded + extra)
        crc, length, stored = 0, 0, 0
        packer = zlib.compressobj(wbits=-15) if deflate else None
        for part in parts:
            crc = zlib.crc32(part, crc)
            length += len(part)
            written = packer.compress(part) if packer else part
            stored += self._file.write(written)
        if packer:
            stored += self._file.write(packer.flush())
        if stored > LIMIT32 or length > LIMIT32:
            raise ValueError(f"{name} has {length} bytes: its lengths need fields of zip64")
        self._file.write(struct.pack("<IIII", 0x08074B50, crc, stored, length))
        self._members.append(Member(encoded, method, crc, stored, length, offset))

    def _finish(self) -> None:
        start = self._file.tell()
        for it in self._members:
            far = it.offset >= LIMIT32
            extra = struct.pack("<HHQ", 1, 8, it.offset) if far else b""
            fields = (0, 45 if far else 20, FLAGS, it.method, 0, 0, it.crc, it.stored, it.length)
            header = struct.pack("<IHHHHHHIII", 0x02014B50, *fields)
            offset = LIMIT32 if far else it.offset
            tail = struct.pack("<HHHHHII", len(it.name), len(extra), 0, 0, 0, 0, offset)
            self._file.write(header + tail + it.name + extra)
        end = self._file.tell()
        count, size = len(self._members), end - start
        self._file.write(
            struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, start)
        )
        self._file.write(struct.pack("<IIQI", 0x07064B50, 0, end, 1))
        short = (min(count, 0xFFFF), min(count, 0xFFFF), min(size, LIMIT32), min(start, LIMIT32))
        self._file.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, *short, 0))


class Pickle:
    """Writes protocol 2, with no more than what tensors need."""

    def __init__(self) -> None:
        self._out = bytearray(b"\x80\x02")

    def stop(self) -> bytes:
        """Ends it."""
        return bytes(self._out + b".")

    def text(self, value: str) -> None:
        """A string."""
        encoded = value.encode()
        self._out += b"X" + struct.pack("<I", len(encoded)) + encoded

    def number(self, value: int) -> None:
        """An integer, in as many bytes as it needs."""
        if value < 1 << 8:
            self._out += b"K" + struct.pack("<B", value)
        elif value < 1 << 16:
            self._out += b"M" + struct.pack("<H", value)
        elif value < 1 << 31:
            self._out += b"J" + struct.pack("<i", value)
        else:
            encoded = value.to_bytes(8, "little")
            self._out += b"\x8a\x08" + encoded

    def truth(self, value: bool) -> None:
        """A truth value."""
        self._out += b"\x88" if value else b"\x89"

    def name(self, module: str, name: str) -> None:
        """A class or function."""
        self._out += f"c{module}\n{name}\n".encode()

    def numbers(self, values: Sequence[int]) -> None:
        """A tuple of integers."""
        self._out += b"("
        for value in values:
            self.number(value)
        self._out += b"t"

    def ordered_dict(self) -> None:
        """An empty `OrderedDict`."""
        self.name("collections", "OrderedDict")
        self._out += b")R"

    def items(self, write: Callable[[], None]) -> None:
        """Pairs for the dict that was written last; `write` writes keys and values in turn."""
        self._out += b"("
        write()
        self._out += b"u"

    def module(self, path: str, name: str, write: Callable[[], None]) -> None:
        """An object of TorchScript with the attributes that `write` writes."""
        self.name(path, name)
        self._out += b")\x81}"
        self.items(write)
        self._out += b"b"

    def metadata(self) -> None:
        """The attribute that every state dict has."""
        self._out += b"}"
        self.text("_metadata")
        self.ordered_dict()
        self._out += b"sb"

    def tensor(self, tensor: Tensor, key: str, device: str) -> None:
        """A tensor over the whole of a storage."""
        self.name("torch._utils", "_rebuild_tensor_v2")
        self._out += b"(("
        self.text("storage")
        self.name("torch", tensor.element.value[1])
        self.text(key)
        self.text(device)
        self.number(tensor.elements)
        self._out += b"tQ"
        self.number(0)
        self.numbers(tensor.shape)
        strides, step = [], 1
        for size in reversed(tensor.shape):
            strides.insert(0, step)
            step *= size
        self.numbers(strides)
        self.truth(False)
        self.ordered_dict()
        self._out += b"tR"


def keys_of(tensors: Iterable[Tensor]) -> dict[str, str]:
    """The storage of each tensor, numbered as they come."""
    keys: dict[str, str] = {}
    count = 0
    for tensor in tensors:
        if tensor.same_as is None:
            keys[tensor.name] = str(count)
            count += 1
        else:
            keys[tensor.name] = keys[tensor.same_as]
    return keys


def write_state_dict(path: Path, tensors: Sequence[Tensor], noise: Noise) -> None:
    """Writes what `torch.save(model.state_dict(), path)` writes."""
    keys = keys_of(tensors)
    pickle = Pickle()

    def entries() -> None:
        for tensor in tensors:
            pickle.text(tensor.name)
            pickle.tensor(tensor, keys[tensor.name], "cuda:0")

    pickle.ordered_dict()
    pickle.items(entries)
    pickle.metadata()
    with Archive(path) as archive:
        archive.add("data.pkl", [pickle.stop()])
        add_storages(archive, tensors, keys, noise)
        archive.add("version", [b"3\n"])


def write_script(
    path: Path, tensors: Sequence[Tensor], attributes: Sequence[Tensor], noise: Noise
) -> None:
    """Writes what `torch.jit.save` writes of a module, with a module for each part of a name."""
    every = [*tensors, *attributes]
    keys = keys_of(every)
    pickle = Pickle()

    def module(path: str, inside: Sequence[Tensor]) -> None:
        children: dict[str, list[Tensor]] = {}
        pickle.text("training")
        pickle.truth(False)
        for tensor in inside:
            head, dot, _ = tensor.name[len(path) :].partition(".")
            if dot:
                children.setdefault(head, []).append(tensor)
            else:
                pickle.text(head)
                pickle.tensor(tensor, keys[tensor.name], "cpu")
        for name, child in children.items():
            pickle.text(name)
            below = f"{path}{name}."
            pickle.module("__torch__.model", "Part", lambda b=below, c=child: module(b, c))

    pickle.module("__torch__.model", "Whole", lambda: module("", every))
    constants = Pickle()
    constants.numbers([])
    code = b"class Part(Module):\n  __parameters__ = []\n" * 40
    with Archive(path) as archive:
        archive.add("version", [b"3\n"])
        archive.add("code/__torch__/model.py", [code], deflate=True)
        archive.add("data.pkl", [pickle.stop()])
        add_storages(archive, every, keys, noise)
        archive.add("constants.pkl", [constants.stop()])


def add_storages(
    archive: Archive, tensors: Iterable[Tensor], keys: dict[str, str], noise: Noise
) -> None:
    """Adds the numbers."""
    for tensor in tensors:
        if tensor.same_as is None:
            archive.add(f"data/{keys[tensor.name]}", noise.bytes_of(tensor))
