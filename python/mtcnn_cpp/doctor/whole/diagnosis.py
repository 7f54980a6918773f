"""The diagnosis of a whole trace: every step that is wrong by itself, with what was done there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...model import Model
from ...reference.options import Options
from ...trace.errors import TraceError
from ...trace.file.trace import Trace
from ...trace.judge.ulp import ulp_distance
from ...types import StageName
from .effect import MOST_CROPS, effect
from .fault import Array
from .guilty import Guilty
from .search import Evidence, Fit, apart, as_knobs, search
from .steps import Setting, Step
from .theirs import as_ours
from .unseen import Unseen, absent_kinds, unseen_faults


@dataclass(frozen=True)
class TraceDiagnosis:
    """What is wrong with a trace. guilty: the steps that are, in execution order. right: how many levels,
    crops and lists were computed from their own inputs and are right; values: how many numbers these have.
    notes: what could not be judged, and why. unseen: faults that would leave the same numbers in this trace,
    and kinds of steps that it has nothing of, in execution order; None if they were not looked for."""

    source: str
    guilty: tuple[Guilty, ...]
    right: int
    values: int
    notes: tuple[str, ...]
    unseen: tuple[Unseen, ...] | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. Never where nothing was compared."""
        return not self.guilty and self.values > 0

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        if not self.guilty:
            if not self.values:
                return "nothing could be judged"
            right = f"{self.right:,} tensors are what their inputs give ({self.values:,} values)"
            return f"nothing is wrong: {right}{'; ' if self.limits else ''}{self.limits}"
        first, count = self.guilty[0], len(self.guilty)
        more = f" (and {count - 1} more step{'s' * (count > 2)})" if count > 1 else ""
        return f"{first.kind}: {first.text}{more}"

    @property
    def limits(self) -> str:
        """How much the trace could not show, in words; empty for nothing."""
        unseen = self.unseen or ()
        absent = sum(not one.knob for one in unseen)
        parts = []
        if len(unseen) > absent:
            parts.append(f"{len(unseen) - absent} faults would not show in this trace")
        if absent:
            parts.append(f"it has nothing of {absent} kinds of steps")
        return ", and ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """All of it; for JSON through `trace.judge.plain`."""
        return {
            "source": self.source,
            "ok": self.ok,
            "headline": self.headline,
            "right": self.right,
            "values": self.values,
            "guilty": [one.to_dict() for one in self.guilty],
            "notes": list(self.notes),
            "unseen": None if self.unseen is None else [vars(one) for one in self.unseen],
        }


def diagnose_trace(
    theirs: Trace, gold: Trace, model: Model | None = None, *, unseen: bool = True
) -> TraceDiagnosis:
    """Find the steps of somebody's detection that are wrong by themselves, and name what was done there.

    theirs: any of the tensors of their detection, with values. gold: the trace of a right one of the same
    picture, with values. model: the networks of gold; None for the built-in ones. unseen: also look for
    faults that this trace could not show, which takes some seconds. Raises TraceError where they are of
    different pictures or share no name, or gold lacks values, picture or networks.
    """
    model = Model.default() if model is None else model
    setting = make_setting(theirs, gold, model)
    arrays, notes = as_ours(theirs, gold)
    steps = list(setting.steps(lambda stage: crops(arrays, gold, stage)))
    evidence = Evidence(setting, steps, arrays, gold)
    guilty: list[Guilty] = []
    tainted: set[str] = set()
    right = values = unknown = 0
    hidden: list[Unseen] = []
    judged: set[str] = set()
    for kind, group in by_kind(steps):
        seen = [step for step in group if any(name in arrays for name in step.outputs)]
        known = [step for step in seen if evidence.known(step, tainted)]
        unknown += len(seen) - len(known)
        fits = search(evidence, known) if known else [Fit((), 0.0)]
        wrong = not fits or bool(fits[0].faults)
        if wrong:
            guilty.append(describe(evidence, kind, known, fits))
        else:
            right += sum(name in arrays for step in known for name in step.outputs)
            values += count_values(known, arrays)
            if unseen and known:
                hidden += unseen_faults(evidence, known)
        if known:
            judged.add(kind)
        for step in group:
            if (wrong and step in known) or not tainted.isdisjoint(step.inputs):
                tainted.update(step.outputs)
    if unknown:
        notes.append(
            f"{unknown} tensors were not judged: they follow a fault, and the trace lacks what they were "
            "computed from"
        )
    found = tuple(in_order(setting, [*hidden, *absent_kinds(setting, judged)])) if unseen else None
    return TraceDiagnosis(theirs.source, tuple(guilty), right, values, tuple(notes), found)


def in_order(setting: Setting, unseen: list[Unseen]) -> list[Unseen]:
    """In execution order."""
    order = list(dict.fromkeys(step.kind for step in setting.steps(lambda stage: 1)))
    return sorted(unseen, key=lambda one: order.index(one.kind) if one.kind in order else len(order))


def make_setting(theirs: Trace, gold: Trace, model: Model) -> Setting:
    """What both detections share. Raises as `diagnose_trace`."""
    for trace in (theirs, gold):
        if trace.manifest.capture != "full":
            raise TraceError(f"{trace.source} holds no values (capture level {trace.manifest.capture!r})")
    if gold.manifest.picture is None:
        raise TraceError(f"{gold.source} holds no picture, which the doctor computes from; make it with dump")
    if theirs.manifest.picture is not None and theirs.manifest.picture != gold.manifest.picture:
        raise TraceError(f"{theirs.source} and {gold.source} are of different pictures")
    hashes = model.hashes()
    if any(gold.manifest.model.get(stage, digest) != digest for stage, digest in hashes.items()):
        raise TraceError(
            f"the manifest of {gold.source} says that it was made with other networks than those here; "
            "give its --model"
        )
    given = dict(gold.manifest.options) | dict(theirs.manifest.options)
    picture = np.ascontiguousarray(gold.picture[..., ::-1])
    try:
        options = Options(**{name: given[name] for name in vars(Options()) if name in given})
        return Setting(model, options, picture)
    except (TypeError, ValueError) as error:
        raise TraceError(
            f"{theirs.source}, against {gold.source}: its options cannot be used ({error})"
        ) from error


def crops(theirs: Mapping[str, Array], gold: Mapping[str, Array], stage: StageName) -> int:
    """How many crops a network got in their detection, as far as they show it. TraceError for more than can
    be looked at."""
    boxes = f"{stage}/boxes_in"
    numbers = [int(name.split("/")[1][4:]) + 1 for name in theirs if name.startswith(f"{stage}/crop")]
    listed = len(theirs[boxes]) if boxes in theirs else len(gold[boxes]) if boxes in gold else 0
    count = max([listed, *numbers])
    if count > MOST_CROPS:
        raise TraceError(f"{count} crops of {stage} are more than the doctor looks at ({MOST_CROPS})")
    return count


def by_kind(steps: Sequence[Step]) -> Iterator[tuple[str, list[Step]]]:
    """Steps of one kind together, in the order of the first of each."""
    kinds: dict[str, list[Step]] = {}
    for step in steps:
        kinds.setdefault(step.kind, []).append(step)
    yield from kinds.items()


def count_values(steps: Sequence[Step], arrays: Mapping[str, Array]) -> int:
    return sum(arrays[name].size for step in steps for name in step.outputs if name in arrays)


def describe(evidence: Evidence, kind: str, steps: Sequence[Step], fits: Sequence[Fit]) -> Guilty:
    """Figures of a step that is wrong, and what its fault does to the faces."""
    tolerance = steps[0].tolerance
    distances = [evidence.distance(step, {}) for step in steps]
    wrong = [step for step, far in zip(steps, distances, strict=True) if far > tolerance]
    first = next(name for name in wrong[0].outputs if name in evidence.theirs)
    faults = as_knobs(fits[0].faults) if fits else {}
    farthest = max((ulps(evidence, step, faults) for step in steps), default=0.0) if fits else 0.0
    right = evidence.gold.get("final/boxes")
    return Guilty(
        kind=kind,
        first=first,
        fits=tuple(fits),
        places=len(wrong),
        of=len(steps),
        values=count_values(steps, evidence.theirs),
        ulp=farthest,
        distance=max(distances),
        found=what_is_there(evidence, wrong[0]),
        effect=effect(evidence.setting, right, faults) if fits and right is not None else None,
    )


def ulps(evidence: Evidence, step: Step, faults: Mapping[str, Mapping[str, str]]) -> float:
    """The largest distance of their values from ours with these faults."""
    outputs = evidence.compute(step, faults)
    return max(
        float(ulp_distance(a, evidence.theirs[name]).max(initial=0.0))
        for name, a in zip(step.outputs, outputs, strict=True)
        if name in evidence.theirs
    )


def what_is_there(evidence: Evidence, step: Step) -> str:
    """How their values differ from the right ones, in words."""
    try:
        outputs = evidence.compute(step, {})
    except ValueError as error:
        return f"it cannot be computed from its inputs ({error})"
    for name, right in zip(step.outputs, outputs, strict=True):
        theirs = evidence.theirs.get(name)
        if theirs is None or apart(right, theirs) <= step.tolerance:
            continue
        if theirs.shape != right.shape:
            return f"{name} has shape {theirs.shape}, expected {right.shape}"
        if theirs.dtype.kind == "f" and not np.isfinite(theirs).all():
            return (
                f"{int((~np.isfinite(theirs)).sum())} of {theirs.size} values of {name} are NaN or infinite"
            )
        count = int((theirs != right).sum())
        share = f"{apart(right, theirs):.2g} of the greatest magnitude"
        return f"{count} of {theirs.size} values of {name} differ, by up to {share}"
    return "it differs"
