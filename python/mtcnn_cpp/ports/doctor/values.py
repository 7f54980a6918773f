"""Compares numbers: weights, biases and slopes in OpenFace's arrangement, and the normalisation.

OpenFace's first layer receives (v - 127.5) / 128 for a pixel value v. A graph can compute this normalisation.
Alternatively, a port can fold the normalisation into the weights of the first layer. Assume that this layer
has the weights `kernel * s` and the bias `bias + t * sum(kernel)`. Then its result for the input u equals the
result of OpenFace's layer for the input `s * u + t`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...formats.found import FoundActivation
from ...types import FloatArray
from .arrangement import Arrangement, Order, correlation
from .findings import Finding, FindingKind

Wide = npt.NDArray[np.float64]

STEP_COUNTS = np.arange(1.0, 256.0)  # 8-bit quantisation: possible ratios of largest magnitude and step
PIXEL_NORMALISATION = np.array([1 / 128, -127.5 / 128])  # factor and shift from pixels to OpenFace's input
SAME_CONSTANT = 1e-4  # two constants with a smaller relative difference count as the same constant
ROUNDING = 2.0**-24  # relative error of one operation in float32
# Tolerance of a normalised value: 4 roundings of the largest value, 1 (2.4e-7). If two or three constants are
# rounded to float32, the value changes by up to this number.
NORMALISATION_TOLERANCE = 4 * ROUNDING


def compare_values(layer: str, what: str, candidate: FloatArray, reference: FloatArray) -> list[Finding]:
    """Compare two arrays of the same shape. Find half precision, quantisation, a factor, or other changes.

    `what` names the numbers in the text. The result is empty if the arrays are equal.
    """
    if np.array_equal(candidate, reference):
        return []
    if not np.isfinite(candidate).all():
        count = int(np.sum(~np.isfinite(candidate)))
        return [Finding(layer, "values", f"{count} of {reference.size} {what} are NaN or infinite")]
    difference = np.abs(candidate.astype(np.float64) - reference)
    evidence: dict[str, Any] = {
        "different": f"{int(np.sum(candidate != reference))} of {reference.size}",
        "max abs difference": float(difference.max()),
        "correlation": round(correlation(candidate, reference), 6),
    }
    for dtype, round_to in (("float16", round_to_float16), ("bfloat16", round_to_bfloat16)):
        if np.array_equal(candidate, round_to(candidate)):
            found = Finding(layer, "half", f"{what} rounded to {dtype}", evidence)
            explained = np.array_equal(candidate, round_to(reference))
            return (
                [found]
                if explained
                else [found, different_values(layer, what, candidate, reference, evidence)]
            )
    step = quantisation_step(candidate)
    if step is not None:
        size = f"{np.max(step):.6g}" if np.size(step) == 1 else f"{np.min(step):.6g} … {np.max(step):.6g}"
        scope = "one step per output" if np.size(step) > 1 else "one step for all"
        found = Finding(layer, "quantised", f"{what} quantised, {scope}: {size}", evidence | {"step": size})
        explained = difference.max() <= np.max(step)
        return (
            [found] if explained else [found, different_values(layer, what, candidate, reference, evidence)]
        )
    return [different_values(layer, what, candidate, reference, evidence)]


def different_values(
    layer: str, what: str, candidate: FloatArray, reference: FloatArray, evidence: dict[str, Any]
) -> Finding:
    """Finding for numbers that are multiplied by a factor, or that differ in another way."""
    wide = reference.astype(np.float64)
    factor = float((candidate * wide).sum() / max((wide * wide).sum(), 1e-30))
    residual = np.abs(candidate - factor * wide).max()
    if abs(factor - 1) > 1e-3 and abs(factor) > 1e-9 and residual <= 1e-3 * abs(factor) * np.abs(wide).max():
        text = f"{what} multiplied by {factor:.6g}"
        return Finding(layer, "scaled", text, evidence | {"factor": factor})
    worst = tuple(int(i) for i in np.unravel_index(int(np.abs(candidate - wide).argmax()), reference.shape))
    at_worst = {"worst at": worst, "there": float(candidate[worst]), "expected": float(reference[worst])}
    return Finding(layer, "values", difference_text(what, candidate, reference), evidence | at_worst)


def difference_text(what: str, candidate: FloatArray, reference: FloatArray) -> str:
    """Describe how many numbers differ, and whether they are rounded, retrained or unrelated."""
    changed = int(np.sum(candidate != reference))
    similarity = correlation(candidate, reference)
    if changed <= max(3, reference.size // 20):
        return f"{changed} of {reference.size} {what} differ from OpenFace's"
    if similarity > 0.999999:
        return f"{what} differ from OpenFace's in their last digits (correlation {similarity:.7f})"
    relation = "retrained from OpenFace's" if similarity > 0.5 else "unrelated to OpenFace's"
    return f"{what} are {relation} (correlation {similarity:.3f})"


def round_to_float16(values: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def round_to_bfloat16(values: FloatArray) -> FloatArray:
    """Round to the upper 16 bits of float32; a tie is rounded to even."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & 0xFFFF0000).astype(np.uint32).view(np.float32)


