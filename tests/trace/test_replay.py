"""Replay: traces are reproduced, engines are compared, layers receive recorded inputs."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from images import BACKENDS, FAST, portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.backends.engine import Engine
from mtcnn_cpp.media.image.pixels import to_pixels
from mtcnn_cpp.trace import ComparisonOptions, Trace, TraceError
from mtcnn_cpp.trace.replay import compare_engines, compare_isolated, validate


@functools.cache
def detector(backend: str) -> Detector:
    return Detector(backend=backend)


def engine(backend: str) -> Engine:
    return detector(backend).engine


@functools.cache
def small(backend: str) -> Trace:
    return detector(backend).trace(portrait())


@pytest.mark.parametrize("backend", BACKENDS)
def test_validate_reproduces(backend: str, tmp_path: Path) -> None:
    report = validate(small("reference"), engine(backend), tmp_path)
    assert report.counts == {"identical": len(small("reference"))}
    hashes = detector(FAST).trace(portrait(), capture="hash", only=["rnet/*"])
    assert validate(hashes, engine(backend), str(tmp_path), image=portrait()).ok
    with pytest.raises(TraceError, match=r"contains no pixels .level hash.; pass the image as well"):
        validate(hashes, engine(backend), tmp_path)
    with pytest.raises(TraceError, match="the image differs from the image of trace"):
        validate(hashes, engine(backend), tmp_path, image=portrait()[1:])
    names = detector(FAST).trace(portrait(), capture="names")
    with pytest.raises(TraceError, match="contains names only; there is nothing to validate"):
        validate(names, engine(backend), tmp_path)


def test_validate_finds_other_options(tmp_path: Path) -> None:
    report = validate(small("reference"), Detector(backend=FAST, min_face=50).engine, tmp_path)
    assert not report.ok
    assert "different options: min_face is 60.0 in a, 50.0 in b, according to the manifests" in report.notes
    assert report.first_divergence is not None
    assert report.first_divergence.name == "pnet/level00/input"


def test_validate_dark_float_images(tmp_path: Path) -> None:
    """A nearly black uint16 image is recorded as float32, and its trace is reproduced."""
    dark = portrait().astype(np.uint16)
    with pytest.warns(UserWarning, match="uint16 image has values in 0…255 only"):
        trace = detector(FAST).trace(dark)
    assert trace.manifest.image is not None
    assert trace.manifest.image.dtype == "float32"
    assert validate(trace, engine(FAST), tmp_path).ok


@pytest.mark.parametrize("backend", BACKENDS)
def test_isolated_layers_equal_the_reference(backend: str, tmp_path: Path) -> None:
    report = compare_isolated(small("reference"), engine(backend), str(tmp_path))
    assert report.ok, report.headline
    assert report.mode == "isolated"
    layers = [name for name in small("reference") if name.count("/") == 2 and not name.endswith(_NOT_LAYERS)]
    assert [row.name for row in report.tensors] == layers
    with pytest.raises(TraceError, match=r"captured with --only"):
        compare_isolated(detector(FAST).trace(portrait(), only=["*"]), engine(backend), tmp_path)


_NOT_LAYERS = ("input", "heat_map", "boxes", "scores", "offsets", "nms_keep")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("isolated", [False, True])
def test_compare_engines(backend: str, isolated: bool, tmp_path: Path) -> None:
    sides = engine(backend), engine(FAST)
    options = ComparisonOptions(only=["rnet/*/fc?"])
    report = compare_engines(to_pixels(portrait()), *sides, tmp_path, isolated=isolated, options=options)
    assert report.ok
    assert set(report.counts) == {"identical"}
    assert {row.name.rpartition("/")[2] for row in report.tensors} == {"fc1", "fc2"}
