"""One output value of two traces: both sums side by side, and the first step at which they part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...model import Model
from ..errors import TraceError
from ..file.trace import Trace
from .explanation import Explanation, Term, explain

_RESULTS = {
    "fma": "the sum in float32 with fused multiply-add",
    "mul_add": "the sum in float32 with each product rounded",
    "double": "the sum in float64",
}


@dataclass(frozen=True)
class SideBySide:
    """How one output came about in a and in b. `parting`: the index of the first term in which they differ,
    None where all are alike; `why`: what that says, in a sentence; `notes`: what was taken from elsewhere."""

    a: Explanation
    b: Explanation
    parting: int | None
    why: str
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether both recorded the same value."""
        return same(self.a.recorded, self.b.recorded)


def explain_both(
    a: Trace,
    b: Trace,
    name: str,
    at: Sequence[int],
    model: Model | None = None,
    model_b: Model | None = None,
) -> SideBySide:
    """Work one element of a layer's output out in both traces; a is the reference.

    at, model: as for `explain`. model_b: the networks of b; None for those of a. Where b lacks the layer's
    input, a's is taken. Raises what `explain` raises, and TraceError where b lacks the tensor.
    """
    first = explain(a, name, at, model)
    notes = []
    if first.input_name in b:
        source = first.input_name
        values = b[source]
        if values.shape != a[source].shape:
            raise TraceError(f"{source} has shape {a[source].shape} in a, {values.shape} in b")
    else:
        values = a[first.input_name]
        notes.append(f"b lacks {first.input_name}: its sum is of a's")
    if model_b is None and b.manifest.model and b.manifest.model != a.manifest.model:
        notes.append(
            "b was made with other networks, as its manifest says: its sum is shown with a's weights "
            "(--model-b gives its own)"
        )
    pair = Trace.from_arrays({first.input_name: as_float(values), name: as_float(b[name])}, source=b.source)
    second = explain(pair, name, at, model_b or model or Model.default())
    parting = next(
        (
            number
            for number, terms in enumerate(zip(first.terms, second.terms, strict=False))
            if differ(*terms)
        ),
        None,
    )
    return SideBySide(first, second, parting, why(first, second, parting), tuple(notes))


def as_float(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def same(x: np.float32, y: np.float32) -> bool:
    return bool(x == y or (np.isnan(x) and np.isnan(y)))


def differ(x: Term, y: Term) -> bool:
    """Whether input or weight of a step are not the same."""
    if not same(x.value, y.value) or (x.weight is None) != (y.weight is None):
        return True
    return x.weight is not None and y.weight is not None and not same(x.weight, y.weight)


def why(a: Explanation, b: Explanation, parting: int | None) -> str:
    """What the first difference means."""
    if parting is not None:
        x, y = a.terms[parting], b.terms[parting]
        place = f"step {parting + 1} of {len(a.terms)}"
        if not same(x.value, y.value):
            at = ", ".join(map(str, x.index))
            return f"they part at {place}: the input at ({at}) is {x.value!s} in a, {y.value!s} in b"
        return f"they part at {place}: the weight is {x.weight!s} in a, {y.weight!s} in b"
    if a.bias is not None and b.bias is not None and not same(a.bias, b.bias):
        return f"all steps are alike; the bias is {a.bias!s} in a, {b.bias!s} in b"
    if same(a.recorded, b.recorded):
        return "all steps and both values are alike"
    for rule, words in _RESULTS.items():
        if rule != a.rule and same(np.float32(getattr(b.results, rule)), b.recorded):
            return f"all steps are alike; b's value is {words}: a matter of rounding"
    if b.ulps(a.rule) <= 2 * len(a.terms):
        apart = f"{b.ulps(a.rule):g} ULP beside the sum"
        return f"all steps are alike; b's value is {apart}: another order of the sum"
    return "all steps are alike, but b's value is not their sum: b computes this layer otherwise"
