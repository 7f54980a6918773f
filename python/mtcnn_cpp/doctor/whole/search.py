"""Which faults give what they have: a step computed from their inputs, under every fault and every pair."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .fault import RIGHT, Array, Fault, Knobs
from .steps import PICTURE, Setting, Step

PROBES = 3  # levels or crops on which faults are tried, before all are looked at
FLIPPED = 0.02  # of the values, where pixels are rounded to 8 bits: see `apart`
PAIRS_AT_MOST = 100  # pairs that are tried with faults of steps before, of which nothing is shown
Chosen = tuple[tuple[str, Fault], ...]  # kind of step and fault


@dataclass(frozen=True)
class Fit:
    """Faults that give what they have at `steps` of one kind. `distance`: how far off still, as a share of
    the greatest magnitude; 0 for every bit equal."""

    faults: Chosen
    distance: float


class Evidence:
    """What they have, what the gold trace has, and what can be computed from these."""

    def __init__(
        self, setting: Setting, steps: Sequence[Step], theirs: Mapping[str, Array], gold: Mapping[str, Array]
    ) -> None:
        self.setting = setting
        self.theirs = theirs
        self.gold = gold
        self._hidden: dict[Step, list[str]] = {}
        self.producers = {name: step for step in steps for name in step.outputs}

    def known(self, step: Step, tainted: set[str]) -> bool:
        """Whether all that the step takes is theirs, or the same as gold's."""
        return all(
            name == PICTURE or name in self.theirs or (name in self.gold and name not in tainted)
            for name in step.inputs
        )

    def hidden(self, step: Step) -> list[str]:
        """Kinds of steps before this one of whose outcome they show nothing, nearest first: those of the same
        network, and whatever gives it its inputs."""
        if step in self._hidden:
            return self._hidden[step]
        network = step.kind.partition("/")[0]
        found: dict[str, None] = {}
        waiting = [name for name in step.inputs if name not in self.theirs]
        while waiting:
            name = waiting.pop(0)
            before = self.producers.get(name)
            if before is None or before.kind in found:
                continue
            if name in step.inputs or before.kind.partition("/")[0] == network:
                found[before.kind] = None
                waiting += [name for name in before.inputs if name not in self.theirs]
        self._hidden[step] = list(found)
        return self._hidden[step]

    def compute(self, step: Step, faults: Mapping[str, Knobs]) -> tuple[Array, ...]:
        """The step's outputs from their inputs; from gold's, or from what faults before it make of them,
        where they have none. ValueError where something does not fit."""
        memory: dict[str, Array] = {}
        with np.errstate(all="ignore"):
            return self._run(step, faults, memory)

    def _run(self, step: Step, faults: Mapping[str, Knobs], memory: dict[str, Array]) -> tuple[Array, ...]:
        given = [self._value(name, faults, memory) for name in step.inputs]
        try:
            return step.run(given, faults.get(step.kind, RIGHT))
        except (IndexError, KeyError, ArithmeticError, MemoryError) as error:
            raise ValueError(f"{step.outputs[0]}: {error}") from error

    def _value(self, name: str, faults: Mapping[str, Knobs], memory: dict[str, Array]) -> Array:
        if name == PICTURE:
            return self.setting.picture
        if name in self.theirs:
            return self.theirs[name]
        if name not in memory:
            step = self.producers.get(name)
            changed = step is not None and any(kind in faults for kind in (step.kind, *self.hidden(step)))
            if changed and step is not None:
                memory.update(zip(step.outputs, self._run(step, faults, memory), strict=True))
            elif name in self.gold:
                memory[name] = self.gold[name]
            else:
                raise ValueError(f"{name} is not known")
        return memory[name]

    def distance(self, step: Step, faults: Mapping[str, Knobs]) -> float:
        """How far what is computed is from what they have, over all of the step's outputs that they have."""
        try:
            outputs = self.compute(step, faults)
        except ValueError:
            return math.inf
        pairs = [
            (a, self.theirs[name])
            for name, a in zip(step.outputs, outputs, strict=True)
            if name in self.theirs
        ]
        rounded = any("pixels" in faults.get(kind, RIGHT) for kind in (step.kind, *self.hidden(step)))
        return max((apart(a, b, FLIPPED if rounded else 0.0) for a, b in pairs), default=math.inf)


