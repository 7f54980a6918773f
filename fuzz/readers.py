"""Damaged files for one reader, each read in a process that may die.

    python fuzz/readers.py KIND --executions N --seed S [--keep FOLDER]

Counts what was accepted and refused, and the findings: signals, hangs, memory, unnamed exceptions. Each
finding's input is kept. Exit code 1 where there is one. The same seed gives the same inputs.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import kinds

LONGEST = 10  # seconds for one file
STARTING = 120  # seconds until the first answer
FINDINGS = ("signal", "hang", "memory", "unnamed")


class Run:
    """One run: starts workers, one after the other, and counts."""

    def __init__(self, kind: str, seed: int, executions: int, keep: Path) -> None:
        self.kind, self.seed, self.executions, self.keep = kind, seed, executions, keep
        self.counts: Counter[str] = Counter()
        self.next = 0

    def count(self, number: int, what: str, message: str) -> None:
        self.counts[what] += 1
        self.next = number + 1
        if what not in FINDINGS:
            return
        self.keep.mkdir(parents=True, exist_ok=True)
        path = self.keep / f"{what}-{self.seed}-{number}.{kinds.ENDINGS.get(self.kind, self.kind)}"
        path.write_bytes(kinds.make_input(self.kind, self.seed, number))
        print(f"{what}: {path}: {message}", flush=True)

    def go(self) -> None:
        while self.next < self.executions:
            first = self.next
            command = [sys.executable, Path(__file__).with_name("worker.py"), self.kind]
            command += map(str, (self.seed, first, self.executions))  # type: ignore[arg-type]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
                self.listen(worker)
                if self.next >= self.executions:
                    return
                code = worker.wait()
            if code >= 0 and self.next == first:
                raise SystemExit(f"the worker ended with {code} before its first file")
            self.count(self.next, "signal" if code != -9 else "hang", f"the worker ended with {code}")

    def listen(self, worker: subprocess.Popen[bytes]) -> None:
        """Count the worker's answers until it has no more, or none comes in time: then it is ended."""
        assert worker.stdout is not None
        patience, rest = STARTING, b""
        while select.select([worker.stdout], [], [], patience)[0]:
            patience = LONGEST
            piece = worker.stdout.read1(1 << 16)  # type: ignore[attr-defined]
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self.count(*json.loads(line))
            if self.next >= self.executions:
                return
        worker.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description="Damaged files for one reader.")
    parser.add_argument("kind", choices=kinds.SEEDS)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz-findings"), help="folder for findings")
    options = parser.parse_args()
    begin = time.monotonic()
    run = Run(options.kind, options.seed, options.executions, options.keep / options.kind)
    run.go()
    seconds = time.monotonic() - begin
    words = ", ".join(f"{run.counts[what]} {what}" for what in ("accepted", "refused", *FINDINGS))
    print(f"{options.kind}: {sum(run.counts.values())} executions in {seconds:.1f} s: {words}")
    return int(any(run.counts[what] for what in FINDINGS))


if __name__ == "__main__":
    sys.exit(main())
