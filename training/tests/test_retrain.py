"""All steps from pictures to bridges: command lines that hold, each reading what those before it wrote."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import pytest

from flamingo_training.recipe import DEFAULT
from flamingo_training.retrain import STAGES, steps


class ParsedError(Exception):
    """What a command line was understood as."""


def parsed(step, monkeypatch) -> argparse.Namespace:
    """The arguments as the module itself reads them, and nothing done."""
    real = argparse.ArgumentParser.parse_args

    def stop(parser):
        raise ParsedError(real(parser, list(step.arguments)))

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        try:
            importlib.import_module(f"flamingo_training.{step.module}").main()
        except ParsedError as found:
            return found.args[0]
    raise AssertionError(f"{step.module} reads no arguments")


@pytest.mark.parametrize("released", [(), (Path("bridges.gguf"),)], ids=["from nothing", "from released bridges"])
def test_each_step_reads_what_those_before_it_wrote(monkeypatch, tmp_path, released):
    language_model, vision_encoder = tmp_path / "lm.gguf", tmp_path / "vision.pth"
    there = {language_model, vision_encoder, DEFAULT, *released}
    stages = []
    for step in steps(DEFAULT, language_model, vision_encoder, tmp_path, *released):
        arguments = vars(parsed(step, monkeypatch))
        paths = {name: value for name, value in arguments.items() if isinstance(value, Path)}
        reads = {"recipe", "language_model", "weights", "vision_encoder", "tagger", "bridges"}
        if step.module == "export":
            reads |= {"checkpoint", "earlier"}
        assert all(path in there for name, path in paths.items() if name in reads), (step, paths)
        there.update(paths.values())
        if step.module == "train":
            stages.append(arguments["stage"])
        assert step.makes is None or step.makes in there or step.module == "train"
    assert tuple(stages) == STAGES[len(released) :]
    assert tmp_path / "bridges.gguf" in there


def test_a_shared_step_runs_in_as_many_processes_as_there_are(tmp_path):
    by_module = {step.module: step for step in steps(DEFAULT, tmp_path, tmp_path, tmp_path)}
    train = by_module["train"].command(2)
    assert "--nproc-per-node=2" in train and train[-len(by_module["train"].arguments) :][0] in STAGES
    assert "--nproc-per-node=2" not in " ".join(by_module["train"].command(1))
    assert "torch.distributed.run" not in by_module["tagger"].command(2)
