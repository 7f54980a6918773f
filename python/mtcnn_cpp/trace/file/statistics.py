"""A tensor in a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Statistics:
    """Figures over the finite elements, in float64 (NaN where there are none), and counts of the others."""

    minimum: float
    maximum: float
    mean: float
    standard_deviation: float
    zeros: int
    nans: int
    infinities: int

    @classmethod
    def of(cls, array: NDArray[Any]) -> Statistics:
        """Statistics of an array of any shape and any real dtype."""
        values = np.asarray(array, np.float64).ravel()
        finite = values[np.isfinite(values)]
        nans = int(np.isnan(values).sum())
        zeros = int((finite == 0).sum())
        if finite.size == 0:
            return cls(math.nan, math.nan, math.nan, math.nan, zeros, nans, values.size - nans)
        return cls(
            float(finite.min()),
            float(finite.max()),
            float(finite.mean()),
            float(finite.std()),
            zeros,
            nans,
            values.size - finite.size - nans,
        )

    def to_json(self) -> dict[str, float | int | None]:
        """For the manifest: NaN becomes null."""
        return {key: None if value != value else value for key, value in vars(self).items()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Statistics:
        """The reverse of `to_json`. TypeError for anything else."""
        if not isinstance(fields, dict) or not all(
            value is None or type(value) in (int, float) for value in fields.values()
        ):
            raise TypeError(f"expected numbers by name, found {fields!r:.80}")
        values: dict[str, Any] = {key: math.nan if value is None else value for key, value in fields.items()}
        return cls(**values)
