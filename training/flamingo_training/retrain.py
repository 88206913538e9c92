"""From pictures to released bridges, one step after the other.

    python -m flamingo_training.retrain --parts parts --work work

Bridges that are given with `--bridges` stand in for the tagger and the stage of captions.

A step whose result is there is skipped, and one that was interrupted goes on where it stopped. `work` takes about
9 GB of features and checkpoints. On CPU every core trains in a process of its own; on CUDA one process does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from .recipe import DEFAULT, Recipe

STAGES = ("caption", "episodes", "self_critical", "distillation")


@dataclass(frozen=True)
class Step:
    """A module with its arguments; once `makes` is there it is done, without it the module itself knows."""

    module: str
    arguments: tuple[str, ...]
    makes: Path | None = None
    shared: bool = False

    def command(self, processes: int) -> list[str]:
        """What is run; a shared step is run by several processes together."""
        if self.shared and processes > 1:
            launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        else:
            launcher = [sys.executable]
        return [*launcher, "-m", f"flamingo_training.{self.module}", *self.arguments]


def steps(
    recipe: Path, language_model: Path, vision_encoder: Path, work: Path, bridges: Path | None = None
) -> list[Step]:
    """All steps, in order; with bridges those that are left for them."""
    cache, common = work / "features", ("--recipe", str(recipe))
    images = (*common, "--weights", str(vision_encoder), "--cache", str(cache))
    training = (*common, "--language-model", str(language_model), "--cache", str(cache))
    changed = [view for view in Recipe.load(recipe)["data"]["views"] if view != "plain"]
    tagger = work / "tagger.pt"
    found = [
        Step("features", (*images, "--splits", "dev", "train", "vqa-dev", "vqa-train")),
        Step("features", (*images, "--splits", "train", "vqa-train", "--views", *changed)),
    ]
    stages = STAGES
    if bridges:
        stages, begin = STAGES[1:], ("--bridges", str(bridges))
    else:
        pretrained = ("--vision-encoder", str(vision_encoder))
        found.append(Step("tagger", (*common, *pretrained, "--cache", str(cache), "--output", str(tagger)), tagger))
        begin = ("--tagger", str(tagger), *pretrained)
    for stage in stages:
        checkpoint, bridges = work / f"{stage}.pt", work / f"{stage}.safetensors"
        kept = ("--checkpoint", str(checkpoint), "--metrics", str(work / "log.jsonl"))
        export = (*common, "--checkpoint", str(checkpoint), "--safetensors", str(bridges))
        further: tuple[str, ...] = ()
        if stage == "self_critical":
            further = ("--earlier", begin[1])
        elif stage == STAGES[-1]:
            further = ("--gguf", str(work / "bridges.gguf"))
        found += [
            Step("train", (stage, *training, *kept, *begin), bridges, shared=True),
            Step("export", (*export, *further), bridges),
        ]
        begin = ("--bridges", str(bridges))
    return [*found, Step("evaluate", (*training, "--bridges", str(work / "bridges.gguf")))]


def main() -> None:
    """Runs what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=DEFAULT)
    parser.add_argument("--parts", type=Path, required=True, help="where the two pretrained parts were unzipped")
    parser.add_argument("--work", type=Path, required=True, help="features, checkpoints, log and the bridges")
    parser.add_argument("--bridges", type=Path, help="released bridges to go on from")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    parts = Recipe.load(arguments.recipe)["parts"]
    [language_model], [vision_encoder] = (list(arguments.parts.rglob(parts[part])) for part in sorted(parts))
    processes = 1 if torch.cuda.is_available() else os.cpu_count() or 1
    for step in steps(arguments.recipe, language_model, vision_encoder, arguments.work, arguments.bridges):
        if step.makes is None or not step.makes.exists():
            # The matrices are small: threads that wait for each other lose more than they gain.
            threads = "1" if step.shared else str(processes)
            subprocess.run(step.command(processes), check=True, env={**os.environ, "OMP_NUM_THREADS": threads})


if __name__ == "__main__":
    main()
