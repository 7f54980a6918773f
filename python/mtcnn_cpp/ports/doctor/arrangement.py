"""Arrangement of weights: kernel transforms, flattening orders, and orders of maps.

A port may transform a kernel, or flatten the input of a fully connected layer in a different order. It may
also reorder input maps and output maps. The search first matches output maps by their sorted values. These
depend neither on the transform nor on the input order. Then the search tries every transform, with the
original and with the matched order of the output maps, and matches input maps by the direction of their
vectors. In the best arrangement, the most weights equal OpenFace's weights bit for bit. If two arrangements
have the same number of equal weights, or if at most half of the weights are equal, the arrangement with the
higher correlation is better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...formats import conventions
from ...formats.conventions import HEADS
from ...formats.evaluation import Order as Order
from ...formats.found import FoundConv, FoundFullyConnected
from ...reference.model import FullyConnected
from ...types import FloatArray
from .findings import Finding
from .structure import ReferenceSegment

Array = npt.NDArray[Any]
Variant = tuple[str, str | None]  # a key of TRANSFORMS ("" for no transform), and a flattening order


@dataclass(frozen=True)
class KernelTransform:
    """A change that ports make to a kernel (out, in, y, x)."""

    text: str
    apply: Callable[[Array], Array]


TRANSFORMS = {
    "exchanged": KernelTransform("transposed (x and y swapped)", lambda k: k.swapaxes(2, 3)),
    "flipped x": KernelTransform("flipped along x", lambda k: k[..., ::-1]),
    "flipped y": KernelTransform("flipped along y", lambda k: k[..., ::-1, :]),
    "flipped": KernelTransform("flipped along x and y (true convolution)", lambda k: k[..., ::-1, ::-1]),
    "left": KernelTransform("rotated by 90° to the left", lambda k: np.rot90(k, 1, (2, 3))),
    "right": KernelTransform("rotated by 90° to the right", lambda k: np.rot90(k, -1, (2, 3))),
    "diagonal": KernelTransform(
        "transposed along the other diagonal", lambda k: k.swapaxes(2, 3)[..., ::-1, ::-1]
    ),
}
INVERSES = {"left": "right", "right": "left"}  # every other transform is its own inverse
# For a fully connected layer, a swap of x and y is one of the flattening orders.
FLIPS = [name for name in TRANSFORMS if name.startswith("flipped")]

BOX_NAMES = ("not-face", "face", "dx1", "dy1", "dx2", "dy2")
OUTPUT_NAMES = (*BOX_NAMES, *(f"{axis}{number}" for axis in "xy" for number in range(1, 6)))


@dataclass(frozen=True, eq=False)
class Arrangement:
    """How the weights of a port's layer are arranged.

    Attributes:
        transform: Key of `TRANSFORMS`, or "" for none.
        order: Flattening order that the weights expect, or None if the layer does not flatten maps.
        outputs: The port's output map `i` is OpenFace's output map `outputs[i]`.
        inputs: The port's input map `i` is OpenFace's input map `inputs[i]`.
        kernel: The port's weights in OpenFace's arrangement, (out, in, y, x).
        equal: Share of these weights that equal OpenFace's weights bit for bit.
        correlation: Pearson correlation with OpenFace's weights.
        evidence: Text with `equal` and `correlation` before and after the rearrangement.
    """

    transform: str
    order: str | None
    outputs: Order
    inputs: Order
    kernel: FloatArray
    equal: float
    correlation: float
    evidence: dict[str, str] = field(default_factory=dict)


def arrange_layer(
    reference: ReferenceSegment, candidate: FoundConv | FoundFullyConnected
) -> Arrangement | None:
    """Find the arrangement of a layer with weights. None if its shape is not that of OpenFace's layer."""
    expected = reference.kernel
    if isinstance(candidate, FoundConv):
        same = candidate.kernel.shape == expected.shape
        return arrange_kernel(candidate.kernel, expected) if same else None
    if candidate.weights.shape != (expected[0].size, expected.shape[0]):
        return None
    if expected.shape[2:] == (1, 1):
        return arrange_kernel(candidate.weights.T[:, :, None, None], expected)
    assert isinstance(reference.weighted, FullyConnected)
    maps = expected.shape[1], expected.shape[2], expected.shape[3]
    return arrange_fully_connected(candidate.weights, reference.weighted.weights, maps, candidate.order)


def arrange_kernel(candidate: FloatArray, reference: FloatArray) -> Arrangement:
    """Find the best arrangement of a convolution. Both kernels are (out, in, y, x)."""
    variants: dict[Variant, FloatArray] = {
        (name, None): undo_transform(candidate, name) for name in ("", *TRANSFORMS)
    }
    return best_arrangement({k: v for k, v in variants.items() if v.shape == reference.shape}, reference)


