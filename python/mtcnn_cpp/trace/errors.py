"""Errors of traces."""

from __future__ import annotations

from .._util.errors import MtcnnError


class TraceError(MtcnnError, ValueError):
    """A trace file, a name pattern or a tolerance is not usable. The message says what to do."""


class UnknownName(TraceError, KeyError):
    """The trace has no tensor of this name."""

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return str(self.args[0])
