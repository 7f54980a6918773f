"""Reading files in a separate process, so that a crash does not end the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

READ = """
import json, sys, tracemalloc, warnings
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.importer import read_found

warnings.simplefilter("ignore")
for path in json.load(sys.stdin):
    tracemalloc.start()
    try:
        found, message = "read", " ".join(read_found(path))
    except (PortError, ValueError, FileNotFoundError) as error:
        found, message = "refused", str(error)
    except Exception as error:
        found, message = type(error).__name__, str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(json.dumps([found, message, peak]), flush=True)
"""


def read_in_process(paths: Sequence[Path]) -> list[tuple[str, str, int]]:
    """Read each file: the outcome, the message, and the peak memory of Python and NumPy in bytes.

    The outcome is "read", "refused", or the name of an exception that a reader must not raise. If a signal
    ends the process, the test fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input=json.dumps([str(path) for path in paths]),
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [tuple(json.loads(line)) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended with {done.returncode} at {paths[len(lines)]}: {done.stderr[-2000:]}"
    assert len(lines) == len(paths)
    return lines  # type: ignore[return-value]


def all_refused(paths: Sequence[Path]) -> list[tuple[str, str, int]]:
    """Like `read_in_process`; asserts that each file is rejected with an error that begins with its path."""
    found = read_in_process(paths)
    for path, (outcome, message, _) in zip(paths, found, strict=True):
        assert outcome == "refused", (path.name, outcome, message)
        assert message.startswith(f"{path}: "), message
        assert message.isprintable()
        assert len(message) > len(f"{path}: "), path.name
    return found
