"""The manifest of a trace: a description of its tensors and their origin, as JSON inside the file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..formats.errors import safe_text
from .errors import TraceError
from .file.npz import is_shape


@dataclass(frozen=True)
class Statistics:
    """Statistics of a tensor.

    The first four statistics use only the finite elements and are computed in float64. They are NaN if no
    element is finite.

    Attributes:
        minimum: Smallest value.
        maximum: Greatest value.
        mean: Mean value.
        standard_deviation: Population standard deviation.
        zeros: Number of zeros.
        nans: Number of elements that are NaN.
        infinities: Number of infinite values, positive and negative.
    """

    minimum: float
    maximum: float
    mean: float
    standard_deviation: float
    zeros: int
    nans: int
    infinities: int

    @classmethod
    def of(cls, array: NDArray[Any]) -> Statistics:
        """Compute the statistics of an array of any shape and any real dtype."""
        values = np.asarray(array, np.float64).ravel()
        finite = values[np.isfinite(values)]
        nans = int(np.isnan(values).sum())
        zeros = int((finite == 0).sum())
        if finite.size == 0:
            return cls(math.nan, math.nan, math.nan, math.nan, zeros, nans, values.size - nans)
        return cls(
            float(finite.min()),
            float(finite.max()),
            float(finite.mean()),
            float(finite.std()),
            zeros,
            nans,
            values.size - finite.size - nans,
        )

    def to_json(self) -> dict[str, float | int | None]:
        """Return the statistics for the manifest; NaN becomes null."""
        return {key: None if value != value else value for key, value in vars(self).items()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Statistics:
        """Parse the result of `to_json`. Raises TypeError for a value that cannot be such a result."""
        if not isinstance(fields, dict) or not all(
            value is None or type(value) in (int, float) for value in fields.values()
        ):
            raise TypeError(f"expected an object with numbers as values, found {fields!r:.80}")
        values: dict[str, Any] = {key: math.nan if value is None else value for key, value in fields.items()}
        return cls(**values)


FORMAT = "mtcnn_cpp trace"
VERSION = 1

CaptureLevel = Literal["names", "stats", "hash", "full"]


def parse_capture_level(text: str) -> CaptureLevel:
    """Return the text if it is a capture level; raise TraceError if not."""
    if text not in get_args(CaptureLevel):
        raise TraceError(f"capture must be one of {', '.join(get_args(CaptureLevel))}, got {text!r}")
    return text  # type: ignore[return-value]


@dataclass(frozen=True)
class TensorInfo:
    """Description of a tensor.

    Attributes:
        name: Name, e.g. `pnet/level02/conv1`.
        shape: Shape.
        dtype: Name of the NumPy dtype.
        layout: Names of the axes, e.g. `channel, y, x`.
        sha256: SHA-256 of the values in C order, little endian. None at capture level `names`.
        statistics: Statistics of the values at capture level `stats`. None at other levels.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    sha256: str | None = None
    statistics: Statistics | None = None

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes."""
        return int(np.prod(self.shape, dtype=object)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class ImageInfo:
    """Description of the image: pixels (H, W, 3) in the channel order `color`."""

    shape: tuple[int, ...]
    dtype: str
    sha256: str
    color: str


@dataclass(frozen=True)
class Manifest:
    """Description of a trace, without the values.

    Attributes:
        capture: Capture level: `names`, `hash`, `stats` or `full`.
        tensors: The tensors, in execution order.
        only: Patterns that limited the capture; empty if all tensors were captured.
        image: The image, or None if unknown.
        options: Options of the detection.
        model: SHA-256 of each network, by name.
        made_by: Versions of the software and the backend.
    """

    capture: CaptureLevel
    tensors: tuple[TensorInfo, ...]
    only: tuple[str, ...] = ()
    image: ImageInfo | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, str] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)

    def about(self) -> dict[str, Any]:
        """Return the JSON fields except the tensors."""
        return {
            "capture": self.capture,
            "only": list(self.only),
            "picture": None if self.image is None else vars(self.image),
            "options": dict(self.options),
            "model": dict(self.model),
            "made_by": dict(self.made_by),
        }

    def to_json(self) -> str:
        """Return the JSON text, with one tensor per line for readability."""
        head = {"format": FORMAT, "version": VERSION, **self.about()}
        lines = ",\n  ".join(
            json.dumps(tensor_info_to_json(entry), allow_nan=False) for entry in self.tensors
        )
        return json.dumps(head, indent=1, allow_nan=False)[:-2] + f',\n "tensors": [\n  {lines}\n ]\n}}\n'

    def to_array(self) -> NDArray[np.uint8]:
        """Return the JSON text as UTF-8 bytes."""
        return np.frombuffer(self.to_json().encode(), np.uint8)

    @classmethod
    def from_array(cls, array: NDArray[Any], source: str) -> Manifest:
        """Parse the result of `to_array`. The message of a TraceError names `source` and the field."""
        try:
            fields = json.loads(array.tobytes().decode())
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{source}: the manifest is not JSON ({error}); the file is damaged") from error
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise TraceError(f"{source} is not a trace: its manifest does not have the format {FORMAT!r}")
        if not isinstance(fields.get("version"), int) or fields["version"] > VERSION:
            raise TraceError(
                f"{source}: trace format version {repr(fields.get('version'))[:80]}, "
                f"this package reads versions up to {VERSION}; update mtcnn_cpp"
            )
        try:
            return _manifest_from_fields(fields)
        except TraceError as error:
            raise TraceError(f"{source}: manifest: {error}; the file was changed or damaged") from error


def tensor_info_to_json(entry: TensorInfo) -> dict[str, Any]:
    """Return the JSON fields of a tensor."""
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


def _manifest_from_fields(fields: dict[str, Any]) -> Manifest:
    picture = fields.get("picture")
    tensors = _require_field(fields, "tensors", _is_list_of(dict))
    names = [entry.get("name") for entry in tensors]
    if len(set(map(str, names))) != len(names):
        raise TraceError("a tensor is listed twice")
    return Manifest(
        capture=parse_capture_level(_require_field(fields, "capture", _is_instance(str))),
        tensors=tuple(map(_tensor_from_fields, tensors)),
        only=tuple(_require_field(fields, "only", _is_list_of(str))),
        image=None if picture is None else _image_from_fields(picture),
        options=_require_field(fields, "options", _is_instance(dict)),
        model=_require_field(fields, "model", _is_instance(dict)),
        made_by=_require_field(fields, "made_by", _is_instance(dict)),
    )


def _tensor_from_fields(fields: dict[str, Any]) -> TensorInfo:
    statistics = fields.get("statistics")
    dtype = _require_field(fields, "dtype", _is_dtype)
    try:
        return TensorInfo(
            name=_require_field(fields, "name", _is_text),
            shape=tuple(_require_field(fields, "shape", _is_shape_of(dtype))),
            dtype=dtype,
            layout=_require_field(fields, "layout", _is_text),
            sha256=_require_field(fields, "sha256", _is_digest) if "sha256" in fields else None,
            statistics=None if statistics is None else Statistics.from_json(statistics),
        )
    except TypeError as error:
        raise TraceError(f"tensor {fields.get('name')!r}: statistics: {safe_text(error, 300)}") from error


def _image_from_fields(fields: Any) -> ImageInfo:
    if not isinstance(fields, dict):
        raise TraceError(f"the field `picture` must be an object, found {repr(fields)[:80]}")
    dtype = _require_field(fields, "dtype", _is_dtype)
    return ImageInfo(
        tuple(_require_field(fields, "shape", _is_shape_of(dtype))),
        dtype,
        _require_field(fields, "sha256", _is_digest),
        _require_field(fields, "color", _is_text),
    )


def _require_field(fields: dict[str, Any], key: str, is_valid: Callable[[Any], bool]) -> Any:
    value = fields.get(key)
    if not is_valid(value):
        owner = f" of {fields['name']!r}" if "name" in fields else ""
        problem = "is missing" if value is None else f"has the invalid value {repr(value)[:80]}"
        raise TraceError(f"the field `{key}`{owner} {problem}")
    return value


def _is_instance(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _is_text(value: Any) -> bool:
    """Accept text without control characters or escape sequences."""
    return isinstance(value, str) and value.isprintable()


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_shape_of(dtype: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and is_shape(value, np.dtype(dtype).itemsize)


def _is_dtype(value: Any) -> bool:
    try:
        return isinstance(value, str) and np.dtype(value).kind in "biuf" and np.dtype(value).name == value
    except Exception:  # NumPy parses the text, which can raise any exception
        return False
