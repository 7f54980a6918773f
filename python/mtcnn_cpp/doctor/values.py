"""What was done to the numbers themselves: theirs, arranged as OpenFace's, against OpenFace's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..types import FloatArray
from .arrange import correlation
from .findings import Finding

COUNTS = np.arange(1.0, 256.0)  # of 8-bit numbers: how many steps the largest magnitude can be


def compare_values(layer: str, what: str, theirs: FloatArray, ours: FloatArray) -> list[Finding]:
    """None where they are equal, else what was done: half precision, a quantisation step, a factor, other
    numbers. Two arrays of one shape; `what` they are, in words."""
    if np.array_equal(theirs, ours):
        return []
    if not np.isfinite(theirs).all():
        bad = int(np.sum(~np.isfinite(theirs)))
        return [Finding(layer, "values", f"{bad} of {ours.size} {what} are NaN or infinite")]
    difference = np.abs(theirs.astype(np.float64) - ours)
    like = correlation(theirs, ours)
    figures: dict[str, Any] = {
        "different": f"{int(np.sum(theirs != ours))} of {ours.size}",
        "max abs difference": float(difference.max()),
        "correlation": round(like, 6),
    }
    for kind, round_to in (("float16", half), ("bfloat16", bfloat16)):
        if np.array_equal(theirs, round_to(theirs)):
            found = Finding(layer, "half", f"{what} rounded to {kind}", figures)
            explained = np.array_equal(theirs, round_to(ours))
            return [found] if explained else [found, other_values(layer, what, theirs, ours, figures)]
    step = quantisation_step(theirs)
    if step is not None:
        told = f"{np.max(step):.6g}" if np.size(step) == 1 else f"{np.min(step):.6g} … {np.max(step):.6g}"
        per = "one step for each output" if np.size(step) > 1 else "one step for all"
        found = Finding(layer, "quantised", f"{what} quantised, {per}: {told}", figures | {"step": told})
        explained = difference.max() <= np.max(step)
        return [found] if explained else [found, other_values(layer, what, theirs, ours, figures)]
    return [other_values(layer, what, theirs, ours, figures)]


def other_values(
    layer: str, what: str, theirs: FloatArray, ours: FloatArray, figures: dict[str, Any]
) -> Finding:
    """Numbers multiplied by a factor, where one explains it; else other numbers."""
    wide = ours.astype(np.float64)
    factor = float((theirs * wide).sum() / max((wide * wide).sum(), 1e-30))
    residue = np.abs(theirs - factor * wide).max()
    if abs(factor - 1) > 1e-3 and abs(factor) > 1e-9 and residue <= 1e-3 * abs(factor) * np.abs(wide).max():
        return Finding(layer, "scaled", f"{what} multiplied by {factor:.6g}", figures | {"factor": factor})
    worst = tuple(int(index) for index in np.unravel_index(int(np.abs(theirs - wide).argmax()), ours.shape))
    there = {"worst at": worst, "there": float(theirs[worst]), "expected": float(ours[worst])}
    return Finding(layer, "values", describe(what, theirs, ours), figures | there)


def describe(what: str, theirs: FloatArray, ours: FloatArray) -> str:
    """Other numbers, in words: a few, or all of them."""
    changed = int(np.sum(theirs != ours))
    like = correlation(theirs, ours)
    if changed <= max(3, ours.size // 20):
        return f"{changed} of {ours.size} {what} are other numbers"
    if like > 0.999999:
        return f"{what} differ in their last digits (correlation {like:.7f})"
    word = "retrained from OpenFace's" if like > 0.5 else "unrelated to OpenFace's"
    return f"{what} are other numbers, {word} (correlation {like:.3f})"


def half(values: FloatArray) -> FloatArray:
    """Rounded to float16."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def bfloat16(values: FloatArray) -> FloatArray:
    """Rounded to bfloat16, the upper 16 bits of float32; ties to even."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & 0xFFFF0000).astype(np.uint32).view(np.float32)


def quantisation_step(values: FloatArray) -> float | FloatArray | None:
    """The step of which all numbers are whole multiples, 255 at most: one for all, or one for each output
    (out,). None where there is none."""
    one = step_of(values.ravel())
    if one is not None:
        return one
    if values.ndim < 2 or values[0].size < 9:
        return None
    steps = [step_of(row.ravel()) for row in values]
    return None if None in steps else np.array(steps, np.float32)


def step_of(values: FloatArray) -> float | None:
    """The largest step that fits: a whole fraction of the largest magnitude."""
    wide = np.abs(values.astype(np.float64))
    largest = wide.max()
    if not largest or values.size < 5:
        return None
    sample = wide[np.linspace(0, wide.size - 1, min(wide.size, 32)).astype(int)]
    for count in np.flatnonzero(whole(sample[:, None] * (COUNTS / largest)).all(axis=0)) + 1:
        if whole(wide * (count / largest)).all():
            return float(largest / count)
    return None


def whole(multiples: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return np.abs(multiples - np.round(multiples)) < 1e-3
