"""Converts results to JSON-compatible values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_json_value(value: Any) -> Any:
    """Convert a result to JSON-compatible values.

    Dataclasses and mappings become dicts; tuples, lists and arrays become lists; NumPy scalars become Python
    scalars; NaN and infinities become the strings "nan", "inf" and "-inf". All other values are returned
    unchanged.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if dataclasses.is_dataclass(value):
        return {field.name: to_json_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
