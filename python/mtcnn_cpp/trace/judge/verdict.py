"""The verdict on one tensor: identical > equal > ulp<=k > close > similar > different."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .figures import Figures, figures
from .magnitudes import greatest
from .tolerances import Tolerance
from .ulp import ulp_distance

SIMILAR_DB = 40.0  # signal to noise from which a tensor that failed is called similar
Verdict: TypeAlias = Literal[
    "identical", "equal", "ulp", "close", "similar", "different", "missing", "extra", "unchecked"
]


def judge(
    a: NDArray[Any],
    b: NDArray[Any],
    tolerance: Tolerance,
    axes: str,
    magnitude: float | None = None,
) -> tuple[Verdict, bool, str, Figures | None]:
    """Verdict, whether it passes, the reason in words, and figures.

    a and b: of one shape and dtype; a is the reference. axes: the layout of the manifest. magnitude: what a
    tolerance's `share` is of; None for the greatest magnitude of a. Figures are None for identical tensors
    and where NaN or infinities stand at different places.
    """
    if a.tobytes() == b.tobytes():
        return "identical", True, "", None
    pattern = _not_finite(a, b)
    if pattern:
        return "different", False, pattern, None
    measured = figures(a, b, axes)
    if measured.differing == 0:
        return "equal", True, "signed zeros or NaN bits differ", measured
    if measured.pass_ulp <= tolerance.ulp:
        return "ulp", True, f"within {tolerance.ulp:g} ulp", measured
    if tolerance.share and magnitude is None:
        magnitude = greatest(a)
    if _all_pass(a, b, tolerance, magnitude or 0.0):
        return "close", True, f"within {tolerance}", measured
    reason = f"{measured.differing} of {measured.elements} elements differ"
    if tolerance != Tolerance():
        reason += f" by more than {tolerance}"
    if axes == "channel, y, x" and len(a) == 3 and a.tobytes() == b[::-1].tobytes():
        reason += "; b with its channels reversed is a: red and blue are swapped"
    return "similar" if measured.snr_db >= SIMILAR_DB else "different", False, reason, measured


def _all_pass(a: NDArray[Any], b: NDArray[Any], tolerance: Tolerance, magnitude: float) -> bool:
    if not (tolerance.atol or tolerance.rtol or tolerance.share):
        return False
    good = np.isfinite(a)
    first, second = a[good], b[good]
    x, y = first.astype(np.float64), second.astype(np.float64)
    close = np.abs(x - y) <= tolerance.atol + tolerance.rtol * np.abs(x) + tolerance.share * magnitude
    return bool(np.all(close | (ulp_distance(first, second) <= tolerance.ulp)))


def _not_finite(a: NDArray[Any], b: NDArray[Any]) -> str:
    """The first place where NaN or infinities of the two do not match, in words; empty if all match."""
    if a.dtype.kind != "f":
        return ""
    differ = np.isnan(a) != np.isnan(b)
    differ |= (np.isinf(a) | np.isinf(b)) & (a != b) & ~(np.isnan(a) & np.isnan(b))
    count = int(np.count_nonzero(differ))
    if count == 0:
        return ""
    index = tuple(map(int, np.unravel_index(int(np.argmax(differ)), a.shape)))
    return (
        f"NaN or infinities differ in {count} of {a.size} elements, first at {index}: "
        f"a = {float(a[index])!r}, b = {float(b[index])!r}"
    )
