"""Explains one output value: its sum step by step, and the first step that differs between two traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...model import Conv2d, FullyConnected, MaxPool, Model, Network, PReLU
from ...reference.fma import fma
from ...types import StageName
from ..errors import TraceError
from ..names import stage_of
from ..trace import Trace
from .statistics import ulp_distance

F = np.float32


@dataclass(frozen=True)
class PartialResult:
    """A value that was computed in three kinds of arithmetic.

    Attributes:
        fma: float32 with fused multiply-add.
        mul_add: float32; each product is rounded before the addition.
        double: float64.
    """

    fma: np.float32
    mul_add: np.float32
    double: float


@dataclass(frozen=True)
class Term:
    """One step of a sum or a maximum.

    Attributes:
        index: Index of the input element.
        value: The input element.
        weight: The weight, or None in a maximum.
        running: The sum or maximum after this step.
    """

    index: tuple[int, ...]
    value: np.float32
    weight: np.float32 | None
    running: PartialResult


@dataclass(frozen=True)
class Explanation:
    """The computation of one output value.

    Attributes:
        name: The tensor.
        input_name: The input tensor of the layer.
        index: Index of the value in the tensor.
        layer: Kind of layer.
        terms: The steps, in order.
        bias: The bias, or None if the layer has none.
        results: The computed value in three kinds of arithmetic.
        rule: The arithmetic that the specification requires, `fma` or `double`.
        recorded: The recorded value. It must equal the result of `rule`.
    """

    name: str
    input_name: str
    index: tuple[int, ...]
    layer: str
    terms: tuple[Term, ...]
    bias: np.float32 | None
    results: PartialResult
    rule: str
    recorded: np.float32

    @property
    def ok(self) -> bool:
        """Whether the recorded value equals the result of `rule` bit for bit."""
        exact = F(getattr(self.results, self.rule))
        return exact.tobytes() == self.recorded.tobytes() or bool(np.isnan(exact) and np.isnan(self.recorded))

    def ulps(self, rule: str) -> float:
        """Return the distance in ULP between the recorded value and the result of `rule`, rounded to float32.

        Args:
            rule: `fma`, `mul_add` or `double`.
        """
        pair = np.array([[self.recorded], [F(getattr(self.results, rule))]], F)
        return float(ulp_distance(pair[0], pair[1])[0])


def explain(trace: Trace, name: str, at: Sequence[int], model: Model | None = None) -> Explanation:
    """Recompute one value of a layer output from the recorded input of the layer.

    Args:
        trace: A trace with values.
        name: The tensor, e.g. `pnet/level02/conv1`.
        at: Index in the tensor: (channel, y, x) for maps, or one number for vectors.
        model: The networks of the trace. None: the built-in ones.

    Raises:
        TraceError: The tensor is not the output of a layer, the index is not in the tensor, the trace has no
            values, or `model` is None and the trace was not made with the built-in networks.
    """
    recorded = trace[name]
    place, layer_name = name.rpartition("/")[::2]
    stage = stage_of(name)
    network = _network(trace, stage, model)
    if layer_name not in network.names:
        raise TraceError(
            f"{name} is not the output of a layer; expected a layer of {stage}: {', '.join(network.names)}"
        )
    index = _checked_index(at, recorded.shape, name)
    number = network.names.index(layer_name)
    input_name = f"{place}/{network.names[number - 1] if number else 'input'}"
    layer = network.layers[number]
    kind = type(layer).__name__
    sum_up = _RULES.get(type(layer))
    if sum_up is None:
        raise TraceError(
            f"{name}: expected a convolution, a fully connected layer, PReLU or pooling, found {kind}"
        )
    try:
        with np.errstate(all="ignore"):
            terms, bias, results, rule = sum_up(layer, trace[input_name], index)
    except (IndexError, ValueError) as error:
        raise TraceError(
            f"{name}: its recorded input {input_name} {trace.info(input_name).shape} does not fit the layer "
            f"({error}); was the trace made with these networks?"
        ) from error
    return Explanation(name, input_name, index, kind, tuple(terms), bias, results, rule, F(recorded[index]))


def _network(trace: Trace, stage: StageName, model: Model | None) -> Network:
    if model is None:
        model = Model.default()
        made_with = trace.manifest.model.get(stage)
        if made_with is not None and made_with != model.hashes()[stage]:
            raise TraceError(
                f"according to its manifest, {trace.source} was made with other networks than the built-in "
                "ones; pass the model"
            )
    return model.networks[stage]


def _checked_index(at: Sequence[int], shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    index = tuple(at)
    if len(index) != len(shape) or not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        raise TraceError(
            f"{name} has shape {shape}; the index {','.join(map(str, index))} is outside this shape"
        )
    return index


# The terms, the bias or None, the results, and the arithmetic of the specification.
_Summed: TypeAlias = tuple[list[Term], np.float32 | None, PartialResult, str]


class _Sum:
    """A running sum in three kinds of arithmetic, with its terms."""

    def __init__(self) -> None:
        self.terms: list[Term] = []
        self.running = PartialResult(F(0), F(0), 0.0)

    def add(self, index: tuple[int, ...], value: np.float32, weight: np.float32) -> None:
        now = self.running
        fused = fma(np.array([value]), np.array([weight]), np.array([now.fma]))[0]
        self.running = PartialResult(
            fused, F(now.mul_add + F(value * weight)), now.double + float(value) * float(weight)
        )
        self.terms.append(Term(index, value, weight, self.running))

    def with_bias(self, bias: np.float32) -> PartialResult:
        now = self.running
        return PartialResult(F(now.fma + bias), F(now.mul_add + bias), now.double + float(bias))


def _conv2d(layer: Conv2d, maps: NDArray[Any], index: tuple[int, ...]) -> _Summed:
    """Sum over the input maps in order. In each map, sum column by column of the kernel (y varies fastest).

    The bias is added last.
    """
    out, y, x = index
    _, maps_in, kernel_y, kernel_x = layer.kernel.shape
    _require(len(maps) == maps_in, f"{maps_in} maps")
    total = _Sum()
    for c in range(maps_in):
        for kx in range(kernel_x):
            for ky in range(kernel_y):
                total.add((c, y + ky, x + kx), maps[c, y + ky, x + kx], layer.kernel[out, c, ky, kx])
    return total.terms, layer.bias[out], total.with_bias(layer.bias[out]), "fma"


def _fully_connected(layer: FullyConnected, maps: NDArray[Any], index: tuple[int, ...]) -> _Summed:
    """Sum the inputs of a fully connected layer.

    If the layer is applied at each pixel of maps, it sums over the channels in order; the float64 sum is
    rounded to float32, and the bias is added in float32. If the maps are flattened, it sums channel by
    channel, and in each channel column by column (y varies fastest); the bias is added in float64, and the
    result is rounded only once.
    """
    inputs, out, total = len(layer.weights), index[0], _Sum()
    per_pixel = maps.ndim == 3 and len(maps) == inputs
    if per_pixel:
        where = [(c, *index[1:]) for c in range(inputs)]
    else:
        _require(maps.size == inputs, f"{inputs} values")
        axes = (0, 2, 1) if maps.ndim == 3 else (0,)
        order = np.arange(maps.size).reshape(maps.shape).transpose(axes).ravel()
        where = [tuple(map(int, np.unravel_index(place, maps.shape))) for place in order]
    for place, weight in zip(where, layer.weights[:, out], strict=True):
        total.add(place, maps[place], weight)
    bias = layer.bias[out]
    results = total.with_bias(bias)
    double = float(F(F(total.running.double) + bias)) if per_pixel else results.double
    return total.terms, bias, PartialResult(results.fma, results.mul_add, double), "double"


def _prelu(layer: PReLU, maps: NDArray[Any], index: tuple[int, ...]) -> _Summed:
    """Return `value` if it is 0 or more. Otherwise return `value * slope`."""
    value, slope = maps[index], layer.slopes[index[0]]
    kept = bool(value >= 0)
    result = value if kept else F(value * slope)
    running = PartialResult(result, result, float(value) if kept else float(value) * float(slope))
    return [Term(index, value, slope, running)], None, running, "fma"


def _max_pool(layer: MaxPool, maps: NDArray[Any], index: tuple[int, ...]) -> _Summed:
    """Take the maximum over the window, row by row. The part of a window outside the map is ignored."""
    c, out_y, out_x = index
    y, x = out_y * layer.stride_y, out_x * layer.stride_x
    window: NDArray[np.float32] = maps[c, y : y + layer.kernel_y, x : x + layer.kernel_x]
    _require(window.size > 0, "a larger map")
    best, terms = F(window[0, 0]), []
    for row, column in np.ndindex(window.shape):
        value = F(window[row, column])
        best = value if value > best else best
        running = PartialResult(best, best, float(best))
        terms.append(Term((c, y + row, x + column), value, None, running))
    return terms, None, terms[-1].running, "fma"


def _require(holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(f"expected {expected}")


_RULES: dict[type, Callable[..., _Summed]] = {
    Conv2d: _conv2d,
    FullyConnected: _fully_connected,
    PReLU: _prelu,
    MaxPool: _max_pool,
}


_RESULTS = {
    "fma": "the sum in float32 with fused multiply-add",
    "mul_add": "the sum in float32 with each product rounded",
    "double": "the sum in float64",
}


@dataclass(frozen=True)
class DifferenceExplanation:
    """The computation of one output value in two traces.

    Attributes:
        a: The computation in the reference.
        b: The computation in the candidate.
        first_difference: Index (from 0) of the first term that differs; None if all terms are equal.
        why: The cause of the difference, as a sentence.
        notes: Notes on inputs or weights of a that were used in the computation for b.
    """

    a: Explanation
    b: Explanation
    first_difference: int | None
    why: str
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether both traces contain the same value."""
        return same(self.a.recorded, self.b.recorded)


