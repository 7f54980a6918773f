"""One output value of one layer, summed step by step in three ways, beside the recorded value."""

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
from ..file.trace import Trace
from ..names import stage_of
from .ulp import ulp_distance

F = np.float32


@dataclass(frozen=True)
class Running:
    """A value in three arithmetics: float32 with fused multiply-add, float32 with each product rounded before
    it is added, float64."""

    fma: np.float32
    mul_add: np.float32
    double: float


@dataclass(frozen=True)
class Term:
    """One step of a sum or a maximum: an element of the input at `index`, its weight (None in a maximum), and
    what the sum or maximum is after it."""

    index: tuple[int, ...]
    value: np.float32
    weight: np.float32 | None
    running: Running


@dataclass(frozen=True)
class Explanation:
    """How one output came about: from `input_name`, by the layer of kind `layer`, in the order of `terms`.

    index: the element of `name`. bias: None where the layer has none. rule: the arithmetic of the
    specification ("fma" or "double"); its result must equal `recorded`.
    """

    name: str
    input_name: str
    index: tuple[int, ...]
    layer: str
    terms: tuple[Term, ...]
    bias: np.float32 | None
    results: Running
    rule: str
    recorded: np.float32

    @property
    def ok(self) -> bool:
        """Whether the recorded value is, to the last bit, what the specification's arithmetic gives."""
        exact = F(getattr(self.results, self.rule))
        return exact.tobytes() == self.recorded.tobytes() or bool(np.isnan(exact) and np.isnan(self.recorded))

    def ulps(self, rule: str) -> float:
        """From the recorded value to the result of ``fma``, ``mul_add`` or ``double`` (as float32)."""
        pair = np.array([[self.recorded], [F(getattr(self.results, rule))]], F)
        return float(ulp_distance(pair[0], pair[1])[0])


def explain(trace: Trace, name: str, at: Sequence[int], model: Model | None = None) -> Explanation:
    """Recompute one element of ``<network>/<level or crop>/<layer>`` from the layer's recorded input.

    at: the index in the tensor: channel, y, x for maps, one number for vectors. model: the networks that the
    trace was made with; None for the built-in ones.

    Raises TraceError for a tensor that is no layer's output, an index that is not in it, a trace without
    values, or a trace that was made with other networks than the built-in ones where `model` is None.
    """
    recorded = trace[name]
    place, layer_name = name.rpartition("/")[::2]
    stage = stage_of(name)
    network = _network(trace, stage, model)
    if layer_name not in network.names:
        raise TraceError(
            f"{name} is not the output of a layer; explain knows the layers of {stage}: "
            f"{', '.join(network.names)}"
        )
    index = _checked_index(at, recorded.shape, name)
    number = network.names.index(layer_name)
    input_name = f"{place}/{network.names[number - 1] if number else 'input'}"
    layer = network.layers[number]
    kind = type(layer).__name__
    sum_up = _RULES.get(type(layer))
    if sum_up is None:
        raise TraceError(f"{name}: explain knows convolutions, dense layers, PReLU and pooling, not {kind}")
    try:
        with np.errstate(all="ignore"):
            terms, bias, results, rule = sum_up(layer, trace[input_name], index)
    except (IndexError, ValueError) as error:
        raise TraceError(
            f"{name}: its recorded input {input_name} {trace.entry(input_name).shape} does not fit the layer "
            f"({error}); was the trace made with these networks?"
        ) from error
    return Explanation(name, input_name, index, kind, tuple(terms), bias, results, rule, F(recorded[index]))


def _network(trace: Trace, stage: StageName, model: Model | None) -> Network:
    if model is None:
        model = Model.default()
        made_with = trace.manifest.model.get(stage)
        if made_with is not None and made_with != model.hashes()[stage]:
            raise TraceError(
                f"the manifest of {trace.source} says that it was made with other networks than the built-in "
                "ones; give the model"
            )
    return model.networks[stage]


def _checked_index(at: Sequence[int], shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    index = tuple(at)
    if len(index) != len(shape) or not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        raise TraceError(f"{name} has shape {shape}; the index {','.join(map(str, index))} is not in it")
    return index


# What a rule below gives: the terms, the bias (None for none), the results, and the name of the one that the
# specification asks for.
_Summed: TypeAlias = tuple[list[Term], np.float32 | None, Running, str]


class _Sum:
    """The sum so far in the three arithmetics, and the terms that went into it."""

    def __init__(self) -> None:
        self.terms: list[Term] = []
        self.running = Running(F(0), F(0), 0.0)

    def add(self, index: tuple[int, ...], value: np.float32, weight: np.float32) -> None:
        now = self.running
        fused = fma(np.array([value]), np.array([weight]), np.array([now.fma]))[0]
        self.running = Running(
            fused, F(now.mul_add + F(value * weight)), now.double + float(value) * float(weight)
        )
        self.terms.append(Term(index, value, weight, self.running))

    def with_bias(self, bias: np.float32) -> Running:
        now = self.running
        return Running(F(now.fma + bias), F(now.mul_add + bias), now.double + float(bias))


def _conv2d(layer: Conv2d, maps: NDArray[Any], index: tuple[int, ...]) -> _Summed:
    """Input map by input map, in each the kernel column by column (y fastest); the bias last."""
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
    """At one pixel of maps: the channels in order; the float64 sum is rounded to float32, then the bias is
    added in float32. On maps laid flat: channel by channel, each column by column (y fastest); the bias is
    added in float64, and the result is rounded once."""
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
    return total.terms, bias, Running(results.fma, results.mul_add, double), "double"


def _prelu(layer: PReLU, maps: NDArray[Any], index: tuple[int, ...]) -> _Summed:
    """The value itself where it is 0 or more, else value * slope."""
    value, slope = maps[index], layer.slopes[index[0]]
    kept = bool(value >= 0)
    result = value if kept else F(value * slope)
    running = Running(result, result, float(value) if kept else float(value) * float(slope))
    return [Term(index, value, slope, running)], None, running, "fma"


def _max_pool(layer: MaxPool, maps: NDArray[Any], index: tuple[int, ...]) -> _Summed:
    """Row by row through the window, which ends at the border; a value replaces the best if it is greater."""
    c, out_y, out_x = index
    y, x = out_y * layer.stride_y, out_x * layer.stride_x
    window: NDArray[np.float32] = maps[c, y : y + layer.kernel_y, x : x + layer.kernel_x]
    _require(window.size > 0, "a larger map")
    best, terms = F(window[0, 0]), []
    for row, column in np.ndindex(window.shape):
        value = F(window[row, column])
        best = value if value > best else best
        running = Running(best, best, float(best))
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
