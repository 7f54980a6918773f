"""How much memory a network's file may ask for."""

from __future__ import annotations

from .errors import PortError

NETWORK_LIMIT = 1 << 30  # bytes, all numbers of a file together; OpenFace's largest network has 1.6 million


class Budget:
    """What one file may still take. A reader says what it will take before it does."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = self.left = NETWORK_LIMIT if limit is None else min(limit, NETWORK_LIMIT)

    def spend(self, size: int, what: str) -> None:
        """Account for `size` bytes. PortError where the file has had its share."""
        if not 0 <= size <= self.left:
            raise PortError(f"expected at most {self.limit} bytes in a network's file, found {what}")
        self.left -= size
