"""Is an export right? Every layer in its own runtime against the core, and whole detections."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from .backends.engine import Engine
from .backends.onnx import OnnxRunner
from .backends.runner import Array, Runner, RunnerBackend
from .backends.torch import TorchRunner
from .detector import Detector
from .formats.agreement.compute import Last
from .formats.agreement.imported import check_imported
from .formats.agreement.outlets import Held, hold
from .formats.assemble import assemble
from .formats.errors import PortError
from .formats.heads import HEADS
from .formats.onnx.ending import read_up_to
from .formats.onnx.guarded import graph_limits
from .formats.read import import_model
from .image import to_pixels
from .model import Model, network_arrays
from .reference.model import Network
from .reference.plan import STAGES
from .rerun import compare_isolated, require_space, run
from .trace.file.trace import Trace
from .trace.judge.comparison import Judge
from .trace.judge.faces import pair_up
from .trace.judge.magnitudes import Magnitudes
from .trace.judge.plain import plain
from .trace.judge.report import Report, Row
from .trace.judge.tolerances import Tolerance
from .trace.names import stage_of
from .trace.record.capture import LIMIT
from .trace.record.feed import GROUP
from .trace.show.cases import Case
from .types import Faces, ImageLike, StageName

TOLERANCE = 1e-5  # of a layer's greatest magnitude
# Words in an output's name that say which head it holds.
HINTS = {
    "class": ("prob", "cls", "class", "score"),
    "box": ("box", "reg", "offset"),
    "landmarks": ("landmark", "lmk", "point", "kps"),
}
BOX_TOLERANCE, SCORE_TOLERANCE = 0.01, 1e-5  # pixels; probability


@dataclass(frozen=True)
class LayerCheck:
    """One layer over all levels or crops of the picture: the largest difference from the core's output.

    alone: fed the core's input of that layer; chained: errors of the layers before included; infinite where
    shapes differ or a number is not finite. magnitude: the greatest of the core's outputs; shares are of it.
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
class OutputCheck:
    """One output of a file, as its user has it, over all levels or crops of the picture.

    heads: what it holds, of class, box and landmarks. share: the largest difference, as a share of the last
    layer's greatest magnitude. verdict: "ok", "different", or "not compared" if it is none of the network's.
    text: what was found. `name` is empty for a head that no output holds.
    """

    stage: StageName
    name: str
    heads: tuple[str, ...]
    share: float
    verdict: str
    text: str

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"


@dataclass(frozen=True)
class FaceCheck:
    """The faces that the core and the port found. found: how many each.

    Over the pairs that belong together: the largest differences of boxes (pixels, any of x, y, width,
    height), of scores and of landmarks (pixels), and the smallest IoU.
    """

    found: tuple[int, int]
    box: float
    score: float
    landmark: float
    iou: float

    @property
    def ok(self) -> bool:
        """Whether both found as many faces, with boxes and scores within tolerance."""
        same = self.found[0] == self.found[1]
        return same and self.box <= BOX_TOLERANCE and self.score <= SCORE_TOLERANCE


