"""Diagnosis of a trace: steps whose outputs are wrong for their inputs, and the faults that explain them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ....model import Model
from ....reference.options import Options
from ....trace.comparison.boxes import pair_boxes
from ....trace.comparison.statistics import ulp_distance
from ....trace.errors import TraceError
from ....trace.trace import Trace
from ....types import StageName
from .candidate import convert_tensors
from .faults import CORRECT, Array, Parameters
from .results import FaultEffect, FaultyStep, TraceDiagnosis, UndetectableFault
from .search import Match, StepEvaluator, array_distance, find_faults, parameters_by_kind
from .steps import IMAGE, DetectionSteps, Step

MAX_CROPS = 5000  # maximum number of crops of a network; a faulty suppression may keep every box


def diagnose_trace(
    candidate: Trace, reference: Trace, model: Model | None = None, *, undetectable: bool = True
) -> TraceDiagnosis:
    """Find the steps of a port's detection whose outputs are wrong for their inputs, and name their faults.

    Args:
        candidate: Trace with any tensors of the port's detection and their values.
        reference: Trace of a correct detection of the same image, with values and the image.
        model: Networks of `reference`. None: the built-in networks.
        undetectable: Whether to search for faults that would not change this trace. This takes some seconds.

    Raises:
        TraceError: If the traces are of different images or have no common name; or if `reference` lacks the
            values or the image, or was made with networks other than `model`.
    """
    model = Model.default() if model is None else model
    detection = make_detection(candidate, reference, model)
    arrays, notes = convert_tensors(candidate, reference)
    steps = list(detection.all(lambda stage: count_crops(arrays, reference, stage)))
    evaluator = StepEvaluator(detection, steps, arrays, reference)
    faulty: list[FaultyStep] = []
    hidden: list[UndetectableFault] = []
    tainted: set[str] = set()
    checked_kinds: set[str] = set()
    right = values = unchecked = 0
    for kind, group in group_by_kind(steps).items():
        recorded = [step for step in group if any(name in arrays for name in step.outputs)]
        checked = [step for step in recorded if evaluator.is_computable(step, tainted)]
        unchecked += len(recorded) - len(checked)
        matches = find_faults(evaluator, checked) if checked else [Match((), 0.0)]
        wrong = not matches or bool(matches[0].faults)
        if wrong:
            faulty.append(describe_faulty_step(evaluator, kind, checked, matches))
        else:
            right += sum(name in arrays for step in checked for name in step.outputs)
            values += count_values(checked, arrays)
            if undetectable and checked:
                hidden += undetectable_faults(evaluator, checked)
        if checked:
            checked_kinds.add(kind)
        for step in group:
            if (wrong and step in checked) or not tainted.isdisjoint(step.inputs):
                tainted.update(step.outputs)
    if unchecked:
        notes.append(
            f"{unchecked} tensors were not checked: they follow a faulty step, and the trace does not "
            "contain the tensors from which they are computed"
        )
    found = sort_by_step(detection, hidden, checked_kinds) if undetectable else None
    return TraceDiagnosis(candidate.source, tuple(faulty), right, values, tuple(notes), found)


def make_detection(candidate: Trace, reference: Trace, model: Model) -> DetectionSteps:
    """Return the correct steps of the detection. Raises the errors of `diagnose_trace`."""
    for trace in (candidate, reference):
        if trace.manifest.capture != "full":
            raise TraceError(
                f"{trace.source} contains no values (capture level {trace.manifest.capture!r}); record "
                "it with values"
            )
    if reference.manifest.image is None:
        raise TraceError(
            f"{reference.source} contains no image, which the doctor needs; create the trace with "
            "mtcnn-cpp dump"
        )
    if candidate.manifest.image is not None and candidate.manifest.image != reference.manifest.image:
        raise TraceError(f"{candidate.source} and {reference.source} are of different images")
    hashes = model.hashes()
    if any(reference.manifest.model.get(stage, digest) != digest for stage, digest in hashes.items()):
        raise TraceError(
            f"according to the hashes in its manifest, {reference.source} was made with other networks; "
            "specify them with --model"
        )
    given = dict(reference.manifest.options) | dict(candidate.manifest.options)
    image = np.ascontiguousarray(reference.image[..., ::-1])
    try:
        options = Options(**{name: given[name] for name in vars(Options()) if name in given})
        return DetectionSteps(model, options, image)
    except (TypeError, ValueError) as error:
        raise TraceError(
            f"{candidate.source}, against {reference.source}: the recorded options cannot be used ({error})"
        ) from error


def count_crops(candidate: Mapping[str, Array], reference: Mapping[str, Array], stage: StageName) -> int:
    """Number of crops that a network received in the candidate. Raises TraceError above MAX_CROPS."""
    boxes = f"{stage}/boxes_in"
    numbers = [int(name.split("/")[1][4:]) + 1 for name in candidate if name.startswith(f"{stage}/crop")]
    listed = candidate.get(boxes, reference.get(boxes, ()))
    count = max([len(listed), *numbers])
    if count > MAX_CROPS:
        raise TraceError(f"{count} crops of {stage}: expected at most {MAX_CROPS}, the limit of the doctor")
    return count


def group_by_kind(steps: Sequence[Step]) -> dict[str, list[Step]]:
    """Return a map from each kind to its steps. Kinds are in the order of their first steps."""
    kinds: dict[str, list[Step]] = {}
    for step in steps:
        kinds.setdefault(step.kind, []).append(step)
    return kinds


def count_values(steps: Sequence[Step], arrays: Mapping[str, Array]) -> int:
    return sum(arrays[name].size for step in steps for name in step.outputs if name in arrays)


def describe_faulty_step(
    evaluator: StepEvaluator, kind: str, steps: Sequence[Step], matches: Sequence[Match]
) -> FaultyStep:
    """Statistics of a faulty step, and the effect of its fault on the final boxes."""
    tolerance = steps[0].tolerance
    distances = [evaluator.distance(step, {}) for step in steps]
    wrong = [step for step, distance in zip(steps, distances, strict=True) if distance > tolerance]
    faults = parameters_by_kind(matches[0].faults) if matches else {}
    boxes = evaluator.reference.get("final/boxes")
    return FaultyStep(
        kind=kind,
        first=next(name for name in wrong[0].outputs if name in evaluator.candidate),
        matches=tuple(matches),
        wrong=len(wrong),
        compared=len(steps),
        values=count_values(steps, evaluator.candidate),
        ulp=max((max_ulp(evaluator, step, faults) for step in steps), default=0.0) if matches else 0.0,
        distance=max(distances),
        difference=describe_difference(evaluator, wrong[0]),
        effect=measure_effect(evaluator.detection, boxes, faults) if matches and boxes is not None else None,
    )


def max_ulp(evaluator: StepEvaluator, step: Step, faults: Mapping[str, Parameters]) -> float:
    """Largest difference, in ULP, between the recorded outputs and the outputs with these faults."""
    outputs = evaluator.compute(step, faults)
    return max(
        float(ulp_distance(array, evaluator.candidate[name]).max(initial=0.0))
        for name, array in zip(step.outputs, outputs, strict=True)
        if name in evaluator.candidate
    )


def describe_difference(evaluator: StepEvaluator, step: Step) -> str:
    """Describe how the candidate's values differ from the correct ones."""
    try:
        outputs = evaluator.compute(step, {})
    except ValueError as error:
        return f"the step cannot be computed from its inputs ({error})"
    for name, right in zip(step.outputs, outputs, strict=True):
        found = evaluator.candidate.get(name)
        if found is None or array_distance(right, found) <= step.tolerance:
            continue
        if found.shape != right.shape:
            return f"{name} has shape {found.shape}, expected {right.shape}"
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            count = int((~np.isfinite(found)).sum())
            return f"{count} of {found.size} values of {name} are NaN or infinite"
        count = int((found != right).sum())
        share = f"{array_distance(right, found):.2g} of the greatest magnitude"
        return f"{count} of {found.size} values of {name} differ, by up to {share}"
    return "the values differ"


