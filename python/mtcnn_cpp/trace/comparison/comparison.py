"""Comparison of two traces, tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from ..errors import TraceError
from ..names import select_names, suggest_names, template
from ..trace import Trace
from .boxes import ANOTHER_ORDER, BoxOrder
from .report import Report, TensorComparison
from .statistics import LayerMagnitudes
from .tolerances import Tolerance, Tolerances, TolerancesLike, Verdict, compare_values


@dataclass(frozen=True)
class ComparisonOptions:
    """Options of a comparison.

    Args:
        tolerances: Allowed differences: a number (atol and rtol), a `Tolerance`, a dict from name pattern to
            number or dict, or the path of a TOML file. None: every value must be equal.
        only: Patterns of the names to compare. Empty: all.
        fail_fast: Stop at the first tensor that fails.
        strict: True: a tensor that is missing in one trace is a failure. False: it only produces a note.

    Raises:
        TraceError: The tolerances are not valid.
    """

    tolerances: TolerancesLike | None = None
    only: Sequence[str] = ()
    fail_fast: bool = False
    strict: bool = False
    rules: Tolerances = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", Tolerances.of(self.tolerances))


def compare_traces(
    a: Trace,
    b: Trace,
    options: ComparisonOptions,
    names: Sequence[str] | None = None,
    on_tensor: Callable[[TensorComparison], None] = lambda tensor: None,
) -> Report:
    """Compare b with the reference a, in the execution order of a.

    Args:
        names: The tensors to compare, in order; all of them must be in both traces. None: every tensor that
            is in at least one of the traces.
        on_tensor: Function that is called with each result as soon as it is known. If it raises an exception,
            the comparison ends.

    Raises:
        TraceError: The traces are of different images; a file is damaged; a pattern (of `only` or of a
            tolerance) matches no name; or the traces have no tensor in common and `strict` is False.
    """
    require_same_image(a, b)
    strict = options.strict or names is not None
    names = merge_names(a.names, b.names) if names is None else names
    if not names:
        raise TraceError("there is nothing to compare: neither trace contains a tensor")
    names = select_names(options.only, names)
    if not strict:
        require_common_tensors(a, b, names)
    options.rules.require_known(names)
    tensors = tuple(_compare_tensors(a, b, names, options, strict, on_tensor))
    notes = [*_notes(a, b, options.only), *explain_missing(a, b, names)]
    if len(tensors) < len(names):
        notes.append(f"stopped at the first failure: {len(names) - len(tensors)} tensors were not compared")
    return Report(a, b, tensors, tuple(notes))


def _compare_tensors(
    a: Trace,
    b: Trace,
    names: Sequence[str],
    options: ComparisonOptions,
    strict: bool,
    on_tensor: Callable[[TensorComparison], None],
) -> Iterator[TensorComparison]:
    magnitudes, order = LayerMagnitudes(a), BoxOrder(a, b)
    for name in names:
        result = compare_tensor(a, b, name, options.rules[name], magnitudes, strict, order)
        on_tensor(result)
        yield result
        if options.fail_fast and not result.ok:
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
    """Compare b with the reference a, tensor by tensor.

    Args:
        a: The reference.
        b: The candidate.
        tolerances: As for `ComparisonOptions`.
        only: As for `ComparisonOptions`.
        fail_fast: As for `ComparisonOptions`.
        strict: As for `ComparisonOptions`.

    Returns:
        One result per tensor, in execution order.

    Raises:
        TraceError: The traces are of different images or have no tensor in common, a pattern matches no name,
            a file is damaged, or the tolerances are not valid.
    """
    return compare_traces(a, b, ComparisonOptions(tolerances, only, fail_fast, strict))


def merge_names(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the names of both lists in the order of `first`.

    A name that is only in `second` follows the name that precedes it in `second`.
    """
    known = set(first)
    successors: dict[str, list[str]] = {"": []}
    anchor = ""
    for name in second:
        if name in known:
            anchor = name
        else:
            successors.setdefault(anchor, []).append(name)
    result = list(successors[""])
    for name in first:
        result += [name, *successors.get(name, ())]
    return result


