"""Possible names of tensors, name patterns, and the properties that a name implies."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..reference.plan import stage_name
from ..types import StageName
from .errors import TraceError

_COUNTED = re.compile(r"(level|crop)(\d+)")
_CROPPED: tuple[StageName, ...] = ("rnet", "onet")
_AFTER_LAYERS = (
    "heat_map",
    "boxes",
    "scores",
    "offsets",
    "nms_keep",
)  # tensors that are not outputs of layers
_STAGES = {
    "pnet": ("boxes", "scores", "offsets", "nms_keep"),
    "rnet": ("boxes_in", "scores", "offsets", "keep", "nms_keep"),
    "onet": ("boxes_in", "scores", "offsets", "keep", "landmarks", "nms_keep", "boxes_out"),
    "final": ("boxes", "scores", "landmarks"),
}
_BOX = (2, "box, (x y width height)")
_PICK = (1, "pick")
_LAYOUTS = {
    "heat_map": (2, "y, x"),
    "boxes": _BOX,
    "boxes_in": _BOX,
    "boxes_out": _BOX,
    "offsets": (2, "box, (dx1 dy1 dx2 dy2)"),
    "scores": (1, "box"),
    "landmarks": (3, "box, point, (x y)"),
    "keep": _PICK,
    "nms_keep": _PICK,
}


def layout(name: str, dimensions: int) -> str:
    """Return the names of the axes, e.g. ``channel, y, x``, or ``?`` for an unknown tensor."""
    expected, axes = _LAYOUTS.get(name.rpartition("/")[2], (0, "?"))
    if expected == dimensions:
        return axes
    return {3: "channel, y, x", 1: "channel"}.get(dimensions, "?") if expected == 0 else "?"


def stage_of(name: str) -> StageName:
    """Return the network of a tensor. Raises TraceError if it belongs to no network, such as ``final/…``."""
    try:
        return stage_name(name.partition("/")[0])
    except ValueError:
        raise TraceError(
            f"{name} does not belong to a network: expected a name that begins with pnet/, rnet/ or onet/"
        ) from None


def template(name: str) -> str:
    """Return the name with ``*`` in place of the number of its level or crop."""
    return _COUNTED.sub(r"\1*", name)


def layer_inputs(names: Iterable[str]) -> dict[str, str]:
    """Map the output of each layer to the input of that layer.

    names: All names of a detection, in execution order.
    """
    inputs: dict[str, str] = {}
    before, place_before = "", ""
    for name in names:
        place, _, tensor = name.rpartition("/")
        if "/" not in place or tensor in _AFTER_LAYERS:
            continue
        if tensor != "input" and place == place_before:
            inputs[name] = before
        before, place_before = name, place
    return inputs


def is_pattern(name: str) -> bool:
    """Return whether the name has wildcards."""
    return not set(name).isdisjoint("*?[")


def name_matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tests whether a name matches one of the patterns.

    Wildcards are ``*``, ``?`` and ``[...]``; ``*`` also matches slashes.
    """
    alternatives = "|".join(fnmatch.translate(pattern) for pattern in patterns)
    expression = re.compile(alternatives or r"(?!)")
    return lambda name: expression.match(name) is not None


def select_names(patterns: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return, in order, the names that match one of the patterns. If there is no pattern, return all names.

    Raises TraceError for a pattern that matches no name.
    """
    names = list(names)
    require_present(patterns, names)
    return list(filter(name_matcher(patterns), names)) if patterns else names


def require_present(patterns: Iterable[str], names: Iterable[str]) -> None:
    """Raise TraceError for a pattern that matches none of `names`."""
    names = list(names)
    for pattern in patterns:
        if not any(map(name_matcher([pattern]), names)):
            raise TraceError(_no_match(pattern, names))


def require_possible(patterns: Iterable[str], layers: Mapping[StageName, Iterable[str]]) -> None:
    """Raise TraceError for a pattern that matches no possible tensor of a detection with these layers."""
    for pattern in patterns:
        if not any(map(name_matcher([pattern]), possible_names(layers, pattern))):
            templates = dict.fromkeys(map(template, possible_names(layers)))
            raise TraceError(_no_match(pattern, templates))


def possible_names(layers: Mapping[StageName, Iterable[str]], pattern: str = "") -> Iterator[str]:
    """Yield every possible name of a detection, given the layer names of each network.

    The numbers of levels and crops have no upper limit. Therefore only levels 00 to 99, crops 000 to 999 and
    the numbers in `pattern` are yielded.
    """
    numbers_in_patterns: dict[str, list[str]] = {"level": [], "crop": []}
    for kind, number in _COUNTED.findall(pattern):
        if len(number) > (2 if kind == "level" else 3) and not number.startswith("0"):
            numbers_in_patterns[kind].append(number)
    for stage, tensors in _STAGES.items():
        yield from (f"{stage}/{tensor}" for tensor in tensors)
    for number in [f"{i:02d}" for i in range(100)] + numbers_in_patterns["level"]:
        yield from (f"pnet/level{number}/{tensor}" for tensor in ("input", *layers["pnet"], *_AFTER_LAYERS))
    for number in [f"{i:03d}" for i in range(1000)] + numbers_in_patterns["crop"]:
        for stage in _CROPPED:
            yield from (f"{stage}/crop{number}/{tensor}" for tensor in ("input", *layers[stage]))


def suggest_names(name: str, names: Iterable[str]) -> str:
    """Return a list of up to three similar names, as the end of an error message.

    If `name` is a pattern, the list contains patterns. If no name is similar, the result is "".
    """
    import difflib

    pool = dict.fromkeys(map(template, names) if is_pattern(name) else names)
    pool.pop(name, None)
    found = difflib.get_close_matches(name.lower(), pool, n=3, cutoff=0.3)
    return f"; the nearest: {', '.join(found)}" if found else ""


def _no_match(pattern: str, names: Iterable[str]) -> str:
    return f"pattern {pattern!r} matches no tensor name{suggest_names(pattern, names)}"
