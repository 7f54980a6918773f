"""The kinds of files: generate inputs of each kind from its seeds, and read them."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cases
import commands
import numpy as np
from graphs import changed_graph
from mutate import changed_archive, changed_header, changed_json, changed_pickle, damaged
from seeds import SEEDS

ENDINGS = {"trace": "npz", "manifest": "json", "commands": "npz", "cases": "json"}


@cache
def seeds_of(kind: str) -> list[bytes]:
    return SEEDS[kind]()


def make_input(kind: str, seed: int, number: int) -> bytes:
    """Return input `number` of a run. The same kind, seed and number give the same bytes."""
    if kind == "cases":
        return cases.make(f"{seed} {number}")
    rng = random.Random(f"{kind} {seed} {number}")
    seeds = seeds_of(kind)
    data = rng.choice(seeds)
    data = changed_inside(kind, data, seeds, rng) if rng.random() < 0.6 else damaged(data, seeds, rng)
    return damaged(data, seeds, rng) if rng.random() < 0.05 else data


def changed_inside(kind: str, data: bytes, seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Change fields of the format."""
    if kind in ("trace", "npz", "commands") or (kind == "pt" and data.startswith(b"PK")):
        return changed_archive(data, seeds, rng)
    if kind == "manifest":
        return changed_json(data, rng)
    if kind == "onnx":
        return changed_graph(data, rng)
    if kind == "lz4":
        import lz4.frame

        inner = lz4.frame.decompress(data)
        inner = changed_pickle(inner, rng) if rng.random() < 0.5 else damaged(inner, [inner], rng)
        return bytes(lz4.frame.compress(inner))
    if kind == "npy" and rng.random() < 0.2:
        return changed_header(data, rng)
    return damaged(data, seeds, rng) if kind == "dat" else changed_pickle(data, rng)


def read(kind: str, path: Path) -> None:
    """Read the file with every reader of its kind."""
    if kind == "trace":
        read_trace(path)
    elif kind == "manifest":
        read_manifest(path)
    elif kind == "commands":
        commands.read(path)
    elif kind == "cases":
        cases.read(path)
    else:
        if kind == "dat":
            compare_implementations(path)
        read_network(path)


def read_trace(path: Path) -> None:
    from mtcnn_cpp.cli.options import OutputFormat
    from mtcnn_cpp.cli.traces import inspect
    from mtcnn_cpp.trace import Trace
    from typer import Exit

    trace = Trace.load(path)
    if trace.manifest.capture == "full":
        for name in trace:
            trace[name]
        if trace.manifest.image is not None:
            trace.image  # noqa: B018
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(Exit):
        inspect(path, None, None, OutputFormat.table)
        inspect(path, None, None, OutputFormat.json)
        inspect(path, next(iter(trace), None), None, OutputFormat.table)
    assert "\x1b" not in said.getvalue(), f"{path}: an escape character was printed"


def read_manifest(path: Path) -> None:
    from mtcnn_cpp.trace.manifest import Manifest

    Manifest.from_array(np.frombuffer(path.read_bytes(), np.uint8), str(path))


def read_network(path: Path) -> None:
    from mtcnn_cpp.formats.importer import assemble, read_found

    for stage, network in read_found(path).items():
        assemble(network, stage)


def compare_implementations(path: Path) -> None:
    """Check that the reference and the core read the same network, or raise errors with the same message."""
    from mtcnn_cpp._core import _testing as core
    from mtcnn_cpp.reference.dat import read_network, write_network

    data = path.read_bytes()
    answers = []
    for reader, writer in ((read_network, write_network), (core.read_network, core.write_network)):
        try:
            answers.append(bytes(writer(reader(data, str(path)))))
        except ValueError as error:
            answers.append(str(error).encode())
    assert answers[0] == answers[1], f"{path}: the reference and the core differ"