def explain_difference(
    a: Trace,
    b: Trace,
    name: str,
    at: Sequence[int],
    model: Model | None = None,
    model_b: Model | None = None,
) -> DifferenceExplanation:
    """Recompute one value of a layer output in two traces and find the first step that differs.

    If b does not contain the input of the layer, the input in a is used.

    Args:
        a: The reference.
        b: The candidate.
        name: The tensor, e.g. `pnet/level02/conv1`.
        at: Index in the tensor, as for `explain`.
        model: The networks of a. None: the built-in ones.
        model_b: The networks of b. None: the networks of a.

    Raises:
        TraceError: As for `explain`; also if b does not contain the tensor.
    """
    first = explain(a, name, at, model)
    notes = []
    if first.input_name in b:
        source = first.input_name
        values = b[source]
        if values.shape != a[source].shape:
            raise TraceError(
                f"{source}: expected the same shape in both traces, found {a[source].shape} in a, "
                f"{values.shape} in b"
            )
    else:
        values = a[first.input_name]
        notes.append(f"{first.input_name} is missing in b: the sum of b uses the input of a")
    used, stage = model_b or model or Model.default(), stage_of(name)
    made_with = b.manifest.model.get(stage)
    has_other_weights = made_with is not None and made_with != used.hashes()[stage]
    if has_other_weights:
        whose = "of a" if model_b is None else "that were passed for b"
        notes.append(
            "according to its manifest, b was made with other networks: the sum of b uses the weights "
            f"{whose} (to use other weights, pass --model-b)"
        )
    pair = Trace.from_arrays({first.input_name: as_float(values), name: as_float(b[name])}, source=b.source)
    second = explain(pair, name, at, used)
    first_difference = next(
        (
            number
            for number, terms in enumerate(zip(first.terms, second.terms, strict=False))
            if differ(*terms)
        ),
        None,
    )
    unexplained = "b computes this layer differently"
    if second.layer != "MaxPool":
        if has_other_weights:
            unexplained = "b was made with other weights"
        elif made_with is None and model_b is None:
            unexplained = "b has other weights, or computes this layer differently"
    return DifferenceExplanation(
        first, second, first_difference, why(first, second, first_difference, unexplained), tuple(notes)
    )


