"""Trace: the named tensors of one detection, in memory or in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...image import Pixels, to_pixels
from ..errors import TraceError, UnknownName
from ..names import nearest
from .manifest import Capture, Entry, Manifest, Picture
from .npz import NpzReader, NpzWriter, digest
from .recorder import Recorder

MANIFEST = "manifest"
PICTURE = "picture"


class Trace:
    """What a detection computed inside: ``trace["pnet/level02/conv1"]``, in execution order.

    A trace from a file reads each tensor when it is asked for, and checks its SHA-256 then.
    """

    def __init__(
        self, manifest: Manifest, read: Callable[[str], NDArray[Any]], source: str = "trace"
    ) -> None:
        self.manifest = manifest
        self.source = source
        self._read = read
        self._entries = {entry.name: entry for entry in manifest.tensors}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The values, read-only; TraceError where the capture level left them out."""
        self.entry(name)
        if self.manifest.capture != "full":
            raise TraceError(
                f"{self.source} was captured at level {self.manifest.capture!r}: it holds no values"
            )
        return self._read(name)

    def __repr__(self) -> str:
        return f"Trace({self.source!r}, {len(self)} tensors, capture={self.manifest.capture!r})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors, in execution order."""
        return tuple(self._entries)

    def entry(self, name: str) -> Entry:
        """Shape, dtype, hash and statistics of one tensor."""
        try:
            return self._entries[name]
        except KeyError:
            found = nearest(name, self._entries)
            hint = f"; the nearest: {', '.join(found)}" if found else ""
            raise UnknownName(f"{self.source} has no tensor {name!r}{hint}") from None

    @property
    def picture(self) -> NDArray[Any]:
        """The picture's pixels (H, W, 3), blue first."""
        if self.manifest.picture is None or self.manifest.capture != "full":
            raise TraceError(f"{self.source} holds no picture (capture level {self.manifest.capture!r})")
        return self._read(PICTURE)

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
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Open a trace file. TraceError says what is wrong with one that cannot be used."""
        reader = NpzReader(path)
        source = str(path)
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
        return cls(manifest, _checked(reader, manifest), source)

    @classmethod
    def from_arrays(
        cls,
        tensors: Mapping[str, NDArray[Any]],
        *,
        picture: object = None,
        color: str = "bgr",
        capture: Capture = "full",
        source: str = "trace",
        **about: Any,
    ) -> Trace:
        """A trace of arrays from anywhere, e.g. another runtime; names and order as this package has them.

        `picture` and `color` are as for `Detector.detect`.
        `about` may give the manifest's `options`, `model` (name -> SHA-256), `made_by` and `only`.
        """
        values: dict[str, NDArray[Any]] = {}
        recorder = Recorder(capture, values.__setitem__)
        for name, array in tensors.items():
            recorder.tap(name, frozen(array))
        described = None
        if picture is not None:
            values[PICTURE] = frozen(to_bgr(to_pixels(picture, color)))
            described = describe(values[PICTURE])
        manifest = Manifest(capture, tuple(recorder.entries), picture=described, **about)
        return cls(manifest, values.__getitem__, source)


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


def _checked(reader: NpzReader, manifest: Manifest) -> Callable[[str], NDArray[Any]]:
    entries: dict[str, Entry | Picture] = {entry.name: entry for entry in manifest.tensors}
    if manifest.picture is not None:
        entries[PICTURE] = manifest.picture

    def read(name: str) -> NDArray[Any]:
        entry = entries[name]
        array = reader.read(name, shape=entry.shape, dtype=entry.dtype)
        found = digest(array)
        if found != entry.sha256:
            raise TraceError(
                f"{reader.path}: the values of {name!r} have SHA-256 {found[:16]}…, the manifest says "
                f"{str(entry.sha256)[:16]}…; the file was changed or damaged"
            )
        return array

    return read
