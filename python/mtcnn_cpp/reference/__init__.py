"""The detector in NumPy alone: the specification that runs, room for room and bit for bit as the core."""

from .cascade import detect
from .network import Networks

__all__ = ["Networks", "detect"]
