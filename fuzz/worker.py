"""Read inputs in a process that may crash. Print one JSON line per input: number, outcome, message."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import kinds
from mtcnn_cpp._util.errors import MissingExtra
from mtcnn_cpp.formats.errors import safe_text

NAMED = (ValueError, FileNotFoundError, MissingExtra)  # PortError and TraceError are ValueErrors
MEMORY = 3 << 30  # bytes that one file may use in addition to Python and its packages


def outcome(kind: str, path: Path) -> tuple[str, str]:
    """Return "accepted", "refused", or a finding: "memory" or "unnamed"."""
    try:
        kinds.read(kind, path)
    except MemoryError as error:
        return "memory", repr(error)
    except NAMED as error:
        message = str(error)
        if "more memory than is available" in message:
            return "memory", message
        if str(path) not in message or not message.isprintable():
            return "unnamed", f"no path, or unprintable characters: {error!r}"
        return "refused", ""
    except BaseException as error:
        return "unnamed", repr(error)
    return "accepted", ""


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    kind, seed, first, last = sys.argv[1], *map(int, sys.argv[2:5])
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # keeps output of a reader apart from the results
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input.{kinds.ENDINGS.get(kind, kind)}"
        for seed_file in kinds.seeds_of(kind):  # also imports the packages
            path.write_bytes(seed_file)
            if kind != "dat":
                kinds.read(kind, path)
        limit_memory()
        for number in range(first, last):
            path.write_bytes(kinds.make_input(kind, seed, number))
            what, message = outcome(kind, path)
            print(json.dumps([number, what, safe_text(message, 300)]), file=results)


if __name__ == "__main__":
    main()
