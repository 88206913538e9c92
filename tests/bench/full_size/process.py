"""Runs a program and takes its time and memory."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Seconds between two looks at a program's memory.
PERIOD = 0.02

# Seconds for which is looked what other programs do.
LOOK = 2.0

FIELDS = re.compile(r"^(RssAnon|VmHWM):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """How a program went."""

    seconds: float
    # Processor time over that: 2 if it had both of two cores. Not of a browser, whose processes
    # nobody waits for.
    cores: float
    # The same of all programs together.
    busy: float
    # Most anonymous memory, and most resident memory at all, which counts files that are mapped.
    anonymous: int
    resident: int
    output: str


class ProgramFailedError(RuntimeError):
    """A program ended with an error."""


def run(command: Sequence[str], log: Path, folder: Path) -> Run:
    """Runs a program in `folder` to its end; what it says of errors goes into `log`.

    Raises `ProgramFailedError` if it fails.
    """
    most = {"RssAnon": 0, "VmHWM": 0}
    ended = threading.Event()
    before, busy = os.times(), busy_seconds()
    started = time.monotonic()
    with log.open("a") as errors:
        program = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        watcher = threading.Thread(target=watch, args=(program.pid, most, ended))
        watcher.start()
        output, _ = program.communicate()
    seconds = time.monotonic() - started
    ended.set()
    watcher.join()
    after = os.times()
    if program.returncode != 0:
        said = log.read_text()[-2000:]
        raise ProgramFailedError(f"{' '.join(command)}: exit code {program.returncode}\n{said}")
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return Run(
        seconds=seconds,
        cores=used / seconds,
        anonymous=most["RssAnon"],
        resident=most["VmHWM"],
        busy=(busy_seconds() - busy) / seconds,
        output=output,
    )


def busy_seconds() -> float:
    """Processor time of all programs since the machine was started."""
    with Path("/proc/stat").open() as file:
        # user, nice, system, idle, iowait, irq, softirq
        times = [int(field) for field in file.readline().split()[1:8]]
    ticks = sum(times) - times[3] - times[4]
    return ticks / os.sysconf("SC_CLK_TCK")


def busy_now() -> float:
    """How many cores programs keep busy in two seconds."""
    before = busy_seconds()
    time.sleep(LOOK)
    return (busy_seconds() - before) / LOOK


def watch(pid: int, most: dict[str, int], ended: threading.Event) -> None:
    """Looks at a process' memory until it has ended."""
    status = Path(f"/proc/{pid}/status")
    while not ended.wait(PERIOD):
        try:
            text = status.read_text()
        except (FileNotFoundError, ProcessLookupError):
            return
        for name, kilobytes in FIELDS.findall(text):
            most[name] = max(most[name], int(kilobytes) * 1024)
