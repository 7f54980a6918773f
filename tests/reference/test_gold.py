"""The results of every implementation are bit-exact to those of the original program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gold_results import SHARED, Case, case_image, cases, exp_cases, floats, load_image, same_bits, tensors
from images import BACKENDS
from mtcnn_cpp import Model
from mtcnn_cpp.backends import make_backend
from mtcnn_cpp.backends.engine import Backend, Request
from mtcnn_cpp.reference.options import Options


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param, Model.default())


def detect(
    backend: Backend, image: np.ndarray, options: Options, wanted: Any = ()
) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the faces, and the tensors with the given names."""
    seen: dict[str, np.ndarray] = {}

    def hook(name: str, array: np.ndarray) -> None:
        if name in wanted:
            seen[name] = array.copy()

    faces = backend.detect(Request(image, options, hook=hook if wanted else None))
    return faces, seen


def case_id(case: Case) -> str:
    name = case.get("image") or case["picture"]
    return f"{name.removesuffix('.png')}-{case['min_face']}"


def is_slow(case: Case, backend: str) -> bool:
    """Whether the detection is slow on this backend: about 0.5 s or more in NumPy."""
    height, width, _ = case["shape"]
    is_large = height * width / case["min_face"] ** 2 > 100 or case["proposals_into_onet"] > 15
    return {"reference": is_large or case["proposals_into_rnet"] > 25, "generic": is_large}.get(
        backend, False
    )


@pytest.mark.parametrize("case", cases(), ids=case_id)
def test_detections(backend: Backend, case: Case, request: pytest.FixtureRequest) -> None:
    if is_slow(case, backend.name) and not request.config.getoption("--slow"):
        pytest.skip(f"large, and {backend.name} is slow: runs with --slow")
    wanted = {"rnet/boxes_in": "proposals_into_rnet", "onet/boxes_in": "proposals_into_onet"}
    options = Options(min_face=case["min_face"])
    (boxes, scores, _), seen = detect(backend, case_image(case), options, wanted)
    assert {key: len(seen[name]) for name, key in wanted.items()} == {
        key: case[key] for key in wanted.values()
    }
    assert same_bits(boxes, floats(case["boxes_hex"]).reshape(-1, 4))
    assert same_bits(scores, floats(case["scores_hex"]))
    if backend.name != "reference":  # in the core a detection without a hook takes another path
        (unhooked_boxes, unhooked_scores, _), _ = detect(backend, case_image(case), options)
        assert same_bits(unhooked_boxes, boxes)
        assert same_bits(unhooked_scores, scores)


@pytest.mark.skipif(not SHARED.exists(), reason="needs the photographs in ../shared/gold")
def test_number_of_cases() -> None:
    assert len(cases()) == 35


@pytest.mark.parametrize("case", exp_cases(), ids=case_id)
def test_exponentials(backend: Backend, case: Case) -> None:
    """Faces that would be lost, added or scored differently with another exponential function."""
    options = Options(case["min_face"], tuple(map(float.fromhex, case["thresholds"])))
    (boxes, scores, _), _ = detect(backend, case["pixels"], options)
    assert same_bits(np.column_stack([boxes, scores]), case["rows"])


def test_tensors(backend: Backend) -> None:
    """Inputs, layers, stages and landmarks of collage.png."""
    expected = tensors()
    faces, seen = detect(backend, load_image("collage.png"), Options(), expected)
    assert len(expected) == 137
    assert set(seen) == set(expected)
    assert [name for name in expected if not same_bits(seen[name], expected[name])] == []
    for name, array in zip(("boxes", "scores", "landmarks"), faces, strict=True):
        assert same_bits(array, expected[f"final/{name}"]), name
