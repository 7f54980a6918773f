"""Read damaged files of one kind in a separate process, which may crash.

    python fuzz/readers.py KIND --executions N --seed S [--keep FOLDER]

Counts accepted and refused inputs, and findings: signals, hangs, memory, unnamed exceptions. The input of
each finding is kept. The exit code is 1 if there is a finding. The same seed gives the same inputs.
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
STARTING = 120  # seconds until the first result
FINDINGS = ("signal", "hang", "memory", "unnamed")


class Run:
    """Starts one worker after the other, and counts results."""

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

    def run_workers(self) -> None:
        while self.next < self.executions:
            first = self.next
            command = [sys.executable, Path(__file__).with_name("worker.py"), self.kind]
            command += map(str, (self.seed, first, self.executions))  # type: ignore[arg-type]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
                self.read_results(worker)
                if self.next >= self.executions:
                    return
                code = worker.wait()
            if code >= 0 and self.next == first:
                raise SystemExit(f"the worker ended with {code} before its first file")
            self.count(self.next, "signal" if code != -9 else "hang", f"the worker ended with {code}")

    def read_results(self, worker: subprocess.Popen[bytes]) -> None:
        """Count the results of a worker until its end. End it if it exceeds the time limit."""
        assert worker.stdout is not None
        timeout, rest = STARTING, b""
        while select.select([worker.stdout], [], [], timeout)[0]:
            timeout = LONGEST
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
    parser = argparse.ArgumentParser(description="Read damaged files of one kind.")
    parser.add_argument("kind", choices=kinds.SEEDS)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz-findings"), help="folder for findings")
    options = parser.parse_args()
    begin = time.monotonic()
    run = Run(options.kind, options.seed, options.executions, options.keep / options.kind)
    run.run_workers()
    seconds = time.monotonic() - begin
    counts = ", ".join(f"{run.counts[what]} {what}" for what in ("accepted", "refused", *FINDINGS))
    print(f"{options.kind}: {sum(run.counts.values())} executions in {seconds:.1f} s: {counts}")
    return int(any(run.counts[what] for what in FINDINGS))


if __name__ == "__main__":
    sys.exit(main())
