"""Verifies exported networks. Layers, declared outputs and faces are compared with those of the core."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._util.json_values import to_json_value
from ..backends.engine import Engine
from ..backends.onnx import OnnxRunner
from ..backends.runner import CascadeBackend, NetworkRunner
from ..backends.torch import TorchRunner
from ..detector.detector import Detector
from ..formats.errors import PortError
from ..formats.importer import import_model
from ..formats.onnx.process import graph_limits
from ..media.image.pixels import to_pixels
from ..model import Model
from ..reference.plan import STAGES
from ..reference.types import Faces
from ..trace.capture import LIMIT
from ..trace.comparison.boxes import pair_boxes
from ..trace.comparison.comparison import ComparisonOptions
from ..trace.comparison.report import Report, TensorComparison
from ..trace.comparison.statistics import LayerMagnitudes
from ..trace.comparison.tolerances import Tolerance
from ..trace.names import stage_of
from ..trace.replay import compare_isolated, require_temporary_space, run
from ..trace.report.checks import CheckResult
from ..types import ImageLike, StageName
from .graph_outputs import OutputCheck, check_graphs, check_outputs

__all__ = ["Verification", "verify"]

TOLERANCE = 1e-5  # largest difference, as a share of a layer's greatest magnitude
BOX_TOLERANCE, SCORE_TOLERANCE = 0.01, 1e-5  # largest differences in pixels, and in probability


@dataclass(frozen=True)
class LayerCheck:
    """One layer over all levels or crops of the image.

    The differences are the largest absolute differences from the core's output. A difference is infinite if
    shapes differ or a number is not finite.

    Attributes:
        stage: The network.
        layer: Name of the layer.
        tensors: Number of compared tensors; 0 if no input reached the layer.
        magnitude: Greatest magnitude of the core's outputs.
        alone: Difference if the layer gets the input that the core computed.
        alone_share: `alone` as a share of `magnitude`.
        chained: Difference if only the first layer of the network gets the core's input, so that errors
            accumulate.
        chained_share: `chained` as a share of `magnitude`.
        ok: Whether both differences are within the tolerance.
    """

    stage: StageName
    layer: str
    tensors: int
    magnitude: float
    alone: float
    alone_share: float
    chained: float
    chained_share: float
    ok: bool


@dataclass(frozen=True)
class FaceCheck:
    """The faces that the core and the port detected.

    The differences are the largest over all pairs of faces.

    Attributes:
        found: Number of faces that the core found, and number that the port found.
        box: Difference of a box coordinate (x, y, width, height), in pixels.
        score: Difference of a score.
        landmark: Difference of a landmark coordinate, in pixels.
        iou: Smallest intersection over union of a pair.
    """

    found: tuple[int, int]
    box: float
    score: float
    landmark: float
    iou: float

    @property
    def ok(self) -> bool:
        """Whether both found the same number of faces, and boxes and scores are within the tolerance."""
        same_number = self.found[0] == self.found[1]
        return same_number and self.box <= BOX_TOLERANCE and self.score <= SCORE_TOLERANCE


@dataclass(frozen=True)
class Verification:
    """The result of `verify`.

    Attributes:
        port: Name of the runtime.
        layers: The layers of all networks, in execution order.
        faces: The faces.
        tolerance: Largest allowed difference, as a share of a layer's greatest magnitude.
        outputs: The outputs that the files declare.
    """

    port: str
    layers: tuple[LayerCheck, ...]
    faces: FaceCheck
    tolerance: float
    outputs: tuple[OutputCheck, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all layers, outputs and faces were compared and are within the tolerance."""
        parts = all(layer.ok for layer in self.layers) and all(output.ok for output in self.outputs)
        return self.faces.ok and parts

    @property
    def unreached(self) -> tuple[str, ...]:
        """The layers that no input reached, for example `rnet/conv1`. They were not compared."""
        return tuple(f"{layer.stage}/{layer.layer}" for layer in self.layers if not layer.tensors)

    @property
    def first_wrong(self) -> LayerCheck | None:
        """The first layer that differs although it gets the core's input, or None."""
        return next((layer for layer in self.layers if layer.alone_share > self.tolerance), None)

    def cases(self) -> list[CheckResult]:
        """Return test cases for JUnit and other tools. Each layer and each output is one test case.

        All faces together are one test case.
        """
        result = []
        for layer in self.layers:
            text = "no input reached it"
            if layer.tensors:
                text = f"alone within {layer.alone_share:.1e} of its greatest magnitude"
                text += f", in a chain {layer.chained_share:.1e}"
            share = layer.alone_share if layer.tensors else None
            result.append(
                CheckResult(layer.stage, f"{layer.stage}/{layer.layer}", layer.ok, text, share=share)
            )
        for output in self.outputs:
            name = f"{output.stage}/output {output.name}" if output.name else f"{output.stage}/outputs"
            result.append(CheckResult(output.stage, name, output.ok, output.text))
        core, port = self.faces.found
        text = f"core {core}, {self.port} {port}; boxes within {self.faces.box:.2g} px"
        return [*result, CheckResult("final", "final/faces", self.faces.ok, text)]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        faces = to_json_value(self.faces)
        return {
            "ok": self.ok,
            "unreached": list(self.unreached),
            **to_json_value(self),
            "faces": faces.pop("found"),
            **faces,
        }