@dataclass(frozen=True)
class Verification:
    """What `verify` found. port: the runtime. tolerance: the share of a layer's magnitude that may differ."""

    port: str
    layers: tuple[LayerCheck, ...]
    faces: FaceCheck
    tolerance: float
    outputs: tuple[OutputCheck, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all layers, the faces and the files' own outputs are within tolerance; a layer that no
        input reached is not, nor an output that nothing could be compared with."""
        parts = all(layer.ok for layer in self.layers) and all(output.ok for output in self.outputs)
        return self.faces.ok and parts

    @property
    def unreached(self) -> tuple[str, ...]:
        """The layers that no input reached, as `rnet/conv1`: nothing is known of them."""
        return tuple(f"{layer.stage}/{layer.layer}" for layer in self.layers if not layer.tensors)

    @property
    def first_wrong(self) -> LayerCheck | None:
        """The first layer that is wrong by itself; None where none is."""
        return next((layer for layer in self.layers if layer.alone_share > self.tolerance), None)

    def cases(self) -> list[Case]:
        """A case for each layer, and one for the faces: for JUnit and other tools."""
        result = []
        for layer in self.layers:
            words = "no input reached it"
            if layer.tensors:
                words = f"alone within {layer.alone_share:.1e} of its greatest magnitude"
                words += f", in a chain {layer.chained_share:.1e}"
            share = layer.alone_share if layer.tensors else None
            result.append(Case(layer.stage, f"{layer.stage}/{layer.layer}", layer.ok, words, share=share))
        for output in self.outputs:
            name = f"{output.stage}/output {output.name}" if output.name else f"{output.stage}/outputs"
            result.append(Case(output.stage, name, output.ok, output.text))
        core, port = self.faces.found
        words = f"core {core}, {self.port} {port}; boxes within {self.faces.box:.2g} px"
        return [*result, Case("final", "final/faces", self.faces.ok, words)]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON, see `plain`."""
        faces = plain(self.faces)
        return {
            "ok": self.ok,
            "unreached": list(self.unreached),
            **plain(self),
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
    """Verify the networks exported into `folder` (.onnx, or .pt) on one picture.

    detector: the one that is right; None for OpenFace's networks on the core. providers: ONNX Runtime's
    execution providers, best first; None for the CPU. tolerance: what a layer may differ by, as a share of
    its greatest magnitude, >= 0. limit: the bytes that temporary traces may have together, in the system's
    folder for temporary files; None for no limit.

    Raises FileNotFoundError for a folder that is not there, PortError for files that are no such networks,
    MissingExtra, ValueError for traces beyond the limit, and what `Detector.detect` raises for the picture.
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
    judge = Judge(Tolerance(share=tolerance))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        work = Path(name)
        require_space(core, pixels, work, limit, traces=3)
        reference = run(core, pixels, work / "core.npz", "core", limit=limit)
        alone = compare_isolated(reference, port, work, judge=judge, limit=limit)
        chained = compare_isolated(reference, port, work, chained=True, judge=judge, limit=limit)
        layers = tuple(check_layers(port.model, alone, chained))
        outputs = (*check_outputs(reference, port, tolerance), *check_graphs(folder, core.model, tolerance))
    faces = compare_faces(core.run(pixels), port.run(pixels))
    return Verification(port.backend.name, layers, faces, tolerance, outputs)


def load_port(folder: Path, core: Engine, providers: Sequence[str] | None = None) -> Engine:
    """The networks in a folder as an engine with the core's options. PortError for other layers."""
    runners = load_runners(folder, core.model, providers)
    for stage, names in core.model.layer_names.items():
        if runners[stage].names != names:
            raise PortError(
                f"{stage}: expected layers {', '.join(names)}, found {', '.join(runners[stage].names)}"
            )
    backend = RunnerBackend(runners["pnet"].title, runners, core.model)
    return Engine(backend, core.model, core.options, threads=1)


def load_runners(
    folder: Path, model: Model, providers: Sequence[str] | None = None
) -> dict[StageName, Runner]:
    """A runner for each of the three networks in a folder, by the kind of its files; `model` has the layers
    that are expected."""
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
        theirs = import_model(folder)
        return {name: TorchRunner(theirs.networks[name], stage.side) for name, stage in STAGES.items()}
    raise PortError(f"{folder}: expected pnet.onnx, rnet.onnx, onet.onnx, or the same as .pt, found neither")


def check_layers(model: Model, alone: Report, chained: Report) -> Iterator[LayerCheck]:
    """All layers of the model in order, from two reports against the same reference."""
    by_layer: dict[tuple[str, str], list[tuple[Row, Row]]] = defaultdict(list)
    for rows in zip(alone.rows, chained.rows, strict=True):
        by_layer[stage_of(rows[0].name), rows[0].name.rpartition("/")[2]].append(rows)
    magnitudes = Magnitudes(alone.a)
    for stage, names in model.layer_names.items():
        for layer in names:
            pairs = by_layer[stage, layer]
            magnitude = magnitudes[pairs[0][0].name] if pairs else 0.0
            farthest = [max((distance(pair[side]) for pair in pairs), default=0.0) for side in (0, 1)]
            shares = [each / max(magnitude, 1e-30) for each in farthest]
            ok = bool(pairs) and all(row.ok for pair in pairs for row in pair)
            yield LayerCheck(
                stage, layer, len(pairs), magnitude, farthest[0], shares[0], farthest[1], shares[1], ok
            )


def check_graphs(folder: Path, model: Model, tolerance: float) -> Iterator[OutputCheck]:
    """A finding for each graph of which more is unknown than one image shows: it is not proven to compute one
    network for every image, batch and size, or the numbers of that network are not the model's."""
    for stage, network in model.networks.items():
        path = folder / f"{stage}.onnx"
        if not path.exists():
            continue
        try:
            found = read_up_to(path, model.layer_names[stage][-1])
            read = assemble(found, stage)
            with warnings.catch_warnings():  # of a Softmax at the end, which the check of the outputs names
                warnings.simplefilter("ignore", UserWarning)
                check_imported(found, read, stage)
        except PortError as error:
            text = f"what it computes for other images is not known: {error}"
            yield OutputCheck(stage, "", (), math.inf, "not compared", text)
            continue
        name, share = farthest_numbers(network, read, stage)
        if share > tolerance:
            text = f"{name} differs from the network's by {share:.1e} of its greatest magnitude"
            yield OutputCheck(stage, "", (), share, "different", text)


def farthest_numbers(right: Network, read: Network, stage: StageName) -> tuple[str, float]:
    """The array of a network that differs most, and by how much, as a share of its greatest magnitude."""
    expected, found = network_arrays(right, stage), network_arrays(read, stage)
    worst, share = "", 0.0
    for name in dict.fromkeys((*expected, *found)):
        a, b = expected.get(name), found.get(name)
        if a is None or b is None or a.shape != b.shape:
            return name, math.inf
        if np.array_equal(a, b):
            continue
        difference = np.abs(a.astype(np.float64) - b).max()
        far = float(difference / max(np.abs(a).max(), 1e-30)) if np.isfinite(difference) else math.inf
        if far > share:
            worst, share = name, far
    return worst, share


def check_outputs(reference: Trace, port: Engine, tolerance: float) -> Iterator[OutputCheck]:
    """The files' own outputs, on the inputs of the reference's networks; nothing for runtimes whose files
    have none."""
    assert isinstance(port.backend, RunnerBackend)
    for stage, runner in port.backend.runners.items():
        if isinstance(runner, OnnxRunner):
            yield from _check_stage(reference, stage, runner, tolerance)


def _check_stage(
    reference: Trace, stage: StageName, runner: OnnxRunner, tolerance: float
) -> Iterator[OutputCheck]:
    """Each output that is no layer's, and each head that is in none of them."""
    last = runner.names[-1]
    places = [name.rpartition("/")[0] for name in reference if name.endswith("/input")]
    places = [place for place in places if stage_of(place) == stage]
    if not places:
        return
    magnitude = Magnitudes(reference)[f"{places[0]}/{last}"]
    seen: dict[str, list[tuple[Array, Held | None]]] = defaultdict(list)
    count = 0
    for batch in batches(reference, places):
        values = np.stack([reference[f"{place}/{last}"] for place in batch]).astype(np.float64)
        count = values.shape[1]
        right = Last(values, np.full_like(values, magnitude))
        inputs = np.stack([reference[f"{place}/input"] for place in batch])
        for name, output in runner.run_outputs(inputs).items():
            if name == last or name not in runner.names:
                seen[name].append((output, hold(output, right, tuple(range(count)))))
    missing = [name for name, columns in HEADS.items() if columns.start < count]
    for name, found in seen.items():
        check = _check_output(stage, name, found, tolerance)
        missing = [head for head in missing if head not in check.heads]
        yield check
    if missing:
        text = f"no output of the graph holds the {', '.join(missing)} values"
        yield OutputCheck(stage, "", (), math.inf, "different", text)


def _check_output(
    stage: StageName, name: str, found: Sequence[tuple[Array, Held | None]], tolerance: float
) -> OutputCheck:
    """One output on all inputs: what it holds, and how far it is from that."""
    title, (first, _) = f"output {name!r}", found[0]
    held = [one for _, one in found if one is not None]
    if len(held) < len(found):
        text = f"{title} {first.shape} is none of the network's values, and was not compared"
        return OutputCheck(stage, name, (), math.inf, "not compared", text)
    share = max(one.distance for one in held)
    heads = frozenset.intersection(*(one.heads for one in held))
    if share > tolerance or not heads:
        text = f"{title} is not what the network computes: it differs by {share:.1e}"
        return OutputCheck(stage, name, (), share, "different", text)
    ordered = tuple(head for head in HEADS if head in heads)
    text = f"{title} holds the {', '.join(ordered)} values"
    notes = [f"class through a {one.through}" for one in held if one.through]
    notes += [f"lying as {one.axes}" for one in held if one.axes]
    text += "".join(f", {note}" for note in dict.fromkeys(notes))
    hinted = {head for head, words in HINTS.items() if any(word in name.lower() for word in words)}
    wrong = ""
    if hinted and not hinted & heads:
        wrong = f", not the {' and '.join(sorted(hinted))} values that its name says"
    elif first.dtype != np.float32:
        wrong = f" as {first.dtype}, expected float32"
    return OutputCheck(stage, name, ordered, share, "different" if wrong else "ok", text + wrong)


def batches(reference: Trace, places: Sequence[str]) -> Iterator[list[str]]:
    """Levels one by one, crops in groups of some."""
    for _, group in groupby(places, lambda place: reference.entry(f"{place}/input").shape):
        alike = list(group)
        for start in range(0, len(alike), GROUP):
            yield alike[start : start + GROUP]


def distance(row: Row) -> float:
    """The largest absolute difference; infinite where nothing could be measured."""
    if row.figures is not None:
        return row.figures.absolute.maximum
    return 0.0 if row.ok else math.inf


def compare_faces(core: Faces, port: Faces) -> FaceCheck:
    """The faces of two detections, paired by overlap."""
    pairs = [(p.a, p.b, p.iou) for p in pair_up(core[0], port[0]) if p.a is not None and p.b is not None]
    ours, theirs = [a for a, _, _ in pairs], [b for _, b, _ in pairs]
    box, score, landmark = (
        float(np.abs(a[ours].astype(np.float64) - b[theirs]).max(initial=0.0))
        for a, b in zip(core, port, strict=True)
    )
    iou = min((iou for _, _, iou in pairs), default=1.0)
    return FaceCheck((len(core[0]), len(port[0])), box, score, landmark, iou)
