"""Search for the faults of a step. Single faults, and then pairs, are tried on the candidate's inputs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .faults import CORRECT, Array, Fault, Parameters
from .steps import IMAGE, DetectionSteps, Step

PROBES = 3  # a fault is tried on this number of levels or crops before it is tried on all
ROUNDING_OUTLIERS = 0.02  # argument `outliers` of `array_distance` if pixels are rounded to 8 bits
MAX_PAIRS = 100  # maximum number of pairs that include faults of previous, unrecorded steps
FaultSet = tuple[tuple[str, Fault], ...]  # for each fault: the kind of step, and the fault


@dataclass(frozen=True)
class Match:
    """Faults that give the candidate's values at all steps of one kind.

    `distance`: difference that remains, as a share of the greatest magnitude. It is 0 if all values are
    equal.
    """

    faults: FaultSet
    distance: float


class StepEvaluator:
    """Computes steps from the candidate's tensors.

    If the candidate lacks an input, the tensor of the reference is used, or the tensor is computed.
    """

    def __init__(
        self,
        detection: DetectionSteps,
        steps: Sequence[Step],
        candidate: Mapping[str, Array],
        reference: Mapping[str, Array],
    ) -> None:
        self.detection = detection
        self.candidate = candidate
        self.reference = reference
        self._unrecorded: dict[Step, list[str]] = {}
        self.producers = {name: step for step in steps for name in step.outputs}

    def is_computable(self, step: Step, tainted: set[str]) -> bool:
        """Whether all inputs are available.

        An input is available in three cases: it is the image; the candidate recorded it; or the reference
        recorded it and it is not in `tainted`. `tainted` contains the tensors that depend on a faulty step.
        """
        return all(
            name == IMAGE or name in self.candidate or (name in self.reference and name not in tainted)
            for name in step.inputs
        )

    def unrecorded(self, step: Step) -> list[str]:
        """Kinds of previous steps whose outputs the candidate did not record, nearest first.

        The result contains only steps of the same network, and steps that directly compute an input of
        `step`.
        """
        if step in self._unrecorded:
            return self._unrecorded[step]
        network = step.kind.partition("/")[0]
        found: dict[str, None] = {}
        waiting = [name for name in step.inputs if name not in self.candidate]
        while waiting:
            name = waiting.pop(0)
            producer = self.producers.get(name)
            if producer is None or producer.kind in found:
                continue
            if name in step.inputs or producer.kind.partition("/")[0] == network:
                found[producer.kind] = None
                waiting += [name for name in producer.inputs if name not in self.candidate]
        self._unrecorded[step] = list(found)
        return self._unrecorded[step]

    def compute(self, step: Step, faults: Mapping[str, Parameters]) -> tuple[Array, ...]:
        """Compute the outputs of a step. Raises ValueError if shapes or indices do not match.

        `faults` maps kinds of steps to parameters. It can also contain faults of unrecorded previous steps,
        which change the inputs.
        """
        computed: dict[str, Array] = {}
        with np.errstate(all="ignore"):
            return self._run(step, faults, computed)

    def _run(
        self, step: Step, faults: Mapping[str, Parameters], computed: dict[str, Array]
    ) -> tuple[Array, ...]:
        given = [self._value(name, faults, computed) for name in step.inputs]
        try:
            return step.run(given, faults.get(step.kind, CORRECT))
        except (IndexError, KeyError, ArithmeticError, MemoryError) as error:
            raise ValueError(f"{step.outputs[0]}: {error}") from error

    def _value(self, name: str, faults: Mapping[str, Parameters], computed: dict[str, Array]) -> Array:
        if name == IMAGE:
            return self.detection.image
        if name in self.candidate:
            return self.candidate[name]
        if name not in computed:
            step = self.producers.get(name)
            if step is not None and any(kind in faults for kind in (step.kind, *self.unrecorded(step))):
                computed.update(zip(step.outputs, self._run(step, faults, computed), strict=True))
            elif name in self.reference:
                computed[name] = self.reference[name]
            else:
                raise ValueError(f"{name} is in neither trace")
        return computed[name]

    def distance(self, step: Step, faults: Mapping[str, Parameters]) -> float:
        """Largest relative difference between computed and recorded outputs of a step."""
        try:
            outputs = self.compute(step, faults)
        except ValueError:
            return math.inf
        pairs = [
            (array, self.candidate[name])
            for name, array in zip(step.outputs, outputs, strict=True)
            if name in self.candidate
        ]
        rounded = any("pixels" in faults.get(kind, CORRECT) for kind in (step.kind, *self.unrecorded(step)))
        outliers = ROUNDING_OUTLIERS if rounded else 0.0
        return max((array_distance(a, b, outliers) for a, b in pairs), default=math.inf)


def array_distance(a: Array, b: Array, outliers: float = 0.0) -> float:
    """Largest difference as a share of the greatest magnitude of `a`.

    It is 0 if all values are equal, and infinite if shapes, integers, or positions of NaN and infinity
    differ. `outliers` is the share of values that are ignored: the values with the largest differences. This
    is necessary if pixels are rounded, because a difference in the last bit can change a rounded value by 1.
    """
    if a.shape != b.shape:
        return math.inf
    if a.size == 0 or np.array_equal(a, b):
        return 0.0
    if a.dtype.kind in "iu":
        return math.inf
    finite = np.isfinite(a)
    if not (finite == np.isfinite(b)).all() or not finite.any():
        return math.inf
    x, y = a[finite].astype(np.float64), b[finite].astype(np.float64)
    differences = np.abs(x - y)
    index = max(math.ceil(differences.size * (1 - outliers)) - 1, 0)
    largest = np.sort(differences)[index] if outliers else differences.max()
    return float(largest / max(np.abs(x).max(), 1e-30))


def find_faults(evaluator: StepEvaluator, steps: Sequence[Step]) -> list[Match]:
    """Find the faults that explain the candidate's values at all steps of one kind.

    If the steps are correct, the result is one match without faults. Otherwise the result contains the
    matching single faults, sorted by distance. If no single fault matches, it contains the matching pairs of
    faults. If no pair matches, it is empty.
    """
    tolerance = steps[0].tolerance
    distances = {step: evaluator.distance(step, {}) for step in steps}
    if max(distances.values()) <= tolerance:
        return [Match((), max(distances.values()))]
    probes = choose_probes(evaluator, [step for step in steps if distances[step] > tolerance])
    space = [(steps[0].kind, fault) for fault in steps[0].faults]
    by_kind = {step.kind: step for step in evaluator.producers.values()}
    space += [(kind, fault) for kind in evaluator.unrecorded(steps[0]) for fault in by_kind[kind].faults]
    for fault_sets in (((one,) for one in space), fault_pairs(space)):
        matches = []
        for faults in fault_sets:
            parameters = parameters_by_kind(faults)
            if not all(evaluator.distance(step, parameters) <= tolerance for step in probes):
                continue
            largest = max(evaluator.distance(step, parameters) for step in steps)
            if largest <= tolerance:
                matches.append(Match(faults, largest))
        if matches:
            return sorted(matches, key=lambda match: match.distance)
    return []


def choose_probes(evaluator: StepEvaluator, steps: Sequence[Step]) -> list[Step]:
    """Return some faulty steps: the smallest steps and the largest step.

    The smallest steps are fast to compute. The largest step can show faults that small steps cannot show.
    """
    recorded = evaluator.candidate
    ordered = sorted(steps, key=lambda step: sum(recorded[n].size for n in step.outputs if n in recorded))
    return ordered if len(ordered) <= PROBES else [*ordered[: PROBES - 1], ordered[-1]]


def fault_pairs(space: Sequence[tuple[str, Fault]]) -> Iterator[FaultSet]:
    """Pairs of faults of different parameters, for example of a kernel and of a stride.

    First, all pairs of two faults in the kind of step that comes first in `space`; then at most MAX_PAIRS
    other pairs.
    """
    own = space[0][0] if space else ""
    pairs = [
        (a, b)
        for a, b in itertools.combinations(space, 2)
        if (a[0], a[1].parameter) != (b[0], b[1].parameter)
    ]
    yield from (pair for pair in pairs if all(kind == own for kind, _ in pair))
    others = [pair for pair in pairs if any(kind != own for kind, _ in pair)]
    yield from others[:MAX_PAIRS]


def parameters_by_kind(faults: FaultSet) -> dict[str, dict[str, str]]:
    result: dict[str, dict[str, str]] = {}
    for kind, fault in faults:
        result.setdefault(kind, {})[fault.parameter] = fault.value
    return result
