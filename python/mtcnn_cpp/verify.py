"""Is an export right? Every layer in its own runtime against the core, and whole detections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .backends.onnx import OnnxRunner
from .backends.runner import INPUT, Array, BackendRunner, Runner, RunnerBackend
from .backends.torch import TorchRunner
from .detector import Detector
from .formats.errors import PortError
from .formats.read import import_model
from .reference.plan import STAGES
from .trace.judge.faces import pair_up
from .types import ImageLike, StageName

TOLERANCE = 1e-5  # of a tensor's largest magnitude
BOX_TOLERANCE, SCORE_TOLERANCE = 0.01, 1e-5  # pixels; probability
GROUP = 64  # crops in one batch


@dataclass
class LayerCheck:
    """One layer over all levels or crops of the picture: the largest difference from the core's output.

    `alone`: fed with the core's input of that layer; `chained`: errors of the layers before included;
    infinite where shapes differ or a number is not finite. `magnitude`: the greatest of the core's outputs.
    """

    stage: str
    layer: str
    tensors: int = 0
    magnitude: float = 0.0
    alone: float = 0.0
    chained: float = 0.0

    @property
    def alone_share(self) -> float:
        return self.alone / max(self.magnitude, 1e-30)

    @property
    def chained_share(self) -> float:
        return self.chained / max(self.magnitude, 1e-30)

    def ok(self, tolerance: float) -> bool:
        return max(self.alone_share, self.chained_share) <= tolerance


@dataclass(frozen=True)
class Verification:
    """`faces`: numbers found by the core and by the port; then the largest differences of matched boxes
    (pixels, any of x, y, width, height), of scores and of landmarks (pixels), and the smallest IoU.
    `tolerance`: of a layer's largest magnitude."""

    port: str
    layers: tuple[LayerCheck, ...]
    faces: tuple[int, int]
    box: float
    score: float
    landmark: float
    iou: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return (
            all(layer.ok(self.tolerance) for layer in self.layers)
            and self.faces[0] == self.faces[1]
            and self.box <= BOX_TOLERANCE
            and self.score <= SCORE_TOLERANCE
        )

    @property
    def first_wrong(self) -> LayerCheck | None:
        """The first layer that is wrong by itself; None where none is."""
        return next((layer for layer in self.layers if layer.alone_share > self.tolerance), None)

    def to_dict(self) -> dict[str, Any]:
        shares = [{"alone_share": one.alone_share, "chained_share": one.chained_share} for one in self.layers]
        layers = [asdict(one) | share for one, share in zip(self.layers, shares, strict=True)]
        return {"ok": self.ok, **asdict(self), "layers": layers}


def verify(
    folder: str | Path,
    image: ImageLike,
    *,
    detector: Detector | None = None,
    providers: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
) -> Verification:
    """Verify the networks exported into `folder` (.onnx, or .pt) on one picture.

    detector: the one that is right (default: OpenFace's networks on the core). Raises PortError for files
    that are no such networks, MissingExtra, and what `Detector.detect` raises for the picture.
    """
    detector = Detector() if detector is None else detector
    port = RunnerBackend("port", load_runners(Path(folder), providers), detector.model)
    title = next(iter(port.runners.values())).title
    checks = tuple(check_layers(detector, port.runners, image))
    return compare_faces(title, checks, detector, port, image, tolerance)


def load_runners(folder: Path, providers: Sequence[str] | None = None) -> dict[StageName, Runner]:
    """A runner for each of the three networks in a folder, by the kind of its files."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder with exported networks, found none")
    paths = {stage: folder / f"{stage}.onnx" for stage in STAGES}
    there = [path for path in paths.values() if path.exists()]
    if there:
        missing = [path.name for path in paths.values() if path not in there]
        if missing:
            raise PortError(
                f"{folder}: expected pnet.onnx, rnet.onnx and onet.onnx, found no {', '.join(missing)}"
            )
        return {stage: OnnxRunner(path, providers=providers) for stage, path in paths.items()}
    if any((folder / f"{stage}.pt").exists() for stage in STAGES):
        model = import_model(folder)
        return {name: TorchRunner(model.networks[name], stage.side) for name, stage in STAGES.items()}
    raise PortError(f"{folder}: expected pnet.onnx, rnet.onnx, onet.onnx, or the same as .pt, found neither")


def check_layers(
    detector: Detector, runners: Mapping[StageName, Runner], image: ImageLike
) -> Iterator[LayerCheck]:
    """Feed core and port with every level and crop of the picture."""
    for stage, runner in runners.items():
        network = detector.model.networks[stage]
        core = BackendRunner(detector.engine.backend, stage, network.names)
        if runner.names != network.names:
            raise PortError(
                f"{stage}: expected layers {', '.join(network.names)}, found {', '.join(runner.names)}"
            )
        checks = {name: LayerCheck(stage, name) for name in network.names}
        for batch in batches(detector, stage, image):
            right = core.run({INPUT: batch})
            chained = runner.run({INPUT: batch})
            before = INPUT, batch
            for name, output in right.items():
                alone = runner.run({before[0]: before[1]}, [name])[name]
                note(checks[name], output, alone, chained[name])
                before = name, output
        yield from checks.values()


def batches(detector: Detector, stage: StageName, image: ImageLike) -> Iterator[Array]:
    """What enters a network: a level at a time, crops in groups."""
    pattern = "pnet/level*/input" if stage == "pnet" else f"{stage}/crop*/input"
    trace = detector.trace(image, only=[pattern])
    if stage == "pnet":
        yield from (trace[name][None] for name in trace.names)
        return
    crops = [trace[name] for name in trace.names]
    for start in range(0, len(crops), GROUP):
        yield np.stack(crops[start : start + GROUP])


def note(check: LayerCheck, right: Array, alone: Array, chained: Array) -> None:
    check.tensors += len(right)
    check.magnitude = max(check.magnitude, float(np.abs(right).max()))
    check.alone = max(check.alone, apart(right, alone))
    check.chained = max(check.chained, apart(right, chained))


def apart(right: Array, other: Array) -> float:
    """The largest absolute difference."""
    if right.shape != other.shape or not np.isfinite(other).all():
        return np.inf
    return float(np.abs(right.astype(np.float64) - other).max())


def compare_faces(
    title: str,
    checks: tuple[LayerCheck, ...],
    detector: Detector,
    port: RunnerBackend,
    image: ImageLike,
    tolerance: float,
) -> Verification:
    right = detector.detect(image)
    boxes, scores, landmarks = detect_with(port, detector, image)
    pairs = [
        (pair.a, pair.b, pair.iou)
        for pair in pair_up(right.boxes, boxes)
        if pair.a is not None and pair.b is not None
    ]
    ours, theirs = [a for a, _, _ in pairs], [b for _, b, _ in pairs]

    def largest(a: Array, b: Array) -> float:
        return float(np.abs(a[ours].astype(np.float64) - b[theirs]).max(initial=0.0))

    return Verification(
        title,
        checks,
        (len(right.boxes), len(boxes)),
        largest(right.boxes, boxes),
        largest(right.scores, scores),
        largest(right.landmarks, landmarks),
        min((iou for _, _, iou in pairs), default=1.0),
        tolerance,
    )


def detect_with(port: RunnerBackend, detector: Detector, image: ImageLike) -> tuple[Array, Array, Array]:
    from .image import to_pixels

    pixels = to_pixels(image, "bgr")
    return port.detect(
        pixels.array, red_first=pixels.red_first, options=detector.options, threads=1, tap=None
    )
