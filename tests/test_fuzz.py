"""The fuzzer of the readers counts planted faults and keeps their inputs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from images import ROOT

pytestmark = [
    pytest.mark.slow,  # .ci/run runs them in the part `fuzz`
    pytest.mark.skipif(sys.platform != "linux", reason="the memory limit needs Linux"),
]

PLANTED = """

def seeds_of(kind):
    return []


def make_input(kind, seed, number):
    return str(number).encode()


def read(kind, path):
    import os, time
    match int(path.read_bytes()):
        case 2:
            os.kill(os.getpid(), 11)
        case 4:
            raise KeyError(str(path))
        case 6:
            bytearray(1 << 42)
        case 8:
            time.sleep(60)
        case 10:
            raise ValueError(f"{path}: damaged")
        case 12:
            raise ValueError("no path")
"""


def readers(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, folder / "readers.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_planted_faults(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "fuzz", tmp_path / "fuzz")
    with (tmp_path / "fuzz" / "kinds.py").open("a") as file:
        file.write(PLANTED)
    path = tmp_path / "fuzz" / "readers.py"
    path.write_text(path.read_text().replace("LONGEST = 10 ", "LONGEST = 1 "))
    done = readers(tmp_path / "fuzz", "dat", "--executions", 14, "--keep", tmp_path / "kept")
    assert done.returncode == 1, done.stderr
    counts = "8 accepted, 1 refused, 1 signal, 1 hang, 1 memory, 2 unnamed"
    assert done.stdout.splitlines()[-1].endswith(counts), done.stdout
    kept = sorted(file.name for file in (tmp_path / "kept" / "dat").iterdir())
    assert kept == ["hang-0-8.dat", "memory-0-6.dat", "signal-0-2.dat", "unnamed-0-12.dat", "unnamed-0-4.dat"]
    assert (tmp_path / "kept" / "dat" / "signal-0-2.dat").read_bytes() == b"2"


@pytest.mark.parametrize("kind", ["dat", "trace", "manifest", "npz", "npy", "commands", "cases"])
def test_a_short_run(kind: str, tmp_path: Path) -> None:
    done = readers(ROOT / "fuzz", kind, "--executions", 60, "--keep", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 executions" in done.stdout
    assert " 0 refused" not in done.stdout
