"""A trace contains the named tensors of one detection. It is in memory or in a file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..detections.notebook.tensors import TensorView, trace_table
from ..formats.errors import safe_text
from ..media.image.pixels import Pixels, to_pixels
from ..reference.options import Options
from ..types import Color, Hook, ImageLike
from .errors import TraceError, UnknownName
from .file.npz import NpzReader, NpzWriter, digest
from .manifest import CaptureLevel, ImageInfo, Manifest, Statistics, TensorInfo
from .names import is_pattern, layout, name_matcher, select_names, suggest_names, template


def describe_tensor(name: str, array: NDArray[Any], capture: CaptureLevel) -> TensorInfo:
    """Describe a tensor. The capture level decides whether the description has a hash and statistics."""
    return TensorInfo(
        name,
        array.shape,
        array.dtype.name,
        layout(name, array.ndim),
        None if capture == "names" else digest(array),
        Statistics.of(array) if capture == "stats" else None,
    )


class Recorder:
    """A hook that appends a description of each tensor to `entries`.

    At level `full`, it also stores the values of each tensor.

    store: Function that stores an array; it is called with the name and the array. only: Patterns of the
    names to record. Empty: all names. limit: Maximum number of stored bytes; `record` raises TraceError above
    this limit. None: no limit. used: Number of bytes that other files already use; they count towards
    `limit`.
    """

    def __init__(
        self,
        capture: CaptureLevel,
        store: Hook,
        only: Sequence[str] = (),
        limit: int | None = None,
        used: int = 0,
    ) -> None:
        self.entries: list[TensorInfo] = []
        self.nbytes = used
        self._capture = capture
        self._store = store
        self._wanted = name_matcher(only) if only else lambda name: True
        self._limit = limit
        self._seen: set[str] = set()

    def record(self, name: str, array: NDArray[Any]) -> None:
        """Record one tensor. The recorder keeps no reference to the array.

        Raises TraceError if a tensor of this name was recorded before.
        """
        if not self._wanted(name):
            return
        if name in self._seen:
            raise TraceError(f"two tensors have the name {name!r}")
        self._seen.add(name)
        entry = describe_tensor(name, array, self._capture)
        self.entries.append(entry)
        if self._capture != "full":
            return
        self.nbytes += entry.nbytes
        if self._limit is not None and self.nbytes > self._limit:
            raise TraceError(
                f"the capture exceeds {self._limit / 2**30:.3g} GiB at {name}; "
                "allow it (--yes), or capture less (--only, --capture hash)"
            )
        self._store(name, array)


MANIFEST = "manifest"
IMAGE = "picture"


class Values(Protocol):
    """A mapping from names to arrays: the values of the tensors, and the image under the name `IMAGE`."""

    def __getitem__(self, name: str, /) -> NDArray[Any]: ...


class Trace(Mapping[str, NDArray[Any]]):
    """The tensors that a detection computed, as a read-only mapping from names to arrays in execution order.

    A trace that was opened from a file reads a tensor and checks its SHA-256 on each access. `close`, or the
    end of a `with` block, closes the file. To compare the values of two traces, use `compare`; `==` is True
    only for the same object.

    Example:
        trace = Trace.load("trace.npz")
        values = trace["pnet/level02/conv1"]
        some = trace.select("rnet/*/conv2")

    Args:
        manifest: Description of the tensors.
        values: The arrays by name.
        source: Name of the trace in messages and reports.
    """

    def __init__(self, manifest: Manifest, values: Values, source: str = "trace") -> None:
        self.manifest = manifest
        self.source = source
        self._values = values
        self._entries = {entry.name: entry for entry in manifest.tensors}

    def close(self) -> None:
        """Close the file of the trace.

        Then the values of this trace, and of the traces that `select` made from it, cannot be read any more.
        For a trace in memory, `close` has no effect.
        """
        if isinstance(self._values, _StoredValues):
            self._values.reader.close()

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the values of a tensor as a read-only array.

        Raises:
            UnknownName: The trace has no tensor of this name. It is a KeyError.
            TraceError: The trace has no values, or the file is damaged.
        """
        self.info(name)
        if self.manifest.capture != "full":
            raise TraceError(
                f"{self.source} was captured at level {self.manifest.capture!r}: it contains no values"
            )
        return self._values[name]

    def __repr__(self) -> str:
        return f"Trace({self.source!r}, {len(self)} tensors, capture={self.manifest.capture!r})"

    def _repr_html_(self) -> str:
        """Return a table of the tensors for notebooks. The table does not contain their values."""
        return trace_table(f"{self!r}; show(name) shows a tensor", self._entries, template)

    def show(self, name: str) -> TensorView:
        """Show one tensor in a notebook. Maps are shown as a grid of channels, and lists as a table.

        The attribute `array` of the result has the values. Raises the errors of `trace[name]`.
        """
        return TensorView(name, self[name])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors, in execution order."""
        return tuple(self._entries)

    def info(self, name: str) -> TensorInfo:
        """Return shape, dtype, hash and statistics of one tensor.

        Raises:
            UnknownName: The trace has no tensor of this name.
        """
        if name in self._entries:
            return self._entries[name]
        if is_pattern(name):
            raise UnknownName(f"{name!r} is a pattern, not the name of a tensor; use select({name!r})")
        raise UnknownName(f"{self.source} has no tensor {name!r}{suggest_names(name, self)}")

    def select(self, *patterns: str) -> Trace:
        """Return a trace of the tensors whose names match a pattern. No values are read or copied.

        Args:
            *patterns: Patterns such as "rnet/crop*/conv2". `*`, `?` and `[...]` work as in a shell, but
                `*` also matches slashes.

        Raises:
            TraceError: A pattern matches no name.
        """
        found = select_names(patterns, self)
        only = found if self.manifest.only else patterns
        tensors = tuple(self._entries[name] for name in found)
        manifest = dataclasses.replace(self.manifest, tensors=tensors, only=tuple(only))
        return Trace(manifest, self._values, self.source)

    def replace(self, changes: Mapping[str, NDArray[Any]]) -> Trace:
        """Return a copy in memory in which some tensors have new values.

        Shapes and hashes are updated. The image, the options, the networks and the order stay the same.

        Raises:
            UnknownName: The trace has no tensor of this name.
            TraceError: The trace has no values.
        """
        values = {name: self[name] for name in self}
        entries = dict(self._entries)
        if self.manifest.image is not None:
            values[IMAGE] = self.image
        for name, array in changes.items():
            self.info(name)
            values[name] = frozen(array)
            entries[name] = describe_tensor(name, values[name], "full")
        manifest = dataclasses.replace(self.manifest, tensors=tuple(entries.values()))
        return Trace(manifest, values, self.source)

    @property
    def options(self) -> Options:
        """The options of the detection.

        Raises:
            TraceError: The manifest has no options, or its options are invalid.
        """
        given = self.manifest.options
        if not given:
            raise TraceError(
                f"{self.source} does not contain the options of the detection; "
                "create the trace with mtcnn-cpp dump"
            )
        try:
            return Options(**given)
        except (TypeError, ValueError) as error:
            raise TraceError(
                f"{self.source}: manifest: options: {safe_text(error, 300)}; the file was changed or damaged"
            ) from error

    @property
    def image(self) -> NDArray[Any]:
        """The pixels of the image, (H, W, 3), BGR.

        Raises:
            TraceError: The trace has no pixels.
        """
        if self.manifest.image is None or self.manifest.capture != "full":
            raise TraceError(f"{self.source} contains no image (capture level {self.manifest.capture!r})")
        return self._values[IMAGE]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as an NPZ file. An existing file is replaced only after the whole file is written.

        Raises:
            TraceError: The file is not writable.
        """
        with NpzWriter(path) as writer:
            if self.manifest.capture == "full":
                if self.manifest.image is not None:
                    writer.add(IMAGE, self.image)
                for name in self:
                    writer.add(name, self[name])
            finish(writer, self.manifest)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, source: str | None = None) -> Trace:
        """Open a trace file.

        Args:
            path: The file.
            source: Name of the trace in reports. None: the path.

        Raises:
            TraceError: The file is not a usable trace.
        """
        reader = NpzReader(path)
        try:
            return cls._from_reader(reader, str(path) if source is None else source)
        except BaseException:
            reader.close()
            raise

    @classmethod
    def _from_reader(cls, reader: NpzReader, source: str) -> Trace:
        """Return the trace in an open file."""
        if MANIFEST not in reader.names:
            raise TraceError(
                f"{source} is not a trace: it has no manifest "
                "(to make a trace from arrays, use Trace.from_arrays(...).save(...))"
            )
        manifest = Manifest.from_array(reader.read(MANIFEST), source)
        listed = [entry.name for entry in manifest.tensors] if manifest.capture == "full" else []
        if manifest.capture == "full" and manifest.image is not None:
            listed.append(IMAGE)
        for name in sorted(set(listed) ^ (set(reader.names) - {MANIFEST})):
            problem = (
                "lists an entry that the file does not contain"
                if name in listed
                else "does not list an entry"
            )
            raise TraceError(f"{source}: the manifest {problem}: {name!r}; the file was changed or damaged")
        return cls(manifest, _StoredValues(reader, manifest), source)

    @classmethod
    def from_arrays(
        cls,
        tensors: Mapping[str, NDArray[Any]],
        *,
        image: ImageLike | None = None,
        color: Color = "bgr",
        capture: CaptureLevel = "full",
        source: str = "trace",
        options: Mapping[str, Any] | None = None,
        model: Mapping[str, str] | None = None,
        made_by: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
    ) -> Trace:
        """Make a trace from arrays that another program computed.

        Args:
            tensors: Arrays by name. The names and their order must be those of this package's detection.
            image: The image of the detection, as for `Detector.detect`, with the same errors.
            color: Channel order of `image`, `"bgr"` or `"rgb"`.
            capture: The capture level, as for `Detector.trace`.
            source: Name of the trace in reports.
            options: Options of the detection, for the manifest.
            model: SHA-256 of each network by name, for the manifest.
            made_by: Versions of the software, for the manifest.
            only: Patterns that limited the capture, for the manifest.

        Raises:
            TraceError: `capture` is not a capture level.
        """
        values: dict[str, NDArray[Any]] = {}
        recorder = Recorder(capture, values.__setitem__)
        for name, array in tensors.items():
            recorder.record(name, frozen(array))
        described = None
        if image is not None:
            values[IMAGE] = frozen(to_bgr(to_pixels(image, color)))
            described = describe(values[IMAGE])
        manifest = Manifest(
            capture,
            tuple(recorder.entries),
            tuple(only),
            described,
            dict(options or {}),
            dict(model or {}),
            dict(made_by or {}),
        )
        return cls(manifest, values, source)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only copy in C order."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def to_bgr(pixels: Pixels) -> NDArray[Any]:
    """Return a view of the color channels in BGR order. Images in traces have this order."""
    return pixels.array[..., 2::-1] if pixels.is_rgb else pixels.array[..., :3]


