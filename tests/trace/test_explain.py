"""explain(): the sum of one output, in the order of the specification, ends in the recorded value."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.model import Conv2d, Network
from mtcnn_cpp.trace import Trace, TraceError, explain, explain_difference

F = np.float32
MODEL = Model.default()
LAYERS = [
    f"{place}/{layer}"
    for place, network in (
        ("pnet/level01", MODEL.pnet),
        ("rnet/crop001", MODEL.rnet),
        ("onet/crop000", MODEL.onet),
    )
    for layer in network.names
]


@functools.cache
def trace() -> Trace:
    return Detector(backend="reference").trace(portrait())


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_reproduced(name: str) -> None:
    array = trace()[name]
    rng = np.random.default_rng(1)
    corners = [(0,) * array.ndim, tuple(size - 1 for size in array.shape)]
    for index in [*corners, tuple(int(rng.integers(size)) for size in array.shape)]:
        found = explain(trace(), name, index)
        assert found.ok, (index, found.results, found.recorded)
        assert found.recorded == array[index]
        values = trace()[found.input_name]
        assert all(term.value == values[term.index] for term in found.terms)


def test_steps_of_a_convolution() -> None:
    found = explain(trace(), "pnet/level01/conv1", (4, 2, 3))
    assert (found.layer, found.rule, found.input_name) == ("Conv2d", "fma", "pnet/level01/input")
    order = [(c, 2 + ky, 3 + kx) for c in range(3) for kx in range(3) for ky in range(3)]
    assert [term.index for term in found.terms] == order
    kernel = MODEL.pnet.layers[0].kernel  # type: ignore[union-attr]
    assert [term.weight for term in found.terms] == [kernel[4, c, y - 2, x - 3] for c, y, x in order]
    double, mul_add = 0.0, F(0)
    for term in found.terms:
        assert term.weight is not None
        double += float(term.value) * float(term.weight)
        mul_add = F(mul_add + F(term.value * term.weight))
        assert (term.running.double, term.running.mul_add) == (double, mul_add)


def test_steps_of_a_fully_connected_layer() -> None:
    found = explain(trace(), "rnet/crop000/fc1", (7,))
    assert found.rule == "double"
    assert [term.index for term in found.terms[:5]] == [(0, 0, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1), (0, 1, 1)]
    assert len(found.terms) == 576


def test_steps_of_a_window_at_the_border() -> None:
    found = explain(trace(), "rnet/crop000/pool1", (0, 10, 10))
    assert [term.index for term in found.terms] == [(0, 20, 20), (0, 20, 21), (0, 21, 20), (0, 21, 21)]
    assert found.bias is None
    assert all(term.weight is None for term in found.terms)


def test_a_difference_of_one_ulp_is_found() -> None:
    name = "pnet/level01/conv2"
    wrong = trace()[name].copy()
    wrong[3, 1, 2] = np.nextafter(wrong[3, 1, 2], F(9))
    port = trace().replace({name: wrong})
    found = explain(port, name, (3, 1, 2))
    assert not found.ok
    assert found.ulps("fma") == 1
    assert explain(port, name, (3, 1, 1)).ok


def test_the_three_arithmetics_differ_for_some_outputs() -> None:
    found = [explain(trace(), "rnet/crop000/conv2", (channel, 0, 0)) for channel in range(12)]
    assert any(one.ulps("mul_add") > 0 for one in found)
    assert any(one.ulps("double") > 0 for one in found)
    assert all(one.ulps("fma") == 0 for one in found)


def changed_model() -> Model:
    conv = MODEL.pnet.layers[0]
    assert isinstance(conv, Conv2d)
    return dataclasses.replace(
        MODEL, pnet=Network((Conv2d(conv.kernel * 2, conv.bias), *MODEL.pnet.layers[1:]))
    )


def test_another_model() -> None:
    other = Detector(changed_model(), backend="reference").trace(portrait())
    with pytest.raises(TraceError, match="made with other networks than the built-in ones; pass the model"):
        explain(other, "pnet/level00/conv1", (0, 0, 0))
    assert explain(other, "pnet/level00/conv1", (0, 0, 0), changed_model()).ok
    assert not explain(other, "pnet/level00/conv1", (0, 0, 0), MODEL).ok
    assert explain(other, "rnet/crop000/conv1", (0, 0, 0)).ok if "rnet/crop000/conv1" in other else True


@pytest.mark.parametrize(
    ("name", "at", "message"),
    [
        (
            "pnet/level01/conv9",
            (0, 0, 0),
            "has no tensor 'pnet/level01/conv9'; the nearest: pnet/level01/conv",
        ),
        (
            "pnet/level01/input",
            (0, 0, 0),
            "is not the output of a layer; expected a layer of pnet: conv1",
        ),
        ("pnet/level01/heat_map", (0, 0), "is not the output of a layer"),
        ("final/boxes", (0, 0), "does not belong to a network"),
        ("pnet/level01/conv1", (0, 0), r"has shape \(10, \d+, \d+\); the index 0,0 is outside this shape"),
        ("pnet/level01/conv1", (10, 0, 0), "the index 10,0,0 is outside this shape"),
        ("pnet/level01/conv1", (-1, 0, 0), "the index -1,0,0 is outside this shape"),
    ],
)
def test_tensors_that_cannot_be_explained(name: str, at: tuple[int, ...], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        explain(trace(), name, at)


def test_traces_that_lack_values_or_inputs() -> None:
    hashes = Detector(backend="reference").trace(portrait(), capture="hash")
    with pytest.raises(TraceError, match="it contains no values"):
        explain(hashes, "pnet/level01/conv1", (0, 0, 0))
    partial = Detector(backend="reference").trace(portrait(), only=["*/conv1"])
    with pytest.raises(KeyError, match="has no tensor 'pnet/level01/input'"):
        explain(partial, "pnet/level01/conv1", (0, 0, 0))


CONV2 = "pnet/level01/conv2"


def test_two_sums_side_by_side() -> None:
    """A different input, a different weight, another arithmetic, another computation, and no difference."""
    at, right = (3, 1, 1), trace()
    same = explain_difference(right, right, CONV2, at)
    assert (same.ok, same.first_difference, same.why) == (True, None, "all steps and both values are equal")

    pool = right["pnet/level01/pool1"].copy()
    pool[2, 1, 2] += 1  # map 2, kernel x 1, y 0: the 22nd of 90 steps
    found = explain_difference(
        right, right.replace({"pnet/level01/pool1": pool, CONV2: right[CONV2] + 1}), CONV2, at
    )
    assert found.first_difference == 21
    assert found.a.terms[21].index == (2, 1, 2)
    assert found.why.startswith("the first step that differs is step 22 of 90: the input at (2, 1, 2) is ")

    conv = MODEL.pnet.layers[3]
    assert isinstance(conv, Conv2d)
    layers = list(MODEL.pnet.layers)
    layers[3] = Conv2d(conv.kernel.transpose(0, 1, 3, 2), conv.bias)
    port = dataclasses.replace(MODEL, pnet=Network(tuple(layers)))
    candidate = Detector(port, backend="reference").trace(portrait(), only=["pnet/level01/*"])
    found = explain_difference(right, candidate, CONV2, at, model_b=port)
    assert found.first_difference == 1
    assert "step 2 of 90: the weight is " in found.why
    unknown = explain_difference(right, candidate, CONV2, at)
    assert unknown.first_difference is None
    assert unknown.why.endswith("not their sum: b was made with other weights")
    assert unknown.notes[0].startswith("according to its manifest, b was made with other networks")
    assert unknown.notes[0].endswith("uses the weights of a (to use other weights, pass --model-b)")
    wrong = explain_difference(right, candidate, CONV2, at, model_b=MODEL)
    assert wrong.why == unknown.why
    assert "uses the weights that were passed for b " in wrong.notes[0]
    unnamed = Trace.from_arrays({name: candidate[name] for name in candidate}, source="port")
    found = explain_difference(right, unnamed, CONV2, at)
    assert found.why.endswith("not their sum: b has other weights, or computes this layer differently")
    assert found.notes == ()

    pool1 = "pnet/level01/pool1"  # has no weights
    for name, index, side in ((CONV2, at, right), (pool1, at, right), (pool1, at, unnamed)):
        found = explain_difference(right, side.replace({name: right[name] * 2 + 1}), name, index)
        assert found.why.endswith("not their sum: b computes this layer differently")
    found = explain_difference(right, unnamed, CONV2, at, model_b=MODEL)
    assert found.why.endswith("not their sum: b computes this layer differently")

    rounded = right[CONV2].copy()
    positions = [(c, y, x) for c in range(16) for y in range(3) for x in range(3)]
    explanations = {position: explain(right, CONV2, position) for position in positions[:40]}
    at = next(
        position
        for position, one in explanations.items()
        if len({one.results.fma, one.results.mul_add, F(one.results.double)}) == 3
    )
    rounded[at] = F(explain(right, CONV2, at).results.double)
    assert explain_difference(right, right.replace({CONV2: rounded}), CONV2, at).why == (
        "all steps are equal; the value in b is the sum in float64: a rounding difference"
    )


def test_side_by_side_of_a_partial_trace() -> None:
    alone = Trace.from_arrays({CONV2: trace()[CONV2].astype(np.float64) + 1}, source="mine")
    found = explain_difference(trace(), alone, CONV2, (0, 0, 0))
    assert found.notes == ("pnet/level01/pool1 is missing in b: the sum of b uses the input of a",)
    assert not found.ok
    with pytest.raises(TraceError, match="mine has no tensor 'pnet/level01/conv1'"):
        explain_difference(trace(), alone, "pnet/level01/conv1", (0, 0, 0))
    short = trace().replace({"pnet/level01/pool1": trace()["pnet/level01/pool1"][:, 1:]})
    with pytest.raises(TraceError, match=r"pnet/level01/pool1: expected the same shape .* in a, .* in b"):
        explain_difference(trace(), short, CONV2, (0, 0, 0))
