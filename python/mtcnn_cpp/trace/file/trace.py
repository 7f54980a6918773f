"""Trace: the named tensors of one detection, in memory or in a file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...formats.errors import shown
from ...image import Pixels, to_pixels
from ...notebook import TensorView, trace_table
from ...reference.options import Options
from ...types import Color, ImageLike
from ..errors import TraceError, UnknownName
from ..names import chosen, hint, is_pattern, template
from .manifest import Capture, Entry, Manifest, Picture
from .npz import NpzReader, NpzWriter, digest
from .recorder import Recorder, describe_tensor

MANIFEST = "manifest"
PICTURE = "picture"


class Values(Protocol):
    """Arrays by name: those of the tensors, and the picture under `PICTURE`."""

    def __getitem__(self, name: str, /) -> NDArray[Any]: ...


class Trace(Mapping[str, NDArray[Any]]):
    """What a detection computed inside: a read-only mapping from names to arrays, in execution order.

    `trace["pnet/level02/conv1"]` is one tensor, `trace.select("rnet/*/conv2")` a trace of some. A trace from
    a file reads each tensor when it is asked for, and checks its SHA-256 then; `close`, or the end of a
    `with` block, closes the file. `compare` compares two traces; `==` asks whether they are the same object.
    """

    def __init__(self, manifest: Manifest, values: Values, source: str = "trace") -> None:
        self.manifest = manifest
        self.source = source
        self._values = values
        self._entries = {entry.name: entry for entry in manifest.tensors}

    def close(self) -> None:
        """Close the trace's file, and with it those that `select` made of this trace: their values cannot be
        read any more. A trace in memory stays as it is."""
        if isinstance(self._values, _Stored):
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
        """The values, read-only. UnknownName (a KeyError) for a name that the trace lacks, TraceError where
        the capture level left the values out."""
        self.entry(name)
        if self.manifest.capture != "full":
            raise TraceError(
                f"{self.source} was captured at level {self.manifest.capture!r}: it holds no values"
            )
        return self._values[name]

    def __repr__(self) -> str:
        return f"Trace({self.source!r}, {len(self)} tensors, capture={self.manifest.capture!r})"

    def _repr_html_(self) -> str:
        """For notebooks: a table of the tensors, without their values."""
        return trace_table(f"{self!r}; look at one with show(name)", self._entries, template)

    def show(self, name: str) -> TensorView:
        """One tensor to look at in a notebook: maps as a grid of channels, lists as a table. Its values are
        `trace[name]`, and `show(name).array`. Raises what `trace[name]` raises."""
        return TensorView(name, self[name])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors, in execution order."""
        return tuple(self._entries)

    def entry(self, name: str) -> Entry:
        """Shape, dtype, hash and statistics of one tensor. UnknownName for a name that the trace lacks."""
        if name in self._entries:
            return self._entries[name]
        if is_pattern(name):
            raise UnknownName(f"{name!r} is a pattern, not the name of a tensor; use select({name!r})")
        raise UnknownName(f"{self.source} has no tensor {name!r}{hint(name, self)}")

    def select(self, *patterns: str) -> Trace:
        """The trace of those tensors whose names fit a pattern, such as "rnet/crop*/conv2".

        `*`, `?` and `[...]` are as in a shell, but `*` crosses slashes. Nothing is read or copied. Raises
        TraceError for a pattern that fits no name.
        """
        found = chosen(patterns, self)
        only = found if self.manifest.only else patterns
        tensors = tuple(self._entries[name] for name in found)
        manifest = dataclasses.replace(self.manifest, tensors=tensors, only=tuple(only))
        return Trace(manifest, self._values, self.source)

    def replace(self, changes: Mapping[str, NDArray[Any]]) -> Trace:
        """A copy in memory with other values for some tensors; their shapes and hashes are described anew.

        Picture, options and networks stay as they are, and so does the order. Raises UnknownName for a name
        that the trace lacks, TraceError where it holds no values.
        """
        values = {name: self[name] for name in self}
        entries = dict(self._entries)
        if self.manifest.picture is not None:
            values[PICTURE] = self.picture
        for name, array in changes.items():
            self.entry(name)
            values[name] = frozen(array)
            entries[name] = describe_tensor(name, values[name], "full")
        manifest = dataclasses.replace(self.manifest, tensors=tuple(entries.values()))
        return Trace(manifest, values, self.source)

    @property
    def options(self) -> Options:
        """The options of the detection. TraceError where the manifest states none, or some that no detection
        can have."""
        given = self.manifest.options
        if not given:
            raise TraceError(f"{self.source} does not state the options of the detection; make it with dump")
        try:
            return Options(**given)
        except (TypeError, ValueError) as error:
            raise TraceError(
                f"{self.source}: manifest: options: {shown(error, 300)}; the file was changed or damaged"
            ) from error

    @property
    def picture(self) -> NDArray[Any]:
        """The picture's pixels (H, W, 3), blue first."""
        if self.manifest.picture is None or self.manifest.capture != "full":
            raise TraceError(f"{self.source} holds no picture (capture level {self.manifest.capture!r})")
        return self._values[PICTURE]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as an NPZ file; an existing file is replaced only when all is written."""
        with NpzWriter(path) as writer:
            if self.manifest.capture == "full":
                if self.manifest.picture is not None:
                    writer.add(PICTURE, self.picture)
                for name in self:
                    writer.add(name, self[name])
            finish(writer, self.manifest)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, source: str | None = None) -> Trace:
        """Open a trace file. TraceError says what is wrong with one that cannot be used.

        source: what reports call the trace; None for the path.
        """
        reader = NpzReader(path)
        try:
            return cls._of(reader, str(path) if source is None else source)
        except BaseException:
            reader.close()
            raise

    @classmethod
    def _of(cls, reader: NpzReader, source: str) -> Trace:
        """The trace in an open file."""
        if MANIFEST not in reader.names:
            raise TraceError(
                f"{source} is not a trace: it has no manifest "
                "(make one of plain arrays with Trace.from_arrays(...).save(...))"
            )
        manifest = Manifest.from_array(reader.read(MANIFEST), source)
        listed = [entry.name for entry in manifest.tensors] if manifest.capture == "full" else []
        if manifest.capture == "full" and manifest.picture is not None:
            listed.append(PICTURE)
        for name in sorted(set(listed) ^ (set(reader.names) - {MANIFEST})):
            what = "lists an entry that the file lacks" if name in listed else "does not list an entry"
            raise TraceError(f"{source}: the manifest {what}: {name!r}; the file was changed or damaged")
        return cls(manifest, _Stored(reader, manifest), source)

    @classmethod
    def from_arrays(
        cls,
        tensors: Mapping[str, NDArray[Any]],
        *,
        picture: ImageLike | None = None,
        color: Color = "bgr",
        capture: Capture = "full",
        source: str = "trace",
        options: Mapping[str, Any] | None = None,
        model: Mapping[str, str] | None = None,
        made_by: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
    ) -> Trace:
        """A trace of arrays from anywhere, such as another runtime; names and order as this package has them.

        picture and color: as for `Detector.detect`, with the same errors. capture: the level of
        `Detector.trace`. source: what reports call the trace. options, model (name -> SHA-256), made_by and
        only: what the manifest states.
        """
        values: dict[str, NDArray[Any]] = {}
        recorder = Recorder(capture, values.__setitem__)
        for name, array in tensors.items():
            recorder.tap(name, frozen(array))
        described = None
        if picture is not None:
            values[PICTURE] = frozen(to_bgr(to_pixels(picture, color)))
            described = describe(values[PICTURE])
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
    """A read-only copy in C order."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def to_bgr(pixels: Pixels) -> NDArray[Any]:
    """A view of the three channels that are looked at, blue first: the form in which traces keep pictures."""
    return pixels.array[..., 2::-1] if pixels.red_first else pixels.array[..., :3]


def describe(picture: NDArray[Any]) -> Picture:
    """Shape, dtype and SHA-256 of a picture, blue first."""
    return Picture(picture.shape, picture.dtype.name, digest(picture), "bgr")


def finish(writer: NpzWriter, manifest: Manifest) -> None:
    """Add the manifest, known only at the end, and put the file in place."""
    writer.add(MANIFEST, manifest.to_array(), compress=True)
    writer.commit()


class _Stored:
    """The arrays of a trace file, each read and checked when it is asked for."""

    def __init__(self, reader: NpzReader, manifest: Manifest) -> None:
        self.reader = reader
        self._entries: dict[str, Entry | Picture] = {entry.name: entry for entry in manifest.tensors}
        if manifest.picture is not None:
            self._entries[PICTURE] = manifest.picture

    def __getitem__(self, name: str) -> NDArray[Any]:
        entry = self._entries[name]
        array = self.reader.read(name, shape=entry.shape, dtype=entry.dtype)
        found = digest(array)
        if found != entry.sha256:
            raise TraceError(
                f"{self.reader.path}: the values of {name!r} have SHA-256 {found[:16]}…, the manifest says "
                f"{str(entry.sha256)[:16]}…; the file was changed or damaged"
            )
        return array
