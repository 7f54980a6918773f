"""Judge: compares two traces tensor by tensor, and finds the first that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import TraceError
from ..file.trace import Trace
from ..names import chosen, hint
from .magnitudes import Magnitudes
from .missing import why_missing
from .order import ANOTHER_ORDER, BoxOrder
from .report import Report, Row
from .tolerances import Tolerance, Tolerances, TolerancesLike
from .verdict import Verdict, judge


@dataclass(frozen=True)
class Judge:
    """What a comparison looks at, and what it allows.

    tolerances: how much may differ, in any form that `Tolerances.of` takes; None: every value must be equal.
    only: patterns of the names to compare; none for all.
    fail_fast: stop at the first tensor that fails.
    strict: a tensor that only one trace holds is a failure; else what both hold is compared, and what one
    lacks is a note.

    Raises TraceError for tolerances that cannot be used.
    """

    tolerances: TolerancesLike | None = None
    only: Sequence[str] = ()
    fail_fast: bool = False
    strict: bool = False
    rules: Tolerances = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", Tolerances.of(self.tolerances))

    def compare(
        self,
        a: Trace,
        b: Trace,
        names: Sequence[str] | None = None,
        each: Callable[[Row], None] = lambda row: None,
    ) -> Report:
        """Compare b with the reference a, in a's execution order.

        names: the tensors to look at, in order, all of which must be there; None for all that either trace
        holds. each: called with every row as soon as it is known; what it raises ends the comparison.

        Raises TraceError when the two are of different pictures, when they have no tensor in common (unless
        one that is missing is a failure), when a pattern (of `only` or of a tolerance) fits no name, or when
        a file is damaged.
        """
        require_same_picture(a, b)
        strict = self.strict or names is not None
        names = merged(a.names, b.names) if names is None else names
        if not names:
            raise TraceError("there is nothing to compare: neither trace holds a tensor")
        names = chosen(self.only, names)
        if not strict:
            require_common(a, b, names)
        self.rules.require_known(names)
        rows = tuple(self._rows(a, b, names, strict, each))
        notes = [*_notes(a, b, self.only), *why_missing(a, b, names)]
        if len(rows) < len(names):
            notes.append(f"stopped at the first failure: {len(names) - len(rows)} tensors were not compared")
        return Report(a, b, rows, tuple(notes))

    def _rows(
        self, a: Trace, b: Trace, names: Sequence[str], strict: bool, each: Callable[[Row], None]
    ) -> Iterator[Row]:
        magnitudes, order = Magnitudes(a), BoxOrder(a, b)
        for name in names:
            row = compare_tensor(a, b, name, self.rules[name], magnitudes, strict, order)
            each(row)
            yield row
            if self.fail_fast and not row.ok:
                return


def compare(
    a: Trace,
    b: Trace,
    *,
    tolerances: TolerancesLike | None = None,
    only: Sequence[str] = (),
    fail_fast: bool = False,
    strict: bool = False,
) -> Report:
    """`Judge(tolerances, only, fail_fast, strict).compare(a, b)`: b against the reference a, tensor by
    tensor."""
    return Judge(tolerances, only, fail_fast, strict).compare(a, b)


def merged(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """All names in the order of `first`; a name that only `second` has stands where it stands there."""
    known = set(first)
    followers: dict[str, list[str]] = {"": []}
    anchor = ""
    for name in second:
        if name in known:
            anchor = name
        else:
            followers.setdefault(anchor, []).append(name)
    result = list(followers[""])
    for name in first:
        result += [name, *followers.get(name, ())]
    return result


def compare_tensor(
    a: Trace,
    b: Trace,
    name: str,
    tolerance: Tolerance,
    magnitudes: Magnitudes,
    strict: bool,
    order: BoxOrder,
) -> Row:
    """The comparison of one tensor that one trace or both hold. `magnitudes`: of a's layers; `strict`:
    whether one that is missing fails.

    If it fails, and b has the same boxes in another order because of scores that are nearly equal (`order`),
    the values are compared box by box. That passes if the tolerance allows it and is not "exact".
    """
    if name not in b:
        return Row(name, "missing", not strict, f"{b.source} lacks it", a.entry(name), None, tolerance)
    if name not in a:
        return Row(name, "extra", not strict, f"only {b.source} has it", None, b.entry(name), tolerance)
    x, y = a.entry(name), b.entry(name)
    verdict: Verdict = "different"
    ok, reason, measured, reordered = False, "", None, False
    if x.dtype != y.dtype:
        reason = f"dtype {x.dtype} against {y.dtype}"
    elif x.shape != y.shape:
        reason = f"shape {x.shape} against {y.shape}"
    elif a.manifest.capture == b.manifest.capture == "full":
        magnitude = magnitudes[name] if tolerance.share else None
        verdict, ok, reason, measured = judge(a[name], b[name], tolerance, x.layout, magnitude)
        if not ok and (values := order.values(name)) is not None:
            reordered = True
            verdict, ok, more, measured = judge(a[name], values, tolerance, x.layout, magnitude)
            reason = f"{ANOTHER_ORDER}, {more}" if more else ANOTHER_ORDER
            if ok and tolerance == Tolerance():
                verdict, ok = "different", False
            elif ok:
                verdict = "close"
    elif x.sha256 is None or y.sha256 is None:
        verdict, reason = "unchecked", "a trace holds names only: shape and dtype agree, values unknown"
    elif x.sha256 == y.sha256:
        verdict, ok = "identical", True
    else:
        reason = "the SHA-256 differ; how far the values are apart needs two full traces"
    return Row(name, verdict, ok, reason, x, y, tolerance, measured, reordered)


def require_common(a: Trace, b: Trace, names: Sequence[str]) -> None:
    """Raise TraceError where no one of `names` is in both traces."""
    if any(name in a and name in b for name in names):
        return
    counts = [sum(name in trace for name in names) for trace in (a, b)]
    example = next((name for name in names if name in b), "")
    hints = hint(example, a) if example else ""
    raise TraceError(
        f"there is nothing to compare: of {counts[0]} tensors that {a.source} holds and {counts[1]} that "
        f"{b.source} holds, none has the same name"
        + (f"; {b.source} has {example}{hints}" if example else "")
    )


def require_same_picture(a: Trace, b: Trace) -> None:
    """Raise TraceError where both traces name a picture, and not the same."""
    first, second = a.manifest.picture, b.manifest.picture
    if first is None or second is None or first == second:
        return
    hint = ""
    both_full = a.manifest.capture == b.manifest.capture == "full" and first.shape == second.shape
    if both_full and np.array_equal(a.picture, b.picture[..., ::-1]):
        hint = "; they are equal with red and blue swapped: one side was given the wrong `color`"
    raise TraceError(
        f"the traces are of different pictures: {a.source}: {_words(first)}, "
        f"{b.source}: {_words(second)}{hint}"
    )


def _words(picture: Any) -> str:
    return f"{picture.shape} {picture.dtype} SHA-256 {picture.sha256[:16]}…"


def _notes(a: Trace, b: Trace, only: Sequence[str]) -> Iterator[str]:
    if a.manifest.picture is None or b.manifest.picture is None:
        yield "a trace names no picture: whether both saw the same one is not known"
    for what in ("options", "model"):
        first, second = getattr(a.manifest, what), getattr(b.manifest, what)
        if first and second:
            for key in first:
                if first[key] != second.get(key):
                    one, other = _short(first[key]), _short(second.get(key))
                    yield f"different {what}: {key} is {one} in a, {other} in b, as their manifests say"
    for side, trace in (("a", a), ("b", b)):
        if original := trace.manifest.made_by.get("openface"):
            yield (
                f"the manifest of {side} says that OpenFace computed its layers, in mtcnn_cpp's cascade (not "
                f"checked): {original}"
            )
        if trace.manifest.capture != "full":
            yield f"{side} holds no values: its shapes and SHA-256 are what its manifest says"
    if only:
        yield f"only {', '.join(only)}"
    common = [name for name in a.names if name in b]
    for first_name, second_name in zip(common, (name for name in b.names if name in a), strict=True):
        if first_name != second_name:
            yield f"the order of execution differs: where a has {first_name}, b has {second_name}"
            break


def _short(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) > 20 else str(value)
