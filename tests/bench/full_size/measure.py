"""Converts and runs the released Flamingos at full size, from random weights in their formats.

    python3 -m venv .venv && .venv/bin/pip install -r tests/bench/full_size/requirements.txt
    .venv/bin/python tests/bench/full_size/measure.py --work FOLDER [--only NAME,…] [--parts NAME,…]

Each checkpoint is written to FOLDER, converted and deleted before the next one: 26 GB of disk at
most, beside 8 that stay free. Each measurement is a line in FOLDER/results.jsonl; what has a line
is not measured again, and all lines together are printed as tables. `--parts` takes some of
`convert`, `native`, `cpu` and `webgpu` in a tab, `native-int8` and `cpu-int8` with activations
rounded to bytes. `--keep` leaves the models, for parts that are measured later.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from checkpoints import CHECKPOINTS, Checkpoint
from noise import Noise
from process import ProgramFailedError, Run, busy_now, run
from tables import Results, tables

ROOT = Path(__file__).resolve().parents[3]
SPARE = 8 * 10**9
SEED = 18

# No module of WebAssembly has more memory.
HEAP = 1 << 32


@dataclass(frozen=True)
class Place:
    """Where programs, checkpoints and models lie."""

    work: Path
    models: Path
    programs: Path
    # The package whose modules run in a tab.
    package: Path

    def model(self, checkpoint: Checkpoint) -> Path:
        """The converted model."""
        return self.models / checkpoint.name

    def log(self, checkpoint: Checkpoint) -> Path:
        """What programs say while a checkpoint is measured."""
        return self.work / f"{checkpoint.name}.log"


class NoSpaceError(RuntimeError):
    """The disk has no room for a checkpoint."""


def make_sure_of_space(work: Path, needed: int) -> None:
    """Raises `NoSpaceError` if fewer than 8 GB would be left."""
    free = shutil.disk_usage(work).free
    if free - needed < SPARE:
        raise NoSpaceError(f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")


def told(done: Run) -> dict[str, object]:
    """A run for the results; its output is told apart."""
    return {key: value for key, value in asdict(done).items() if key != "output"}


def convert(checkpoint: Checkpoint, place: Place) -> dict[str, object]:
    """Writes a checkpoint, converts it, and deletes it."""
    source = place.work / "checkpoint"
    shutil.rmtree(source, ignore_errors=True)
    apart = place.work.stat().st_dev != place.models.stat().st_dev
    make_sure_of_space(place.models, checkpoint.packed if apart else 0)
    make_sure_of_space(place.work, checkpoint.read + (0 if apart else checkpoint.packed))
    source.mkdir()
    try:
        arguments = checkpoint.write(source, Noise(SEED))
        read = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
        model = place.model(checkpoint)
        program = [str(place.programs / "flamingo-convert"), "checkpoint"]
        # Half written files would be written to the disk while time is taken.
        os.sync()
        done = run(
            [*program, "--output", str(model), "--force", *arguments],
            place.log(checkpoint),
            ROOT,
        )
    finally:
        shutil.rmtree(source)
    manifest = json.loads((model / "model.json").read_text())
    packed = sum(shard["bytes"] for shard in manifest["shards"])
    largest = manifest["required_gpu_limits"]["max_storage_buffer_binding_size"]
    return {**told(done), "read": read, "packed": packed, "largest": largest}


def native(*options: str) -> Callable[[Checkpoint, Place], dict[str, object]]:
    """A model on the CPU without a browser."""

    def measure(checkpoint: Checkpoint, place: Place) -> dict[str, object]:
        program = [str(place.programs / "flamingo"), "bench", "--json", "--device", "cpu"]
        sizes = ["--shots", "0", "--new-tokens", "16", "--repeats", "3"]
        model = ["--model", str(place.model(checkpoint))]
        done = run([*program, *sizes, *model, *options], place.log(checkpoint), ROOT)
        return {**told(done), **json.loads(done.output)}

    return measure


def tab(*options: str) -> Callable[[Checkpoint, Place], dict[str, object]]:
    """A model in Chromium."""

    def measure(checkpoint: Checkpoint, place: Place) -> dict[str, object]:
        # The browser keeps the model in its profile.
        make_sure_of_space(place.work, checkpoint.packed)
        script = str(Path(__file__).with_name("tab.ts"))
        profile = place.work / "profile"
        shutil.rmtree(profile, ignore_errors=True)
        visits = ["--visits"] if options == CPU and checkpoint.name == "flamingo-tiny" else []
        model = ["--model", str(place.model(checkpoint)), "--profile", str(profile)]
        model += ["--package", str(place.package)]
        command = ["npx", "tsx", script, *model, *options, *visits]
        done = run(command, place.log(checkpoint), ROOT)
        return {**told(done), **json.loads(done.output)}

    return measure


CPU = ("--device", "cpu", "--new-tokens", "16", "--rounds", "3")

PARTS: dict[str, Callable[[Checkpoint, Place], dict[str, object]]] = {
    "convert": convert,
    "native": native(),
    "native-int8": native("--int8-activations"),
    "cpu": tab(*CPU),
    "cpu-int8": tab(*CPU, "--int8"),
    # Software: a token takes seconds.
    "webgpu": tab("--device", "webgpu", "--new-tokens", "4", "--rounds", "1"),
}


def measure(checkpoint: Checkpoint, parts: list[str], place: Place, results: Results) -> None:
    """Measures what of a checkpoint has no result yet."""
    if checkpoint.packed > HEAP:
        parts = [part for part in parts if part not in ("cpu", "cpu-int8")]
    missing = [part for part in parts if not results.has(checkpoint.name, part)]
    if missing and "convert" not in missing and not place.model(checkpoint).is_dir():
        missing = ["convert", *missing]
    for part in missing:
        others = busy_now()
        try:
            found = PARTS[part](checkpoint, place)
        except ProgramFailedError as error:
            # The next part may still run, unless there is no model.
            found = {"error": str(error)}
        results.add(checkpoint.name, part, {"others_before": others, **found})
        print(f"{checkpoint.name}, {part}: {json.dumps(found)[:300]}", file=sys.stderr)
        if part == "convert" and "error" in found:
            return


def main() -> None:
    """Reads the command line and measures."""
    names = [checkpoint.name for checkpoint in CHECKPOINTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for everything written")
    parser.add_argument("--models", type=Path, help="folder for models, WORK/models if not given")
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "release")
    parser.add_argument("--package", type=Path, default=ROOT / "web", help="a folder like web/")
    parser.add_argument("--only", default=",".join(names), help="some of " + ", ".join(names))
    parser.add_argument("--parts", default=",".join(PARTS), help="some of " + ", ".join(PARTS))
    parser.add_argument("--keep", action="store_true", help="leave the models that are converted")
    arguments = parser.parse_args()
    only, parts = arguments.only.split(","), arguments.parts.split(",")
    for given, known in ((only, names), (parts, list(PARTS))):
        for name in given:
            if name not in known:
                parser.error(f"{name} is none of {', '.join(known)}")
    work = arguments.work.resolve()
    models = (arguments.models or work / "models").resolve()
    for path in (work, models):
        path.mkdir(parents=True, exist_ok=True)
    place = Place(work, models, arguments.programs.resolve(), arguments.package.resolve())
    results = Results(work / "results.jsonl")
    for checkpoint in CHECKPOINTS:
        if checkpoint.name not in only:
            continue
        measure(checkpoint, parts, place, results)
        if not arguments.keep:
            shutil.rmtree(place.model(checkpoint), ignore_errors=True)
    print(tables(results, names))


if __name__ == "__main__":
    main()