def quantisation_step(values: FloatArray) -> float | FloatArray | None:
    """Return the quantisation step, or None if the numbers are not quantised.

    All numbers are integer multiples of the step, from -255 to 255. The result is one step for all outputs,
    or an array (out,) with one step per output.
    """
    one = common_step(values.ravel())
    if one is not None:
        return one
    if values.ndim < 2 or values[0].size < 9:
        return None
    steps = [common_step(row.ravel()) for row in values]
    return None if None in steps else np.array(steps, np.float32)


def common_step(values: FloatArray) -> float | None:
    """Return the largest step of which all values are integer multiples, or None.

    The largest magnitude is at most 255 steps.
    """
    wide = np.abs(values.astype(np.float64))
    largest = wide.max()
    if not largest or values.size < 5:
        return None
    sample = wide[np.linspace(0, wide.size - 1, min(wide.size, 32)).astype(int)]
    for count in np.flatnonzero(are_integers(sample[:, None] * (STEP_COUNTS / largest)).all(axis=0)) + 1:
        if are_integers(wide * (count / largest)).all():
            return float(largest / count)
    return None


def are_integers(values: Wide) -> npt.NDArray[np.bool_]:
    return np.abs(values - np.round(values)) < 1e-3


class AlignedVector(NamedTuple):
    """Biases or slopes in OpenFace's order and sign.

    `in_reference_order`: whether the vector had OpenFace's order although the kernel's outputs are reordered.
    """

    values: FloatArray
    in_reference_order: bool
    negated: bool


def align_vector(candidate: FloatArray, reference: FloatArray, outputs: Order) -> AlignedVector:
    """Bring a vector into OpenFace's order and sign.

    The vector has the order of the kernel's outputs, or OpenFace's order. The order with the better
    correlation is chosen.
    """
    reordered = candidate[np.argsort(outputs)]
    in_order = abs(correlation(candidate, reference)) > abs(correlation(reordered, reference))
    values = candidate if in_order else reordered
    negated = correlation(values, reference) < -0.5
    return AlignedVector(-values if negated else values, in_order, negated)


def check_bias(
    layer: str, candidate: FloatArray | None, reference: FloatArray, outputs: Order
) -> Iterator[Finding]:
    """Check a bias. `outputs`: order of the kernel's output maps. The bias should have the same order."""
    if candidate is None or not candidate.any():
        evidence = {"max abs of OpenFace's": float(np.abs(reference).max())}
        yield Finding(layer, "bias", "biases missing", evidence)
    elif candidate.size != reference.size:
        yield Finding(layer, "shape", f"{candidate.size} biases for {reference.size} outputs")
    else:
        yield from check_vector(layer, "biases", "bias", candidate, reference, outputs)


