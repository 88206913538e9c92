"""Results as lines of JSON and as tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MIB = 1 << 20

# What a conversion may take: minutes and bytes of anonymous memory.
CONVERSION_BARS = {
    "openflamingo-3b": (6, 1.6e9),
    "openflamingo-9b": (15, 2.8e9),
    "idefics-9b": (15, 2.8e9),
}

# A photo as cameras take them: red, green, blue.
PHOTO = 4000 * 3000 * 3


class Results:
    """Measurements by checkpoint and part; a later line takes the place of an earlier one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[tuple[str, str], dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                self._found[entry["checkpoint"], entry["part"]] = entry

    def has(self, checkpoint: str, part: str) -> bool:
        """Whether it was measured, and did not fail."""
        return "error" not in self._found.get((checkpoint, part), {"error": ""})

    def get(self, checkpoint: str, part: str) -> dict[str, Any] | None:
        """What was measured, if it did not fail."""
        return self._found[checkpoint, part] if self.has(checkpoint, part) else None

    def add(self, checkpoint: str, part: str, found: dict[str, Any]) -> None:
        """Keeps a measurement."""
        entry = {"checkpoint": checkpoint, "part": part, **found}
        self._found[checkpoint, part] = entry
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def gb(count: float) -> str:
    """Bytes in GB."""
    return f"{count / 1e9:.2f}"


def mb(count: float) -> str:
    """Bytes in MB."""
    return f"{count / 1e6:.0f}"


def seconds(milliseconds: float) -> str:
    """A time in seconds."""
    return f"{milliseconds / 1000:.1f}" if milliseconds >= 1000 else f"{milliseconds / 1000:.2f}"


def others(found: dict[str, Any], *, during: bool) -> str:
    """Cores that other programs kept busy before and, where that can be told apart, meanwhile."""
    before = f"{found['others_before']:.1f}"
    return f"{before}, {found['busy'] - found['cores']:.1f}" if during else before


def conversions(results: Results, names: Sequence[str]) -> str:
    """Conversions with their bars."""
    head = ["model", "read, GB", "packed, GB", "largest tensor, MB", "time, s", "memory, GB"]
    rows = []
    for name in names:
        found = results.get(name, "convert")
        if found is None:
            continue
        sizes = [gb(found["read"]), gb(found["packed"]), mb(found["largest"])]
        time, memory = f"{found['seconds']:.0f}", gb(found["anonymous"])
        if name in CONVERSION_BARS:
            minutes, most = CONVERSION_BARS[name]
            time += f" (≤ {60 * minutes})"
            memory += f" (≤ {most / 1e9:.1f})"
        rows.append([name, *sizes, time, memory, others(found, during=True)])
    return markdown([*head, "others"], rows)


def natively(results: Results, names: Sequence[str]) -> str:
    """Models on the CPU without a browser."""
    head = ["model", "activations", "load, s", "image, ms", "first token, ms", "tokens/s"]
    rows = []
    for name in names:
        for part, how in (("native", "F32"), ("native-int8", "int8")):
            found = results.get(name, part)
            if found is None:
                continue
            [shots] = found["shots"]
            row = [
                name,
                how,
                seconds(found["load_ms"]),
                f"{found['encode_ms']:.0f}",
                f"{shots['cold_first_token_ms']:.0f}",
                f"{shots['decode_tokens_per_second']:.1f}",
                gb(found["anonymous"]),
                gb(found["resident"]),
                others(found, during=True),
            ]
            rows.append(row)
    return markdown([*head, "anonymous, GB", "resident, GB", "others"], rows)


def heap_bar(results: Results, name: str, part: str, weights: int) -> float | None:
    """Most bytes of heap in a tab; `None` if the model was not converted here."""
    if part != "webgpu":
        return 1.15 * weights + 64 * MIB
    converted = results.get(name, "convert")
    return None if converted is None else 64 * MIB + max(converted["largest"], PHOTO)


def tabs(results: Results, names: Sequence[str]) -> str:
    """Models in Chromium."""
    head = ["model", "on", "load, s", "again, s", "heap, MB", "GPU, MB", "image, s"]
    rows = []
    for name in names:
        for part, device in (("cpu", "CPU"), ("cpu-int8", "CPU, int8"), ("webgpu", "SwiftShader")):
            found = results.get(name, part)
            if found is None:
                continue
            tab = found["tab"]
            if part != "webgpu":
                device += f", {tab['device']['threads']} threads"
            memory, again = tab["memory"], tab.get("secondLoadMs")
            bar = heap_bar(results, name, part, memory["weightBytes"])
            heap = mb(memory["heapBytes"])
            rows.append(
                [
                    name,
                    device,
                    seconds(tab["firstLoadMs"]),
                    "" if again is None else seconds(again),
                    heap if bar is None else f"{heap} (≤ {mb(bar)})",
                    mb(memory["gpuBytesReserved"]) if part == "webgpu" else "",
                    seconds(tab["encodeMs"]),
                    seconds(tab["firstTokenMs"]),
                    f"{tab['tokensPerSecond']:.2f}",
                    others(found, during=False),
                ]
            )
    return markdown([*head, "first token, s", "tokens/s", "others"], rows)


def visits(results: Results, names: Sequence[str]) -> str:
    """The page from its address on."""
    head = ["model", "visit", "ready, s", "first caption, s", "tokens of it", "others"]
    rows = []
    for name in names:
        found = results.get(name, "cpu")
        if found is None:
            continue
        for number, visit in zip(("first", "second"), found["visits"], strict=False):
            ready, caption = seconds(visit["readyMs"]), seconds(visit["captionMs"])
            tokens, busy = str(visit["tokens"]), others(found, during=False)
            rows.append([name, number, ready, caption, tokens, busy])
    return markdown(head, rows)


def tables(results: Results, names: Sequence[str]) -> str:
    """Everything that was measured."""
    parts = (conversions, natively, tabs, visits)
    return "\n".join(part(results, names) for part in parts)
