"""Runs the original and this package on the same cases."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._util.cpus import usable_cpus
from ...backends import make_backend
from ...backends.engine import Backend, Request
from ...backends.openface import (
    OpenFaceBackend,
    OpenFaceRunner,
    check_options,
    describe,
    import_openface,
    to_original,
)
from ...bench.metrics import machine
from ...model import FullyConnected, Model, Network, Sigmoid
from ...reference.options import Options
from ...trace.comparison.boxes import pair_boxes
from .cases import Case, make_cases
from .result import CaseResult, Comparison

HEAT_MAP = "heat_map"


def compare_original(
    images: Mapping[str, NDArray[np.uint8]],
    *,
    options: Options | None = None,
    random: int = 20,
    seed: int = 0,
    model: Model | None = None,
    each: Callable[[CaseResult], None] = lambda result: None,
) -> Comparison:
    """Compare OpenFace with the core on whole images and on random crops of these images.

    OpenFace's function `DetectFaces` computes the boxes and scores. For each level or crop, OpenFace runs the
    network on the input that the core computed, and the outputs of all layers are compared. For PNet's heat
    maps, OpenFace applies its sigmoid layer to the difference of the logits.

    Args:
        images: Pixels by name, (H, W, 3) uint8 BGR.
        options: Options for the whole images. None: OpenFace's options. Random cases have their own
            `min_face` and thresholds.
        random: Number of random cases.
        seed: Seed of the random cases.
        model: Networks that both programs run. None: the networks in the folder of the OpenFace with which
            this package was built, or the built-in networks if this folder has none.
        each: Function that is called with each result as soon as it is known.

    Raises:
        ImportError: This build has no OpenFace.
        ValueError: OpenFace does not support these options, or `random` is below 0.
    """
    if random < 0:
        raise ValueError(f"random: expected 0 or more random cases, found {random}")
    options = options or Options()
    check_options(options)
    found = describe()
    model = model or model_of(found)
    original = OpenFaceBackend(model)
    heat_map = OpenFaceRunner(_with_probability(model.pnet))
    core = make_backend("core", model)
    results = []
    for case in make_cases(images, options, random, seed):
        result = _compare_case(case, original, heat_map, core)
        each(result)
        results.append(result)
    return Comparison(
        tuple(results), _environment(found, model, core, random, seed), found["sums"] == "ordered"
    )


def model_of(found: Mapping[str, str]) -> Model:
    """Return the networks in the folder of OpenFace, or the built-in networks if this folder has none."""
    index = Path(found["model"]) if found["model"] else None
    return Model.load(index) if index and index.is_file() else Model.default()


def _with_probability(pnet: Network) -> Network:
    """Return PNet with two more layers, so that its output is the heat map: logit difference, and sigmoid."""
    weights = np.zeros((6, 1), np.float32)
    weights[:2, 0] = -1, 1
    return Network((*pnet.layers, FullyConnected(weights, np.zeros(1, np.float32)), Sigmoid()))


def _compare_case(
    case: Case, original: OpenFaceBackend, heat_map: OpenFaceRunner, core: Backend
) -> CaseResult:
    result = CaseResult(case)
    openface_error = import_openface().OpenFaceError
    try:
        boxes, scores = original.detect_faces(to_original(case.pixels, False), case.options)
        layers = _Layers(original, heat_map, result)
        found = core.detect(Request(case.pixels, case.options, threads=usable_cpus(), hook=layers))
        layers.finish()
    except (ValueError, MemoryError, openface_error) as error:
        result.error = str(error)
        return result
    result.faces = len(boxes), len(found[0])
    result.detection.add("final/boxes", boxes, found[0])
    result.detection.add("final/scores", scores, found[1])
    pairs = [
        (pair.a, pair.b) for pair in pair_boxes(boxes, found[0]) if pair.a is not None and pair.b is not None
    ]
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    result.differences = (
        _differences(boxes[first], found[0][second]),
        _differences(scores[first], found[1][second]),
    )
    return result


def _differences(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.abs(a.astype(np.float64) - b)).ravel()


class _Layers:
    """A hook of the core's detection. The original computes the same layers, and the outputs are compared."""

    def __init__(self, original: OpenFaceBackend, heat_map: OpenFaceRunner, result: CaseResult) -> None:
        self._original = original
        self._heat_map = heat_map
        self._result = result
        self._prefix = ""
        self._tensors: dict[str, NDArray[Any]] = {}

    def __call__(self, name: str, array: NDArray[Any]) -> None:
        prefix, _, tensor = name.rpartition("/")
        if prefix != self._prefix:
            self.finish()
            self._prefix = prefix
        if "/" in prefix:
            self._tensors[tensor] = array.copy()

    def finish(self) -> None:
        """Compare the tensors of the last level or crop."""
        tensors, self._tensors = self._tensors, {}
        if "input" not in tensors:
            return
        stage = self._prefix.partition("/")[0]
        runner = self._original.runners[stage]  # type: ignore[index]
        inputs = {"input": tensors["input"][None]}
        for layer, output in runner.run(inputs).items():
            self._result.tensors.add(f"{self._prefix}/{layer}", output[0], tensors[layer])
        if stage == "pnet":
            last = self._heat_map.names[-1]
            heat_map = self._heat_map.run(inputs, [last])[last][0, 0]
            self._result.heat_maps.add(f"{self._prefix}/{HEAT_MAP}", heat_map, tensors[HEAT_MAP])


def _environment(
    found: Mapping[str, str], model: Model, core: Backend, random: int, seed: int
) -> dict[str, str]:
    about = machine()
    libc = " ".join(filter(None, platform.libc_ver()))
    hashes, built_in = model.hashes(), Model.default().hashes()
    return {
        "original": f"OpenFace {found['version']}".strip() + f", {found['kind']}: {found['library']}",
        "original, SHA-256": found["sha256"],
        "order of its sums": found["sums"],
        "BLAS": found["blas"],
        "OpenCV of the original": found["opencv"],
        "mtcnn_cpp": f"{about['mtcnn_cpp']}, core {core.name}",
        "compiler": about["compiler"],
        "processor": about["cpu"],
        "system": f"{about['system']}, {platform.release()}" + (f", {libc}" if libc else ""),
        "Python, NumPy": f"{about['python']}, {np.__version__}",
        "date": about["date"],
        "random cases": f"{random}, seed {seed}",
        **{
            f"{stage} SHA-256": digest + (" (built in)" if digest == built_in[stage] else " (not built in)")
            for stage, digest in hashes.items()
        },
    }