def check_activation(
    layer: str, candidate: FoundActivation, reference: FloatArray, outputs: Order
) -> Iterator[Finding]:
    """Check the kind and the slopes of an activation. `reference`: slopes of OpenFace's PReLU."""
    slopes = candidate.slopes
    official = f"{reference.min():.4g} … {reference.max():.4g}"
    if candidate.kind in ("Relu", "Sigmoid"):
        text = f"{candidate.kind} instead of PReLU"
        yield Finding(layer, "activation", text, {"OpenFace's slopes": official})
    elif np.all(slopes == slopes.flat[0]):
        kind = "LeakyReLU" if candidate.kind == "LeakyRelu" else "PReLU with one slope for all channels"
        evidence = {
            "slope": float(slopes.flat[0]),
            "OpenFace's slopes": official,
            "their mean": float(reference.mean()),
        }
        yield Finding(layer, "activation", f"{kind} instead of PReLU with one slope per channel", evidence)
    elif slopes.size != reference.size:
        yield Finding(layer, "shape", f"{slopes.size} slopes for {reference.size} channels")
    else:
        yield from check_vector(layer, "slopes", "activation", slopes, reference, outputs)


def check_vector(
    layer: str,
    what: str,
    kind: FindingKind,
    candidate: FloatArray,
    reference: FloatArray,
    outputs: Order,
) -> Iterator[Finding]:
    """Check the order, the sign and the numbers of a vector."""
    aligned = align_vector(candidate, reference, outputs)
    if aligned.in_reference_order:
        text = f"{what} have OpenFace's order, but the kernel's outputs have another order"
        yield Finding(layer, "output-channels", text, exact=True)
    if aligned.negated:
        yield Finding(layer, kind, f"{what} negated", exact=True)
    same_numbers = np.array_equal(np.sort(aligned.values), np.sort(reference))
    if same_numbers and not np.array_equal(aligned.values, reference):
        text = f"{what} have neither OpenFace's order nor that of the kernel's outputs"
        yield Finding(layer, "output-channels", text)
    else:
        yield from compare_values(layer, what, aligned.values, reference)


def folded_normalisation(
    found: Arrangement, bias: FloatArray | None, kernel: FloatArray, reference_bias: FloatArray
) -> FloatArray | None:
    """Return the normalisation that is folded into a first layer, or None if there is none.

    The result is (4,) float32: the factor, and the shifts of R, G and B.

    `found` and `bias` are the port's arrays; `kernel` (out, 3, y, x) and `reference_bias` (out,) are
    OpenFace's.
    """
    if not np.isfinite(found.kernel).all() or (bias is not None and not np.isfinite(bias).all()):
        return None
    reference, candidate = kernel.astype(np.float64), found.kernel.astype(np.float64)
    factor = float((candidate * reference).sum() / (reference * reference).sum())
    allowed = 1e-4 * abs(factor) * np.abs(reference).max()
    if abs(factor) < 1e-9 or np.abs(candidate - factor * reference).max() > allowed:
        return None
    shifts = np.zeros(3)
    if bias is not None and bias.any() and bias.size == reference_bias.size:
        sums = reference.sum(axis=(2, 3))
        missing = bias[np.argsort(found.outputs)].astype(np.float64) - reference_bias
        shifts, *_ = np.linalg.lstsq(sums, missing, rcond=None)
        if np.abs(sums @ shifts - missing).max() > 1e-4 * max(1.0, float(np.abs(missing).max())):
            return None
    if abs(factor - 1) < SAME_CONSTANT and np.abs(shifts).max() < SAME_CONSTANT:
        return None
    return np.array([factor, *shifts], np.float32)


def check_folded_numbers(
    found: Arrangement,
    bias: FloatArray | None,
    kernel: FloatArray,
    reference_bias: FloatArray,
    scale: FloatArray | None,
    shift: FloatArray | None,
) -> str | None:
    """Describe what is wrong with a first layer for raw pixels. None if it is OpenFace's layer.

    A weight may differ by 2^-22 of its magnitude. A bias may differ by (n + 2) * 2^-24 of the sum of the
    magnitudes of its terms, where n is the number of weights of one output. The first four arguments are as
    for `folded_normalisation`. `scale` and `shift` are the graph's normalisation.
    """
    reference, candidate = kernel.astype(np.float64), found.kernel.astype(np.float64)
    graph_scale = np.broadcast_to(1.0 if scale is None else scale.astype(np.float64), 3)
    graph_shift = np.broadcast_to(0.0 if shift is None else shift.astype(np.float64), 3)
    factor = PIXEL_NORMALISATION[0] / graph_scale
    expected = reference * factor[:, None, None]
    if np.any(np.abs(candidate - expected) > 4 * ROUNDING * np.abs(expected)):
        return "the kernels are not OpenFace's times the factor"
    terms = reference * (PIXEL_NORMALISATION[1] - factor * graph_shift)[:, None, None]
    expected_bias = reference_bias + terms.sum(axis=(1, 2, 3))
    magnitudes = np.abs(reference_bias) + np.abs(terms).sum(axis=(1, 2, 3))
    allowed = ROUNDING * (reference[0].size + 2) * magnitudes
    biases = 0.0 if bias is None else bias[np.argsort(found.outputs)].astype(np.float64)
    if np.any(np.abs(biases - expected_bias) > allowed):
        return "the biases are not OpenFace's plus the shift"
    return None