def compare_tensor(
    a: Trace,
    b: Trace,
    name: str,
    tolerance: Tolerance,
    magnitudes: LayerMagnitudes,
    strict: bool,
    order: BoxOrder,
) -> TensorComparison:
    """Compare one tensor that is in a, in b or in both. strict: A missing tensor is a failure.

    A failed tensor may contain the same boxes in a different order because scores are nearly equal. Its
    values are then compared box by box, and the tensor passes if they are within the tolerance. If every
    value must be equal, a tensor with a different order always fails.
    """
    if name not in b:
        return TensorComparison(
            name, "missing", not strict, f"missing in {b.source}", a.info(name), None, tolerance
        )
    if name not in a:
        return TensorComparison(
            name, "extra", not strict, f"only in {b.source}", None, b.info(name), tolerance
        )
    x, y = a.info(name), b.info(name)
    verdict: Verdict = "different"
    ok, reason, statistics, reordered = False, "", None, False
    if x.dtype != y.dtype:
        reason = f"dtype {x.dtype} in a, {y.dtype} in b"
    elif x.shape != y.shape:
        reason = f"shape {x.shape} in a, {y.shape} in b"
    elif a.manifest.capture == b.manifest.capture == "full":
        magnitude = magnitudes[name] if tolerance.share else None
        verdict, ok, reason, statistics = compare_values(a[name], b[name], tolerance, x.layout, magnitude)
        if not ok and (values := order.values(name)) is not None:
            reordered = True
            verdict, ok, more, statistics = compare_values(a[name], values, tolerance, x.layout, magnitude)
            reason = f"{ANOTHER_ORDER}, {more}" if more else ANOTHER_ORDER
            if ok and tolerance == Tolerance():
                verdict, ok = "different", False
            elif ok:
                verdict = "close"
    elif x.sha256 is None or y.sha256 is None:
        verdict, reason = "unchecked", "shape and dtype agree; the values are unknown: a trace has names only"
    elif x.sha256 == y.sha256:
        verdict, ok = "identical", True
    else:
        reason = "the SHA-256 values differ; to measure the difference, compare two full traces"
    return TensorComparison(name, verdict, ok, reason, x, y, tolerance, statistics, reordered)


def require_common_tensors(a: Trace, b: Trace, names: Sequence[str]) -> None:
    """Raise TraceError if none of `names` is in both traces."""
    if any(name in a and name in b for name in names):
        return
    counts = [sum(name in trace for name in names) for trace in (a, b)]
    example = next((name for name in names if name in b), "")
    hints = suggest_names(example, a) if example else ""
    raise TraceError(
        f"there is nothing to compare: {a.source} contains {counts[0]} tensors, "
        f"{b.source} contains {counts[1]}, and no name is in both"
        + (f"; {b.source} has {example}{hints}" if example else "")
    )


def require_same_image(a: Trace, b: Trace) -> None:
    """Raise TraceError if the traces are of different images, according to their manifests."""
    first, second = a.manifest.image, b.manifest.image
    if first is None or second is None or first == second:
        return
    hint = ""
    both_full = a.manifest.capture == b.manifest.capture == "full" and first.shape == second.shape
    if both_full and np.array_equal(a.image, b.image[..., ::-1]):
        hint = "; they are equal if red and blue are swapped: check the argument `color` of both"
    raise TraceError(
        f"the traces are of different images: {a.source}: {_image_text(first)}, "
        f"{b.source}: {_image_text(second)}{hint}"
    )


def _image_text(image: Any) -> str:
    return f"{image.shape} {image.dtype} SHA-256 {image.sha256[:16]}…"