def as_float(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def same(x: np.float32, y: np.float32) -> bool:
    return bool(x == y or (np.isnan(x) and np.isnan(y)))


def differ(x: Term, y: Term) -> bool:
    """Return whether the input or the weight of a step differs."""
    if not same(x.value, y.value) or (x.weight is None) != (y.weight is None):
        return True
    return x.weight is not None and y.weight is not None and not same(x.weight, y.weight)


def why(a: Explanation, b: Explanation, first_difference: int | None, unexplained: str) -> str:
    """Return a sentence on the cause of the difference.

    If no sum gives the value in b, the sentence ends with `unexplained`.
    """
    if first_difference is not None:
        x, y = a.terms[first_difference], b.terms[first_difference]
        place = f"step {first_difference + 1} of {len(a.terms)}"
        if not same(x.value, y.value):
            at = ", ".join(map(str, x.index))
            values = f"{x.value!s} in a, {y.value!s} in b"
            return f"the first step that differs is {place}: the input at ({at}) is {values}"
        return f"the first step that differs is {place}: the weight is {x.weight!s} in a, {y.weight!s} in b"
    if a.bias is not None and b.bias is not None and not same(a.bias, b.bias):
        return f"all steps are equal; the bias is {a.bias!s} in a, {b.bias!s} in b"
    if same(a.recorded, b.recorded):
        return "all steps and both values are equal"
    for rule, description in _RESULTS.items():
        if rule != a.rule and same(np.float32(getattr(b.results, rule)), b.recorded):
            return f"all steps are equal; the value in b is {description}: a rounding difference"
    if b.ulps(a.rule) <= 2 * len(a.terms):
        distance = f"{b.ulps(a.rule):g} ULP from the sum"
        return f"all steps are equal; the value in b is {distance}: another order of summation"
    return f"all steps are equal, but the value in b is not their sum: {unexplained}"