def check_normalisation(
    layer: str, scale: FloatArray | None, shift: FloatArray | None, folded: FloatArray | None
) -> Finding | str | None:
    """Check the normalisation in the graph (`scale`, `shift`) together with the folded normalisation.

    Returns None if there is no normalisation or if it does not change its input. Returns a note if the
    normalisation is right for raw pixels. Otherwise returns a finding.
    """
    one, none = np.ones(1), np.zeros(1)
    graph_scale = one if scale is None else scale.astype(np.float64)
    graph_shift = none if shift is None else shift.astype(np.float64)
    factor, shifts = (1.0, none) if folded is None else (float(folded[0]), folded[1:].astype(np.float64))
    total = np.broadcast_to(factor * graph_scale, 3), np.broadcast_to(factor * graph_shift + shifts, 3)
    same = is_near if folded is not None else is_equivalent  # check_folded_numbers is stricter
    if same(total, (1.0, 0.0)):
        return None
    present = {"in the graph": scale is not None, "folded into the first layer": folded is not None}
    where = " and ".join(place for place, used in present.items() if used)
    pixels = float(PIXEL_NORMALISATION[0]), float(PIXEL_NORMALISATION[1])
    if same(total, pixels):
        return f"the network normalises pixels ({where}): its input is raw values 0 … 255"
    digits = 9 if is_near(total, (1.0, 0.0)) or is_near(total, pixels) else 6
    with np.errstate(divide="ignore", invalid="ignore"):  # the factor can be 0
        centre, divisor = format_numbers(-total[1] / total[0], digits), format_numbers(1 / total[0], digits)
    text = f"another normalisation {where}: (v - {centre}) / {divisor}, where v is the input"
    evidence = {
        "expected": "(v - 127.5) / 128 for pixels, or none",
        "factor": format_numbers(total[0], digits),
        "shift": format_numbers(total[1], digits),
    }
    # A normalisation in a graph can be removed. A normalisation in the weights cannot be removed exactly,
    # because the weights were rounded.
    return Finding(layer, "normalisation", text, evidence, exact=folded is None)


def is_near(total: tuple[Wide, Wide], expected: tuple[float, float]) -> bool:
    """Whether the factors and shifts of all channels equal the expected constants, except for rounding."""
    return all(
        bool(np.all(np.abs(found - value) <= SAME_CONSTANT * max(abs(value), 1e-2)))
        for found, value in zip(total, expected, strict=True)
    )


def is_equivalent(total: tuple[Wide, Wide], expected: tuple[float, float]) -> bool:
    """Whether the first layer's input is right for every possible value of an image.

    Possible values are -1 … 1, or 0 … 255 for pixels. The input may differ by NORMALISATION_TOLERANCE.
    """
    factors, shifts = total[0] - expected[0], total[1] - expected[1]
    ends = (0.0, 255.0) if expected[0] == PIXEL_NORMALISATION[0] else (-1.0, 1.0)
    return all(bool(np.all(np.abs(factors * end + shifts) <= NORMALISATION_TOLERANCE)) for end in ends)


def format_numbers(values: Wide, digits: int = 6) -> str:
    distinct = np.unique(np.round(values.astype(np.float64), digits)) + 0.0  # + 0.0 turns -0 into 0
    return ", ".join(f"{value:.{digits}g}" for value in distinct)
