"""Running again: traces reproduce themselves, engines are compared, layers are fed what a trace recorded."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Detector
from mtcnn_cpp.backends.engine import Engine
from mtcnn_cpp.image import to_pixels
from mtcnn_cpp.rerun import compare_engines, compare_isolated, validate
from mtcnn_cpp.trace import Judge, Trace, TraceError
from pictures import BACKENDS, portrait


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
    hashes = detector("reference").trace(portrait(), capture="hash", only=["rnet/*"])
    assert validate(hashes, engine(backend), tmp_path, image=portrait()).ok
    with pytest.raises(TraceError, match=r"holds no pixels .level hash.; give the picture"):
        validate(hashes, engine(backend), tmp_path)
    with pytest.raises(TraceError, match="not the picture that trace was made of"):
        validate(hashes, engine(backend), tmp_path, image=portrait()[1:])
    names = detector("reference").trace(portrait(), capture="names")
    with pytest.raises(TraceError, match="holds names only; there is nothing to validate"):
        validate(names, engine(backend), tmp_path)


def test_validate_finds_other_options(tmp_path: Path) -> None:
    report = validate(small("reference"), Detector(backend="reference", min_face=50).engine, tmp_path)
    assert not report.ok
    assert "different options: min_face is 60.0 in a, 50.0 in b, as their manifests say" in report.notes
    assert report.first_divergence is not None
    assert report.first_divergence.name == "pnet/level00/input"


def test_validate_dark_float_pictures(tmp_path: Path) -> None:
    """Pixels that only backends take: 16 bits a channel, nearly black, would pass for floats in 0…1."""
    dark = portrait().astype(np.uint16)
    with pytest.warns(UserWarning, match="uint16 image has values in 0…255 only"):
        trace = detector("reference").trace(dark)
    assert trace.manifest.picture is not None
    assert trace.manifest.picture.dtype == "float32"
    assert validate(trace, engine("reference"), tmp_path).ok


@pytest.mark.parametrize("backend", BACKENDS)
def test_isolated_layers_equal_the_reference(backend: str, tmp_path: Path) -> None:
    report = compare_isolated(small("reference"), engine(backend), tmp_path)
    assert report.ok, report.headline
    assert report.mode == "isolated"
    layers = [name for name in small("reference") if name.count("/") == 2 and not name.endswith(_NOT_LAYERS)]
    assert [row.name for row in report.rows] == layers
    with pytest.raises(TraceError, match=r"captured with --only"):
        compare_isolated(detector("reference").trace(portrait(), only=["*"]), engine(backend), tmp_path)


_NOT_LAYERS = ("input", "heat_map", "boxes", "scores", "offsets", "nms_keep")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("isolated", [False, True])
def test_compare_engines(backend: str, isolated: bool, tmp_path: Path) -> None:
    sides = engine(backend), engine("reference")
    judge = Judge(only=["rnet/*/fc?"])
    report = compare_engines(to_pixels(portrait()), *sides, tmp_path, isolated=isolated, judge=judge)
    assert report.ok
    assert set(report.counts) == {"identical"}
    assert {row.name.rpartition("/")[2] for row in report.rows} == {"fc1", "fc2"}