def arrange_fully_connected(
    candidate: FloatArray, reference: FloatArray, maps: tuple[int, int, int], order: str | None
) -> Arrangement:
    """Find the best arrangement of a fully connected layer.

    `candidate` and `reference` are (in, out) for flattened maps (channels, height, width). `order`, the
    flattening order of the port's network, is tried first.
    """
    orders = sorted(conventions.FLATTENING_ORDERS, key=lambda one: one != order)
    variants: dict[Variant, FloatArray] = {
        (name, one): undo_transform(conventions.weights_to_kernel(candidate, maps, one), name)
        for name in ("", *FLIPS)
        for one in orders
    }
    return best_arrangement(
        variants, conventions.weights_to_kernel(reference, maps, conventions.OPENFACE_ORDER)
    )


def undo_transform(kernel: FloatArray, name: str) -> FloatArray:
    return TRANSFORMS[INVERSES.get(name, name)].apply(kernel) if name else kernel


def best_arrangement(variants: dict[Variant, FloatArray], reference: FloatArray) -> Arrangement:
    """Return how the kernel of a port is arranged: its variant, and the order of its maps.

    `variants` contains the kernel unchanged, then with each transform undone. If a variant equals OpenFace's
    kernel, the result is the first such variant. Otherwise, the maps are reordered too, and the result is the
    best arrangement if it fits clearly better than the unchanged kernel, or else the unchanged kernel.
    """
    plain_outputs: Order = tuple(range(len(reference)))
    plain_inputs: Order = tuple(range(reference.shape[1]))
    variant, kernel = next(iter(variants.items()))
    unchanged = found = reorder_maps(variant, kernel, reference, plain_outputs, plain_inputs)
    for variant, undone in variants.items():
        if np.array_equal(undone, reference):
            exact = reorder_maps(variant, undone, reference, plain_outputs, plain_inputs)
            return with_evidence(exact, unchanged)
    matched = match_rows(
        np.sort(kernel.reshape(len(kernel), -1)), np.sort(reference.reshape(len(reference), -1))
    )
    for outputs in dict.fromkeys((plain_outputs, matched)):
        for variant, undone in variants.items():
            found = max(found, reorder_maps(variant, undone, reference, outputs), key=quality)
            if found.equal == 1:
                return with_evidence(found, unchanged)
    # Even for unrelated numbers, one arrangement always correlates slightly better than the others. This is
    # not a finding.
    better = found.correlation > 0.6 and 1 - found.correlation < (1 - unchanged.correlation) / 2
    return with_evidence(found if found.equal > 0.5 or better else unchanged, unchanged)


def with_evidence(found: Arrangement, unchanged: Arrangement) -> Arrangement:
    evidence = {
        "equal": f"{unchanged.equal:.1%}, rearranged {found.equal:.1%}",
        "correlation": f"{unchanged.correlation:.4f}, rearranged {found.correlation:.4f}",
    }
    return replace(found, evidence=evidence)


def quality(found: Arrangement) -> tuple[float, float]:
    """Sort key. The best arrangement has the greatest key.

    If at most half of the numbers are equal, only the correlation counts.
    """
    return found.equal if found.equal > 0.5 else 0.0, found.correlation


def reorder_maps(
    variant: Variant, kernel: FloatArray, reference: FloatArray, outputs: Order, inputs: Order | None = None
) -> Arrangement:
    """Arrangement with the maps in OpenFace's order.

    If `inputs` is None, this function matches the input maps.
    """
    transform, order = variant
    if inputs is None:
        inputs = match_rows(rows_by_input(kernel), rows_by_input(reference[list(outputs)]))
    kernel = kernel[np.argsort(outputs)][:, np.argsort(inputs)]
    equal = float(np.mean(kernel == reference))
    return Arrangement(transform, order, outputs, inputs, kernel, equal, correlation(kernel, reference))


def rows_by_input(kernel: FloatArray) -> FloatArray:
    """Convert a kernel (out, in, y, x) to one row per input map."""
    return kernel.swapaxes(0, 1).reshape(kernel.shape[1], -1)


def match_rows(candidate: FloatArray, reference: FloatArray) -> Order:
    """For each candidate row, the index of the reference row with the nearest direction.

    If two candidate rows match the same reference row, no order exists, and the result is 0, 1, 2, …
    """
    found = (unit_rows(candidate) @ unit_rows(reference).T).argmax(axis=1)
    order = tuple(int(index) for index in found)
    return order if len(set(order)) == len(order) else tuple(range(len(order)))


