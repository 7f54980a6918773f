"""Values that are read back, checked against the type of their column."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .columns import COLUMNS, KINDS, REQUIRED, Kind
from .errors import TableError
from .text import unspell

_LIMITS = {"int32": 2**31, "int64": 2**63}
_WORDS = {"text": "a text", "int32": "a whole number", "int64": "a whole number"}


def check_columns(found: Sequence[object], where: str) -> None:
    """TableError unless these are the columns of a table of faces, in their order."""
    if tuple(found) == COLUMNS:
        return
    missing = [name for name in COLUMNS if name not in found]
    other = [str(name) for name in found if name not in COLUMNS]
    differences = [
        f"{what} {', '.join(names)}" for what, names in (("without", missing), ("with", other)) if names
    ]
    told = "; ".join(differences) or "the columns in another order, or twice"
    raise TableError(f"{where} is not that of a table of faces ({told}); expected {', '.join(COLUMNS)}")


def from_values(values: Sequence[object], where: str) -> dict[str, object]:
    """A row of typed values (JSON, Parquet), in the order of COLUMNS."""
    return {name: _checked(value, name, where) for name, value in zip(COLUMNS, values, strict=True)}


def from_texts(texts: Sequence[str], where: str) -> dict[str, object]:
    """A row of texts (CSV), in the order of COLUMNS."""
    if len(texts) != len(COLUMNS):
        raise TableError(f"{where}: {len(texts)} values, expected {len(COLUMNS)}")
    row: dict[str, object] = {}
    for name, text, parse in zip(COLUMNS, texts, _PARSERS, strict=True):
        try:
            row[name] = parse(text)
        except ValueError as error:
            raise _wrong(text, name, where) from error
    return row


def _checked(value: object, name: str, where: str) -> object:
    kind = KINDS[name]
    if value is None and name not in REQUIRED:
        return None
    if kind == "text":
        if isinstance(value, str):
            return unspell(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if kind in _LIMITS:
            if isinstance(value, int) and -_LIMITS[kind] <= value < _LIMITS[kind]:
                return value
        elif math.isfinite(value):
            return float(value)
    raise _wrong(value, name, where)


def _parser(name: str, kind: Kind) -> Callable[[str], object]:
    """What makes a value of the text of a cell, or raises ValueError."""

    def whole(text: str) -> int:
        limit = _LIMITS[kind]
        value = int(text)
        if "_" in text or not -limit <= value < limit:
            raise ValueError
        return value

    def number(text: str) -> float:
        value = float(text)
        if "_" in text or not math.isfinite(value):
            raise ValueError
        return value

    parse: Callable[[str], object] = unspell if kind == "text" else whole if kind in _LIMITS else number
    if name in REQUIRED:
        return parse
    return lambda text: parse(text) if text else None


_PARSERS = tuple(_parser(name, kind) for name, kind in KINDS.items())


def _wrong(value: object, name: str, where: str) -> TableError:
    kind = KINDS[name]
    expected = _WORDS.get(kind, "a finite number")
    return TableError(f"{where}: {name} must be {expected} ({kind}), got {str(value)[:100]!r}")