def _notes(a: Trace, b: Trace, only: Sequence[str]) -> Iterator[str]:
    if a.manifest.image is None or b.manifest.image is None:
        yield "a trace does not describe its image: it is unknown whether both are of the same image"
    for part in ("options", "model"):
        first, second = getattr(a.manifest, part), getattr(b.manifest, part)
        if first and second:
            for key in first:
                if first[key] != second.get(key):
                    one, other = _short(first[key]), _short(second.get(key))
                    yield f"different {part}: {key} is {one} in a, {other} in b, according to the manifests"
    for side, trace in (("a", a), ("b", b)):
        if original := trace.manifest.made_by.get("openface"):
            yield (
                f"according to the manifest of {side} (not verified), OpenFace computed its layers and "
                f"mtcnn_cpp computed the cascade: {original}"
            )
        if trace.manifest.capture != "full":
            yield f"{side} contains no values: its shapes and SHA-256 values come from its manifest"
    if only:
        yield f"only {', '.join(only)}"
    common = [name for name in a.names if name in b]
    for first_name, second_name in zip(common, (name for name in b.names if name in a), strict=True):
        if first_name != second_name:
            yield f"the order of execution differs: {first_name} in a, {second_name} in b"
            break


def _short(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) > 20 else str(value)


_LISTED = 4  # maximum number of kinds of tensors in a note


def explain_missing(a: Trace, b: Trace, names: Sequence[str]) -> Iterator[str]:
    """Yield notes on the names that only one trace contains. A note states their number and the reason."""
    for one, other, side, other_side in ((a, b, "a", "b"), (b, a, "b", "a")):
        missing = [name for name in names if name in one and name not in other]
        if not missing:
            continue
        count = "1 tensor" if len(missing) == 1 else f"{len(missing)} tensors"
        verb = "is" if len(missing) == 1 else "are"
        yield (
            f"{count} of {side} {verb} missing in {other_side}: "
            + "; ".join(_missing_reasons(one, other, side, other_side, missing))
        )


def _missing_reasons(
    one: Trace, other: Trace, side: str, other_side: str, missing: list[str]
) -> Iterator[str]:
    """Yield the reasons: fewer levels, fewer boxes, or kinds of tensors that were not captured."""
    rest = list(missing)
    kinds = {template(name) for name in other}
    for network in ("pnet", "rnet", "onet"):
        places = _missing_places(one, other, network)
        if not places or not any(kind.startswith(f"{network}/") and "*" in kind for kind in kinds):
            continue
        rest = [name for name in rest if name.rpartition("/")[0] not in places]
        yield _describe_missing_places(one, other, side, other_side, network, places)
    if rest:
        missing_kinds = list(dict.fromkeys(map(template, rest)))
        more = f" and {len(missing_kinds) - _LISTED} more kinds" if len(missing_kinds) > _LISTED else ""
        only = f" (captured with --only {' '.join(other.manifest.only)})" if other.manifest.only else ""
        yield f"{other_side} does not contain {', '.join(missing_kinds[:_LISTED])}{more}{only}"


def _missing_places(one: Trace, other: Trace, network: str) -> list[str]:
    """Return the levels or crops of a network that are completely missing in `other`."""
    present = {name.rpartition("/")[0] for name in other}
    all_places = [place for place, _ in groupby(one.names, lambda name: name.rpartition("/")[0])]
    return [place for place in all_places if place.startswith(f"{network}/") and place not in present]


def _describe_missing_places(
    one: Trace, other: Trace, side: str, other_side: str, network: str, places: list[str]
) -> str:
    numbers = [place.rpartition("/")[2] for place in places]
    listed = numbers[0] if len(numbers) == 1 else f"{numbers[0]} … {numbers[-1]}"
    boxes = f"{network}/boxes_in"
    if network == "pnet":
        levels = "1 level" if len(places) == 1 else f"{len(places)} levels"
        return f"the pyramid of {other_side} does not contain {levels} ({listed})"
    title = {"rnet": "RNet", "onet": "ONet"}[network]
    if boxes in one and boxes in other:
        first, second = one.info(boxes).shape[0], other.info(boxes).shape[0]
        if second < first:
            received = "1 box" if second == 1 else f"{second or 'no'} boxes"
            return f"{title} received {received} in {other_side}, {first} in {side} (missing: {listed})"
    return f"{other_side} contains no tensor of {len(places)} crops of {title} ({listed})"