def unit_rows(rows: FloatArray) -> npt.NDArray[np.float64]:
    """Rows scaled to length 1."""
    wide = rows.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-30)  # type: ignore[no-any-return]


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson correlation of all numbers.

    If one array is constant: 1 if all numbers are equal, otherwise 0.
    """
    a64, b64 = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    a64, b64 = a64 - a64.mean(), b64 - b64.mean()
    # The sums do not use BLAS, because its threads cost more time here than they save.
    norm = float(np.sqrt((a64 * a64).sum() * (b64 * b64).sum()))
    return float((a64 * b64).sum()) / norm if norm else float(np.array_equal(a, b))


def is_identity(order: Order) -> bool:
    return order == tuple(range(len(order)))


def is_transposed(found: Arrangement, candidate: FoundConv | FoundFullyConnected) -> bool:
    """Whether x and y are swapped in comparison with OpenFace's layer, without another transform."""
    stated = stated_order(candidate)
    swapped = None if stated is None else stated.translate(str.maketrans("xy", "yx"))
    return found.transform == "exchanged" or (swapped is not None and found.order == swapped)


def stated_order(candidate: FoundConv | FoundFullyConnected) -> str | None:
    """Flattening order of the input in the port's network, or None if it is unknown."""
    return candidate.order if isinstance(candidate, FoundFullyConnected) else None


def check_transform(
    name: str, found: Arrangement, candidate: FoundConv | FoundFullyConnected
) -> Iterator[Finding]:
    """Report a kernel transform, and a flattening order that differs from what the weights expect."""
    if found.transform:
        text = f"kernels {TRANSFORMS[found.transform].text}"
        yield Finding(name, "kernel-turned", text, exact=True)
    order = stated_order(candidate)
    if found.order is not None and found.order != order:
        actual = "in an unknown order" if order is None else f"as {order_text(order)}"
        expected = f"the weights expect an input flattened as {order_text(found.order)}"
        text = f"{expected}, but it is flattened {actual}"
        yield Finding(name, "dense-order", text, exact=True)


def order_text(order: str) -> str:
    return f"({', '.join(order)})".replace("c", "channel")


def check_inputs(layer: str, inputs: Order, previous: Order | None, previous_name: str) -> Iterator[Finding]:
    """Compare the input order of a layer with the output order of the previous layer.

    `previous`: output order of the previous layer, or None if the input is the RGB image.
    """
    if previous is None and not is_identity(inputs):
        letters = "".join("RGB"[index] for index in inputs)
        how = "reversed" if inputs == (2, 1, 0) else "in another order"
        text = f"input channels {how}: the layer expects {letters}, OpenFace gives RGB"
        yield Finding(layer, "input-channels", text, exact=True)
    elif previous is not None and inputs != previous:
        how = "reversed" if inputs == previous[::-1] else "in another order"
        text = f"input channels {how}, compared with the output of {previous_name}"
        yield Finding(layer, "input-channels", text, order_evidence(inputs, previous), exact=True)


def check_outputs(layer: str, outputs: Order, following: Order | None) -> Iterator[Finding]:
    """Check the output order of a layer. `following`: input order of the next layer, or None if unknown."""
    if is_identity(outputs):
        return
    unchanged = tuple(range(len(outputs)))
    text = "output channels " + ("reversed" if outputs == unchanged[::-1] else "in another order")
    if outputs == following:
        text += "; the next layer expects this order, so only the output of this layer is wrong"
    yield Finding(layer, "output-channels", text, order_evidence(outputs, unchanged), exact=True)


def order_evidence(order: Order, expected: Order) -> dict[str, str]:
    """Return, as text, the number of maps at a different position and the first elements of the order."""
    count = sum(a != b for a, b in zip(order, expected, strict=True))
    text = " ".join(map(str, order[:12])) + (" …" if len(order) > 12 else "")
    return {"moved": f"{count} of {len(order)}", "order": text}


def check_heads(layer: str, outputs: Order) -> Iterator[Finding]:
    """Check the order of the heads, of the classes and of the single values in the last layer's output."""
    if is_identity(outputs):
        return
    blocks = {name: [index for index in outputs if index in members] for name, members in HEADS.items()}
    blocks = {name: members for name, members in blocks.items() if members}
    order = sorted(blocks, key=lambda name: min(outputs.index(index) for index in blocks[name]))
    contiguous = [index for name in order for index in blocks[name]] == list(outputs)
    evidence = {"order": ", ".join(OUTPUT_NAMES[index] for index in outputs)}
    if contiguous and order != list(blocks):
        text = f"heads in the order {', '.join(order)}; OpenFace's order is {', '.join(blocks)}"
        yield Finding(layer, "heads-order", text, evidence, exact=True)
    if blocks["class"] == [1, 0]:
        yield Finding(layer, "classes-swapped", "face and not-face swapped", evidence, exact=True)
    for name, members in blocks.items():
        if (name != "class" and members != sorted(members)) or (not contiguous and name == order[0]):
            text = "single outputs moved"
            if contiguous:
                text = f"{name} values in the order {', '.join(OUTPUT_NAMES[index] for index in members)}"
            yield Finding(layer, "heads-order", text, evidence, exact=True)
