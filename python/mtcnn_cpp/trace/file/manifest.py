"""The manifest: what a trace holds and where it came from, as JSON inside the file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...formats.errors import shown
from ..errors import TraceError
from .npz import is_shape
from .statistics import Statistics

FORMAT = "mtcnn_cpp trace"
VERSION = 1

Capture = Literal["names", "stats", "hash", "full"]


def capture_level(word: str) -> Capture:
    """The word itself, if it is a capture level; else TraceError."""
    if word not in get_args(Capture):
        raise TraceError(f"capture must be one of {', '.join(get_args(Capture))}, got {word!r}")
    return word  # type: ignore[return-value]


@dataclass(frozen=True)
class Entry:
    """One tensor. `sha256` is of the values in C order, little endian (None at capture level ``names``)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    sha256: str | None = None
    statistics: Statistics | None = None

    @property
    def nbytes(self) -> int:
        """Size of the values."""
        return int(np.prod(self.shape, dtype=object)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Picture:
    """The picture that was looked at: pixels (H, W, 3), `color` says in which order."""

    shape: tuple[int, ...]
    dtype: str
    sha256: str
    color: str


@dataclass(frozen=True)
class Manifest:
    """Everything about a trace but the values. Tensors stand in execution order."""

    capture: Capture
    tensors: tuple[Entry, ...]
    only: tuple[str, ...] = ()
    picture: Picture | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, str] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)

    def about(self) -> dict[str, Any]:
        """All but the tensors, as it stands in the JSON."""
        return {
            "capture": self.capture,
            "only": list(self.only),
            "picture": None if self.picture is None else vars(self.picture),
            "options": dict(self.options),
            "model": dict(self.model),
            "made_by": dict(self.made_by),
        }

    def to_json(self) -> str:
        """One tensor a line, so that people can read and compare the text."""
        head = {"format": FORMAT, "version": VERSION, **self.about()}
        lines = ",\n  ".join(json.dumps(entry_to_json(entry), allow_nan=False) for entry in self.tensors)
        return json.dumps(head, indent=1, allow_nan=False)[:-2] + f',\n "tensors": [\n  {lines}\n ]\n}}\n'

    def to_array(self) -> NDArray[np.uint8]:
        """The JSON text as UTF-8 bytes."""
        return np.frombuffer(self.to_json().encode(), np.uint8)

    @classmethod
    def from_array(cls, array: NDArray[Any], source: str) -> Manifest:
        """Parse what `to_array` made; TraceError names `source` and the field that is wrong."""
        try:
            fields = json.loads(array.tobytes().decode())
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{source}: the manifest is not JSON ({error}); the file is damaged") from error
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise TraceError(f"{source} is not a trace: its manifest does not say format {FORMAT!r}")
        if not isinstance(fields.get("version"), int) or fields["version"] > VERSION:
            raise TraceError(
                f"{source}: trace format version {repr(fields.get('version'))[:80]}, "
                f"this package reads up to {VERSION}; update mtcnn_cpp"
            )
        try:
            return _from_fields(fields)
        except TraceError as error:
            raise TraceError(f"{source}: manifest: {error}; the file was changed or damaged") from error


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """As it stands in the manifest."""
    fields: dict[str, Any] = {
        "name": entry.name,
        "shape": list(entry.shape),
        "dtype": entry.dtype,
        "layout": entry.layout,
    }
    if entry.sha256 is not None:
        fields["sha256"] = entry.sha256
    if entry.statistics is not None:
        fields["statistics"] = entry.statistics.to_json()
    return fields


def _from_fields(fields: dict[str, Any]) -> Manifest:
    picture = fields.get("picture")
    tensors = _get(fields, "tensors", _is_list_of(dict))
    names = [entry.get("name") for entry in tensors]
    if len(set(map(str, names))) != len(names):
        raise TraceError("a tensor is listed twice")
    return Manifest(
        capture=capture_level(_get(fields, "capture", _is(str))),
        tensors=tuple(map(_entry, tensors)),
        only=tuple(_get(fields, "only", _is_list_of(str))),
        picture=None if picture is None else _picture(picture),
        options=_get(fields, "options", _is(dict)),
        model=_get(fields, "model", _is(dict)),
        made_by=_get(fields, "made_by", _is(dict)),
    )


def _entry(fields: dict[str, Any]) -> Entry:
    statistics = fields.get("statistics")
    dtype = _get(fields, "dtype", _is_dtype)
    try:
        return Entry(
            name=_get(fields, "name", _is_text),
            shape=tuple(_get(fields, "shape", _is_shape_of(dtype))),
            dtype=dtype,
            layout=_get(fields, "layout", _is_text),
            sha256=_get(fields, "sha256", _is_digest) if "sha256" in fields else None,
            statistics=None if statistics is None else Statistics.from_json(statistics),
        )
    except TypeError as error:
        raise TraceError(f"tensor {fields.get('name')!r}: statistics: {shown(error, 300)}") from error


def _picture(fields: Any) -> Picture:
    if not isinstance(fields, dict):
        raise TraceError(f"picture is {repr(fields)[:80]}")
    dtype = _get(fields, "dtype", _is_dtype)
    return Picture(
        tuple(_get(fields, "shape", _is_shape_of(dtype))),
        dtype,
        _get(fields, "sha256", _is_digest),
        _get(fields, "color", _is_text),
    )


def _get(fields: dict[str, Any], key: str, good: Callable[[Any], bool]) -> Any:
    value = fields.get(key)
    if not good(value):
        owner = f" of {fields['name']!r}" if "name" in fields else ""
        raise TraceError(f"{key}{owner} is {'missing' if value is None else repr(value)[:80]}")
    return value


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _is_text(value: Any) -> bool:
    """Text that a terminal can show as it is: no escape sequences."""
    return isinstance(value, str) and value.isprintable()


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_shape_of(dtype: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and is_shape(value, np.dtype(dtype).itemsize)


def _is_dtype(value: Any) -> bool:
    try:
        return isinstance(value, str) and np.dtype(value).kind in "biuf" and np.dtype(value).name == value
    except Exception:  # NumPy parses the word, which can fail in any way
        return False
