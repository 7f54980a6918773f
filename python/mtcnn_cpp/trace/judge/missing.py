"""Why tensors are missing: from what two traces hold, in words, with counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ..file.trace import Trace
from ..names import template

_LISTED = 4  # kinds of tensors that a note names


def why_missing(a: Trace, b: Trace, names: Sequence[str]) -> Iterator[str]:
    """Notes on those of `names` that only one of the two holds: how many, and why where it can be seen."""
    for one, other, here, there in ((a, b, "a", "b"), (b, a, "b", "a")):
        lacking = [name for name in names if name in one and name not in other]
        if not lacking:
            continue
        count = f"{len(lacking)} tensor{'s' * (len(lacking) > 1)}"
        yield f"{count} of {here} {'are' if len(lacking) > 1 else 'is'} missing in {there}: " + "; ".join(
            _reasons(one, other, here, there, lacking)
        )


def _reasons(one: Trace, other: Trace, here: str, there: str, lacking: list[str]) -> Iterator[str]:
    """Fewer levels, fewer boxes, or kinds that were not captured at all."""
    left = list(lacking)
    kinds = {template(name) for name in other}
    for network in ("pnet", "rnet", "onet"):
        gone = _whole_places(one, other, network)
        if not gone or not any(kind.startswith(f"{network}/") and "*" in kind for kind in kinds):
            continue
        left = [name for name in left if name.rpartition("/")[0] not in gone]
        yield _fewer(one, other, here, there, network, gone)
    if left:
        unseen = list(dict.fromkeys(map(template, left)))
        more = f" and {len(unseen) - _LISTED} kinds more" if len(unseen) > _LISTED else ""
        only = f" (captured with --only {' '.join(other.manifest.only)})" if other.manifest.only else ""
        yield f"{there} was given without {', '.join(unseen[:_LISTED])}{more}{only}"


def _whole_places(one: Trace, other: Trace, network: str) -> list[str]:
    """The levels or crops of a network of which the other has nothing."""
    held = {name.rpartition("/")[0] for name in other}
    places = [place for place, _ in groupby(one.names, lambda name: name.rpartition("/")[0])]
    return [place for place in places if place.startswith(f"{network}/") and place not in held]


def _fewer(one: Trace, other: Trace, here: str, there: str, network: str, gone: list[str]) -> str:
    numbers = [place.rpartition("/")[2] for place in gone]
    listed = numbers[0] if len(numbers) == 1 else f"{numbers[0]} … {numbers[-1]}"
    boxes = f"{network}/boxes_in"
    if network == "pnet":
        levels = "1 level" if len(gone) == 1 else f"{len(gone)} levels"
        return f"{there} has {levels} of the pyramid fewer ({listed})"
    title = {"rnet": "RNet", "onet": "ONet"}[network]
    if boxes in one and boxes in other:
        first, second = one.entry(boxes).shape[0], other.entry(boxes).shape[0]
        if second < first:
            sent = "1 box" if second == 1 else f"{second or 'no'} boxes"
            return f"{there} sent {sent} to {title}, {here} {first} (no {listed})"
    return f"{there} has nothing of {len(gone)} crops of {title} ({listed})"