def describe(image: NDArray[Any]) -> ImageInfo:
    """Describe a BGR image by shape, dtype and SHA-256."""
    return ImageInfo(image.shape, image.dtype.name, digest(image), "bgr")


def finish(writer: NpzWriter, manifest: Manifest) -> None:
    """Write the manifest and commit the file. Call this function after the last tensor is written."""
    writer.add(MANIFEST, manifest.to_array(), compress=True)
    writer.commit()


class _StoredValues:
    """The arrays of a trace file. Each access reads and checks an array."""

    def __init__(self, reader: NpzReader, manifest: Manifest) -> None:
        self.reader = reader
        self._entries: dict[str, TensorInfo | ImageInfo] = {entry.name: entry for entry in manifest.tensors}
        if manifest.image is not None:
            self._entries[IMAGE] = manifest.image

    def __getitem__(self, name: str) -> NDArray[Any]:
        entry = self._entries[name]
        array = self.reader.read(name, shape=entry.shape, dtype=entry.dtype)
        found = digest(array)
        if found != entry.sha256:
            raise TraceError(
                f"{self.reader.path}: the values of {name!r} have SHA-256 {found[:16]}…, but the manifest "
                f"records {str(entry.sha256)[:16]}…; the file was changed or damaged"
            )
        return array