def verify(
    folder: str | Path,
    image: ImageLike,
    *,
    detector: Detector | None = None,
    providers: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
    limit: int | None = LIMIT,
) -> Verification:
    """Verify exported networks on one image.

    Args:
        folder: Folder with pnet, rnet and onet as .onnx or .pt files.
        image: The image, as for `Detector.detect`.
        detector: The detector with the correct networks. None: OpenFace's networks on the core.
        providers: Execution providers of ONNX Runtime, in order of preference. None: the CPU.
        tolerance: Largest allowed difference of a layer, as a share of its greatest magnitude, at least 0.
        limit: Maximum size of all temporary traces, in bytes. None: no limit.

    Raises:
        FileNotFoundError: The folder does not exist.
        PortError: The files are not networks with the detector's layers.
        MissingExtra: The runtime is not installed.
        ValueError: The traces would exceed `limit`, or the image is invalid (see `Detector.detect`).
    """
    with graph_limits():
        return _verify(Path(folder), image, detector, providers, tolerance, limit)


def _verify(
    folder: Path,
    image: ImageLike,
    detector: Detector | None,
    providers: Sequence[str] | None,
    tolerance: float,
    limit: int | None,
) -> Verification:
    core = (Detector() if detector is None else detector).engine
    port = load_port(folder, core, providers)
    pixels = to_pixels(image)
    options = ComparisonOptions(Tolerance(share=tolerance))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        work = Path(name)
        require_temporary_space(core, pixels, work, limit, traces=3)
        reference = run(core, pixels, work / "core.npz", "core", limit=limit)
        alone = compare_isolated(reference, port, work, options=options, limit=limit)
        chained = compare_isolated(reference, port, work, chained=True, options=options, limit=limit)
        layers = tuple(check_layers(port.model, alone, chained))
        outputs = (*check_outputs(reference, port, tolerance), *check_graphs(folder, core.model, tolerance))
    faces = compare_faces(core.run(pixels), port.run(pixels))
    return Verification(port.backend.name, layers, faces, tolerance, outputs)


def load_port(folder: Path, core: Engine, providers: Sequence[str] | None = None) -> Engine:
    """Return an engine that uses the networks in a folder and the options of `core`.

    Raises PortError if the layers are not those of the core's networks.
    """
    runners = load_runners(folder, core.model, providers)
    for stage, names in core.model.layer_names.items():
        if runners[stage].names != names:
            raise PortError(
                f"{stage}: expected layers {', '.join(names)}, found {', '.join(runners[stage].names)}"
            )
    backend = CascadeBackend(runners["pnet"].title, runners, core.model)
    return Engine(backend, core.model, core.options, threads=1)


def load_runners(
    folder: Path, model: Model, providers: Sequence[str] | None = None
) -> dict[StageName, NetworkRunner]:
    """Return a runner for each of the three networks in a folder. `model` has the expected layers."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder with exported networks, found none")
    paths = {stage: folder / f"{stage}.onnx" for stage in STAGES}
    missing = [path.name for path in paths.values() if not path.exists()]
    if not missing:
        layers = model.layer_names
        return {
            stage: OnnxRunner(path, providers=providers, layers=layers[stage])
            for stage, path in paths.items()
        }
    if len(missing) < len(paths):
        raise PortError(
            f"{folder}: expected pnet.onnx, rnet.onnx and onet.onnx, found no {', '.join(missing)}"
        )
    if any((folder / f"{stage}.pt").exists() for stage in STAGES):
        imported = import_model(folder)
        return {name: TorchRunner(imported.networks[name], stage.side) for name, stage in STAGES.items()}
    raise PortError(f"{folder}: expected pnet, rnet and onet as .onnx files or as .pt files, found neither")


def check_layers(model: Model, alone_report: Report, chained_report: Report) -> Iterator[LayerCheck]:
    """Yield the check of each layer of the model in order. The two reports have the same reference."""
    by_layer: dict[tuple[str, str], list[tuple[TensorComparison, TensorComparison]]] = defaultdict(list)
    for rows in zip(alone_report.tensors, chained_report.tensors, strict=True):
        by_layer[stage_of(rows[0].name), rows[0].name.rpartition("/")[2]].append(rows)
    magnitudes = LayerMagnitudes(alone_report.a)
    for stage, names in model.layer_names.items():
        for layer in names:
            pairs = by_layer[stage, layer]
            magnitude = magnitudes[pairs[0][0].name] if pairs else 0.0
            alone, chained = (
                max((largest_difference(pair[side]) for pair in pairs), default=0.0) for side in (0, 1)
            )
            scale = max(magnitude, 1e-30)
            ok = bool(pairs) and all(row.ok for pair in pairs for row in pair)
            yield LayerCheck(
                stage=stage,
                layer=layer,
                tensors=len(pairs),
                magnitude=magnitude,
                alone=alone,
                alone_share=alone / scale,
                chained=chained,
                chained_share=chained / scale,
                ok=ok,
            )


def largest_difference(row: TensorComparison) -> float:
    """Return the largest absolute difference.

    If the tensor has no statistics, the result is 0 if the tensor passed, and infinite if it failed.
    """
    if row.statistics is not None:
        return row.statistics.absolute.maximum
    return 0.0 if row.ok else math.inf


def compare_faces(core: Faces, port: Faces) -> FaceCheck:
    """Compare the faces of two detections. Faces with the greatest overlap form a pair."""
    pairs = [(p.a, p.b, p.iou) for p in pair_boxes(core[0], port[0]) if p.a is not None and p.b is not None]
    first, second = [a for a, _, _ in pairs], [b for _, b, _ in pairs]
    box, score, landmark = (
        float(np.abs(a[first].astype(np.float64) - b[second]).max(initial=0.0))
        for a, b in zip(core, port, strict=True)
    )
    iou = min((iou for _, _, iou in pairs), default=1.0)
    return FaceCheck((len(core[0]), len(port[0])), box, score, landmark, iou)