def simulate(detection: DetectionSteps, faults: Mapping[str, Parameters] | None = None) -> dict[str, Array]:
    """Return all tensors of a detection with faults. `faults` maps kinds of steps to parameters.

    Raises ValueError if a fault gives a result that the next step cannot use.
    """
    tensors: dict[str, Array] = {IMAGE: detection.image}

    def count(stage: StageName) -> int:
        found = len(tensors[f"{stage}/boxes_in"])
        if found > MAX_CROPS:
            raise ValueError(f"expected at most {MAX_CROPS} boxes that enter {stage}, found {found}")
        return found

    for step in detection.all(count):
        parameters = (faults or {}).get(step.kind, CORRECT)
        outputs = step.run([tensors[name] for name in step.inputs], parameters)
        tensors.update(zip(step.outputs, outputs, strict=True))
    del tensors[IMAGE]
    return tensors


def measure_effect(
    detection: DetectionSteps, right: Array, faults: Mapping[str, Parameters]
) -> FaultEffect | None:
    """Effect of faults on the correct final boxes `right`.

    Return None if the detection cannot run with these faults.
    """
    try:
        with np.errstate(all="ignore"):
            boxes = simulate(detection, faults)["final/boxes"]
    except (ValueError, IndexError, ArithmeticError, MemoryError):
        return None
    if not np.isfinite(boxes).all():
        return None
    pairs = pair_boxes(right, boxes)
    moved = max((max(map(abs, pair.offset)) for pair in pairs if pair.offset), default=0.0)
    return FaultEffect(moved, sum(pair.b is None for pair in pairs), sum(pair.a is None for pair in pairs))


def undetectable_faults(evaluator: StepEvaluator, steps: Sequence[Step]) -> Iterator[UndetectableFault]:
    """Faults of one kind of step that would not change the values in the trace. `steps` are correct.

    For example, pooling that rounds down gives the same maps for even sizes, and suppression of a single box
    gives the same result for every limit.
    """
    first = steps[0]
    for fault in first.faults:
        faults = {first.kind: {fault.parameter: fault.value}}
        if all(evaluator.distance(step, faults) <= step.tolerance for step in steps):
            yield UndetectableFault(first.kind, fault.parameter, fault.text)


def sort_by_step(
    detection: DetectionSteps, found: Iterable[UndetectableFault], checked_kinds: set[str]
) -> tuple[UndetectableFault, ...]:
    """Undetectable faults and kinds of steps that were not checked, in execution order."""
    kinds = detection.kinds()
    absent = [UndetectableFault(kind) for kind in kinds if kind not in checked_kinds]
    order = {kind: index for index, kind in enumerate(kinds)}
    return tuple(sorted([*found, *absent], key=lambda one: order.get(one.kind, len(kinds))))
