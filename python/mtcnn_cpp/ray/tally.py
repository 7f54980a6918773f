"""What a part of a job came to, in numbers: small enough to travel as often as one likes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..table import Result

MOST_ERRORS = 20  # that travel in words; the table has them all


@dataclass
class Tally:
    """results: how many there were. frames: those that were looked at. faces: in them. failed: results with
    an error. errors: some of these, in words."""

    results: int = 0
    frames: int = 0
    faces: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a result."""
        self.results += 1
        self.frames += result.faces is not None
        self.faces += len(result.faces or ())
        self.failed += bool(result.error)
        if result.error and len(self.errors) < MOST_ERRORS:
            self.errors.append(result.error)

    def merge(self, other: Tally) -> None:
        """Count what another has counted."""
        self.results += other.results
        self.frames += other.frames
        self.faces += other.faces
        self.failed += other.failed
        self.errors = (self.errors + other.errors)[:MOST_ERRORS]