def apart(a: Array, b: Array, forgiven: float = 0.0) -> float:
    """The largest difference as a share of a's greatest magnitude; 0 where all are equal, infinite where
    shapes, whole numbers, or places of NaN and infinities differ. `forgiven`: the share of the values that
    may differ more, for pixels that another last bit rounds to the next whole number."""
    if a.shape != b.shape:
        return math.inf
    if a.size == 0 or np.array_equal(a, b):
        return 0.0
    if a.dtype.kind in "iu":
        return math.inf
    good = np.isfinite(a)
    if not (good == np.isfinite(b)).all() or not good.any():
        return math.inf
    x, y = a[good].astype(np.float64), b[good].astype(np.float64)
    differences = np.abs(x - y)
    place = max(math.ceil(differences.size * (1 - forgiven)) - 1, 0)
    farthest = np.sort(differences)[place] if forgiven else differences.max()
    return float(farthest / max(np.abs(x).max(), 1e-30))


def search(evidence: Evidence, steps: Sequence[Step]) -> list[Fit]:
    """For steps of one kind: nothing but the right way where that gives what they have; else the single
    faults that do, the best first; else the pairs; else nothing."""
    tolerance = steps[0].tolerance
    right = {step: evidence.distance(step, {}) for step in steps}
    if max(right.values()) <= tolerance:
        return [Fit((), max(right.values()))]
    guilty = [step for step in steps if right[step] > tolerance]
    probes = sorted(
        guilty, key=lambda step: sum(evidence.theirs[n].size for n in step.outputs if n in evidence.theirs)
    )
    probes = informative(evidence, probes)
    space = [(steps[0].kind, fault) for fault in steps[0].faults]
    hidden = {kind: step for step in evidence.producers.values() for kind in [step.kind]}
    space += [(kind, fault) for kind in evidence.hidden(steps[0]) for fault in hidden[kind].faults]
    for choices in (singles(space), pairs(space)):
        fits = []
        for chosen in choices:
            faults = as_knobs(chosen)
            if not all(evidence.distance(step, faults) <= tolerance for step in probes):
                continue
            farthest = max(evidence.distance(step, faults) for step in steps)
            if farthest <= tolerance:
                fits.append(Fit(chosen, farthest))
        if fits:
            return sorted(fits, key=lambda fit: fit.distance)
    return []


def informative(evidence: Evidence, steps: list[Step]) -> list[Step]:
    """The smallest of the guilty steps, and the largest: it tells more faults apart."""
    return steps if len(steps) <= PROBES else [*steps[: PROBES - 1], steps[-1]]


def singles(space: Sequence[tuple[str, Fault]]) -> Iterator[Chosen]:
    yield from ((one,) for one in space)


def pairs(space: Sequence[tuple[str, Fault]]) -> Iterator[Chosen]:
    """Of different knobs; all within the first kind, then some of the others."""
    own = space[0][0] if space else ""
    found = [(a, b) for a, b in itertools.combinations(space, 2) if (a[0], a[1].knob) != (b[0], b[1].knob)]
    within = [pair for pair in found if all(kind == own for kind, _ in pair)]
    yield from within
    others = [pair for pair in found if any(kind != own for kind, _ in pair)]
    yield from others[:PAIRS_AT_MOST]


def as_knobs(chosen: Chosen) -> dict[str, dict[str, str]]:
    """By kind of step."""
    result: dict[str, dict[str, str]] = {}
    for kind, fault in chosen:
        result.setdefault(kind, {})[fault.knob] = fault.value
    return result
