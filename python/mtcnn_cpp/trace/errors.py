"""What can be wrong with a trace, or with what was asked of it."""

from __future__ import annotations


class TraceError(ValueError):
    """A trace file, a name pattern or a tolerance that cannot be used; the message says what to do."""


class UnknownName(TraceError, KeyError):
    """A name that is not in the trace."""

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return str(self.args[0])
