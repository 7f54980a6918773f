"""What may differ, by how much: a number, a dict by name pattern, or a TOML file."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ...user_files import read_text, why_unreadable
from ..errors import TraceError
from ..names import matcher, require_present

_LARGEST = 1 << 24  # bytes of a TOML file


@dataclass(frozen=True)
class Tolerance:
    """An element passes when it is within `ulp` units in the last place, or when
    |a - b| <= atol + rtol * |a| + share * the greatest |a| of the layer, over all its levels or crops.

    Every figure is a finite number >= 0; TraceError for others.
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
    """Tolerances by name pattern. The last pattern that fits a name holds; other names must be exact."""

    def __init__(self, rules: Mapping[str, Tolerance]) -> None:
        self.rules = dict(rules)
        self._tests = [(matcher([pattern]), tolerance) for pattern, tolerance in reversed(self.rules.items())]

    def __getitem__(self, name: str) -> Tolerance:
        return next((tolerance for fits, tolerance in self._tests if fits(name)), Tolerance())

    def require_known(self, names: Iterable[str]) -> None:
        """Raise TraceError for a pattern that matches none of the names that are compared."""
        require_present(self.rules, names)

    @classmethod
    def of(cls, given: TolerancesLike | None) -> Tolerances:
        """From None (exact), a number t (atol = rtol = t), a Tolerance, a dict pattern -> number | dict, or
        the path of a TOML file, as text too, that says the same (``"pnet/*" = 1e-5``, or ``["pnet/*"]``, then
        ``ulp = 2``)."""
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
    raise TraceError(f"tolerance of {pattern!r} must be a number or ulp, atol, rtol, share, got {value!r}")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        try:
            import tomli as tomllib  # type: ignore[no-redef, import-not-found, unused-ignore]
        except ModuleNotFoundError:
            raise TraceError(f"{path}: reading TOML needs Python 3.11 or `pip install tomli`") from None
    try:
        text = read_text(path, limit=_LARGEST, pipes=True)
    except OSError as error:
        raise TraceError(f"{path}: cannot read the tolerances ({why_unreadable(path, error)})") from error
    except ValueError as error:
        raise TraceError(str(error)) from error
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise TraceError(f"{path} is not TOML: {error}") from error
