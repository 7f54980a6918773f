"""Reads input after input, in a process that may die: one line for each, "NUMBER OUTCOME MESSAGE"."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import kinds
from mtcnn_cpp.formats.errors import MissingExtra, shown

NAMED = (ValueError, FileNotFoundError, MissingExtra)  # PortError and TraceError are ValueErrors
MEMORY = 3 << 30  # bytes that one file may make the process ask for, beyond what Python and its packages have


def outcome(kind: str, path: Path) -> tuple[str, str]:
    """ "accepted", "refused"; or, which is a finding, "memory" or "unnamed"."""
    try:
        kinds.read(kind, path)
    except MemoryError as error:
        return "memory", repr(error)
    except NAMED as error:
        message = str(error)
        if "more memory than there is" in message:
            return "memory", message
        if str(path) not in message or not message.isprintable():
            return "unnamed", f"without the path, or not printable: {error!r}"
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
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a reader prints is no answer
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input.{kinds.ENDINGS.get(kind, kind)}"
        for honest in kinds.seeds_of(kind):  # also imports what is needed
            path.write_bytes(honest)
            if kind != "dat":
                kinds.read(kind, path)
        limit_memory()
        for number in range(first, last):
            path.write_bytes(kinds.make_input(kind, seed, number))
            what, message = outcome(kind, path)
            print(json.dumps([number, what, shown(message, 300)]), file=answers)


if __name__ == "__main__":
    main()
