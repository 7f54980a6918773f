"""Invalid detector arguments, each with the exception and its message."""

from __future__ import annotations

import math
from typing import Any

BAD_OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"min_face": 0.999}, ValueError, "min_face must be a finite number of pixels of 1 or more, got 0.999"),
    ({"min_face": math.nan}, ValueError, "min_face must be .* got nan"),
    ({"min_face": math.inf}, ValueError, "min_face must be .* got inf"),
    ({"min_face": "60"}, TypeError, "min_face must be a number, got '60'"),
    ({"thresholds": (0.6, 0.7)}, ValueError, "thresholds must be three numbers from 0 to 1"),
    ({"thresholds": 0.7}, ValueError, "thresholds must be three numbers from 0 to 1"),
    ({"thresholds": (0.6, 0.7, 1.01)}, ValueError, "thresholds must be three numbers from 0 to 1"),
    ({"thresholds": (-0.1, 0.7, 0.7)}, ValueError, "thresholds must be three numbers from 0 to 1"),
    ({"thresholds": (0.6, math.nan, 0.7)}, ValueError, "thresholds must be three numbers from 0 to 1"),
    ({"scale_factor": 0}, ValueError, "scale_factor must be above 0 and below 1, got 0"),
    ({"scale_factor": 1}, ValueError, "scale_factor must be above 0 and below 1, got 1"),
    ({"scale_factor": math.nan}, ValueError, "scale_factor must be above 0 and below 1, got nan"),
    ({"threads": -1}, ValueError, "threads must be from 1 to 1024, or None for all usable CPUs, got -1"),
    ({"threads": 0}, ValueError, "threads must be from 1 to 1024, or None for all usable CPUs, got 0"),
    ({"threads": 10**20}, ValueError, "threads must be from 1 to 1024"),
    ({"threads": 1.5}, TypeError, "threads must be an integer or None, got 1.5"),
    ({"memory_limit": -1}, ValueError, "memory_limit must be a number of bytes .* or None .*, got -1"),
    ({"memory_limit": 0}, ValueError, "memory_limit must be a number of bytes .* or None .*, got 0"),
    ({"memory_limit": "1 GB"}, TypeError, "memory_limit must be an integer or None, got '1 GB'"),
    ({"model": 3}, TypeError, "model must be a Model, the path of a model, or None, got int"),
    ({"model": "nowhere"}, FileNotFoundError, "nowhere"),
]
