"""Tolerances, and the verdict on one tensor.

Verdicts from the best to the worst: identical, equal, ulp<=k, close, similar, different.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._util.errors import import_extra
from ..._util.user_files import describe_read_error, read_text
from ..errors import TraceError
from ..names import name_matcher, require_present
from .statistics import DifferenceStatistics, difference_statistics, greatest_magnitude, ulp_distance

_LARGEST = 1 << 24  # maximum size of a TOML file, in bytes


@dataclass(frozen=True)
class Tolerance:
    """Allowed difference of an element.

    An element passes if its distance in ULP is at most `ulp`, or if |a - b| <= atol + rtol * |a| + share * M.
    M is the greatest |a| of the layer, over all its levels or crops.

    Args:
        ulp: Allowed distance in units in the last place (ULP), >= 0.
        atol: Absolute tolerance, >= 0.
        rtol: Relative tolerance, >= 0.
        share: Tolerance as a share of the greatest magnitude of the layer, >= 0.

    Raises:
        TraceError: A value is not a finite number >= 0.
    """

    ulp: float = 0.0
    atol: float = 0.0
    rtol: float = 0.0
    share: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise TraceError(f"tolerance {name} must be a number >= 0, got {value!r}")

    def __str__(self) -> str:
        given = [f"{name} {value:g}" for name, value in vars(self).items() if value]
        return ", ".join(given) or "exact"


TolerancesLike: TypeAlias = "float | Tolerance | Mapping[str, Any] | str | os.PathLike[str]"


class Tolerances:
    """Tolerances by name pattern.

    If several patterns match a name, the last one applies. If no pattern matches, the values must be equal.
    """

    def __init__(self, rules: Mapping[str, Tolerance]) -> None:
        self.rules = dict(rules)
        self._tests = [
            (name_matcher([pattern]), tolerance) for pattern, tolerance in reversed(self.rules.items())
        ]

    def __getitem__(self, name: str) -> Tolerance:
        return next((tolerance for matches, tolerance in self._tests if matches(name)), Tolerance())

    def require_known(self, names: Iterable[str]) -> None:
        """Raise TraceError for a pattern that matches none of the compared names."""
        require_present(self.rules, names)

    @classmethod
    def of(cls, given: TolerancesLike | None) -> Tolerances:
        """Return tolerances from any accepted form.

        The accepted forms are None (values must be equal), a number t (atol = rtol = t), a Tolerance, a dict,
        or the path of a TOML file that contains a dict. The keys of the dict are name patterns, and its
        values are numbers or dicts. Examples for TOML: ``"pnet/*" = 1e-5``, or the line ``["pnet/*"]``
        followed by the line ``ulp = 2``.
        """
        if given is None:
            return cls({})
        if isinstance(given, (str, os.PathLike)):
            return cls.of(_read_toml(Path(given)))
        if isinstance(given, Mapping):
            return cls({pattern: _tolerance(value, pattern) for pattern, value in given.items()})
        return cls({"*": _tolerance(given, "*")})


def _tolerance(value: Any, pattern: str) -> Tolerance:
    if isinstance(value, Tolerance):
        return value
    if isinstance(value, Mapping):
        kinds = [field.name for field in dataclasses.fields(Tolerance)]
        unknown = [str(kind) for kind in value if kind not in kinds]
        if unknown:
            raise TraceError(
                f"tolerance of {pattern!r}: expected {', '.join(kinds)}, got {', '.join(unknown)}"
            )
        return Tolerance(**value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Tolerance(atol=value, rtol=value)
    raise TraceError(
        f"tolerance of {pattern!r} must be a number, or a table with ulp, atol, rtol or share, got {value!r}"
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:
        tomllib = import_extra("tomli", "tomli", f"{path}: reading TOML in Python 3.10")
    try:
        text = read_text(path, limit=_LARGEST, pipes=True)
    except OSError as error:
        raise TraceError(
            f"{path}: the tolerances are not readable ({describe_read_error(path, error)})"
        ) from error
    except ValueError as error:
        raise TraceError(str(error)) from error
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise TraceError(f"{path} is not TOML: {error}") from error


SIMILAR_DB = 40.0  # a failed tensor with at least this signal-to-noise ratio is "similar"
Verdict: TypeAlias = Literal[
    "identical", "equal", "ulp", "close", "similar", "different", "missing", "extra", "unchecked"
]


def compare_values(
    a: NDArray[Any],
    b: NDArray[Any],
    tolerance: Tolerance,
    axes: str,
    magnitude: float | None = None,
) -> tuple[Verdict, bool, str, DifferenceStatistics | None]:
    """Return the verdict, whether the tensor passes, the reason, and the statistics of the difference.

    a (the reference) and b have the same shape and dtype. axes: The layout in the manifest. magnitude: The
    value to which `share` refers. None: the greatest magnitude of a. The statistics are None if the tensors
    are identical, or if NaN or infinities are at different places.
    """
    if a.tobytes() == b.tobytes():
        return "identical", True, "", None
    pattern = _not_finite(a, b)
    if pattern:
        return "different", False, pattern, None
    statistics = difference_statistics(a, b, axes)
    if statistics.differing == 0:
        return "equal", True, "signed zeros or NaN bits differ", statistics
    if statistics.pass_ulp <= tolerance.ulp:
        return "ulp", True, f"within {tolerance.ulp:g} ulp", statistics
    if tolerance.share and magnitude is None:
        magnitude = greatest_magnitude(a)
    if _all_pass(a, b, tolerance, magnitude or 0.0):
        return "close", True, f"within {tolerance}", statistics
    reason = f"{statistics.differing} of {statistics.elements} elements differ"
    if tolerance != Tolerance():
        reason += f" by more than {tolerance}"
    if axes == "channel, y, x" and len(a) == 3 and a.tobytes() == b[::-1].tobytes():
        reason += "; a equals b with reversed channels: red and blue are swapped"
    return "similar" if statistics.snr_db >= SIMILAR_DB else "different", False, reason, statistics


def _all_pass(a: NDArray[Any], b: NDArray[Any], tolerance: Tolerance, magnitude: float) -> bool:
    if not (tolerance.atol or tolerance.rtol or tolerance.share):
        return False
    finite = np.isfinite(a)
    first, second = a[finite], b[finite]
    x, y = first.astype(np.float64), second.astype(np.float64)
    close = np.abs(x - y) <= tolerance.atol + tolerance.rtol * np.abs(x) + tolerance.share * magnitude
    return bool(np.all(close | (ulp_distance(first, second) <= tolerance.ulp)))


def _not_finite(a: NDArray[Any], b: NDArray[Any]) -> str:
    """Describe the first place where NaN or infinities differ. Return "" if there is no such place."""
    if a.dtype.kind != "f":
        return ""
    differ = np.isnan(a) != np.isnan(b)
    differ |= (np.isinf(a) | np.isinf(b)) & (a != b) & ~(np.isnan(a) & np.isnan(b))
    count = int(np.count_nonzero(differ))
    if count == 0:
        return ""
    index = tuple(map(int, np.unravel_index(int(np.argmax(differ)), a.shape)))
    return (
        f"NaN or infinities differ in {count} of {a.size} elements, first at {index}: "
        f"a = {float(a[index])!r}, b = {float(b[index])!r}"
    )
