"""Random numbers, networks, models and images for the tests of the core against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from gold_results import same_bits
from hypothesis import Phase, settings
from hypothesis import strategies as st
from mtcnn_cpp.model import Conv2d, FullyConnected, MaxPool, Model, Network, PReLU, Sigmoid
from mtcnn_cpp.reference import cascade
from mtcnn_cpp.reference.model import Layer
from mtcnn_cpp.reference.network import Networks, forward
from mtcnn_cpp.reference.options import Options
from mtcnn_cpp.reference.plan import map_size, pooled_size
from mtcnn_cpp.reference.resize import normalise

F = np.float32

FILLS = ["small integers", "uniform", "wild"]
POOLS = [(2, 2, 2, 2), (3, 3, 2, 2), (2, 2, 1, 1), (3, 2, 2, 1)]

seeds = st.integers(0, 2**32 - 1)


def thorough(examples: int) -> settings:
    """Return hypothesis settings with the same examples in every run."""
    phases = (Phase.explicit, Phase.generate, Phase.shrink)
    return settings(max_examples=examples, phases=phases, deadline=None, derandomize=True, database=None)


def fill(rng: np.random.Generator, how: str, *shape: int) -> np.ndarray:
    """Return random float32 values: small integers (all sums are exact), uniform in [-1, 1], or wild (zeros
    of both signs, subnormals, large and small numbers)."""
    if how == "small integers":
        return rng.integers(-3, 4, shape).astype(F)
    if how == "uniform":
        return rng.uniform(-1, 1, shape).astype(F)
    exponents = rng.choice([-140, -126, -60, 0, 0, 0, 1, 2, 45], shape)
    values = np.ldexp(rng.uniform(-2, 2, shape), exponents)
    return np.where(rng.random(shape) < 0.1, np.copysign(0.0, values), values).astype(F)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether shape, dtype and bits are equal. All NaN values are equal."""
    if a.dtype == F and b.dtype == F:
        a, b = (np.where(np.isnan(v), F(np.nan), v) for v in (a, b))
    return same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b))


class Builder:
    """Builds a network layer by layer. Sums stay near 1 unless the weights are wild."""

    def __init__(self, rng: np.random.Generator, how: str) -> None:
        self.rng, self.how = rng, how
        self.maps = 3
        self.layers: list[Layer] = []

    def numbers(self, inputs: int, *shape: int) -> np.ndarray:
        values = fill(self.rng, self.how, *shape)
        return values if self.how == "small integers" else values * F(2 / np.sqrt(inputs))

    def conv2d(self, out: int, kernel_y: int, kernel_x: int) -> None:
        kernel = self.numbers(self.maps * kernel_y * kernel_x, out, self.maps, kernel_y, kernel_x)
        self.layers.append(Conv2d(kernel, fill(self.rng, self.how, out)))
        self.maps = out

    def fully_connected(self, inputs: int, out: int) -> None:
        weights = self.numbers(inputs, inputs, out)
        self.layers.append(FullyConnected(weights, fill(self.rng, self.how, out)))
        self.maps = out

    def other(self, kind: str) -> None:
        slopes = fill(self.rng, self.how, self.maps)
        self.layers.append(PReLU(slopes) if kind == "prelu" else Sigmoid())


@st.composite
def planar_networks(draw: st.DrawFn) -> Network:
    """Draw a network for maps of any size with 6 outputs."""
    b = Builder(np.random.default_rng(draw(seeds)), draw(st.sampled_from(FILLS)))
    for _ in range(draw(st.integers(0, 5))):
        match draw(st.sampled_from(["conv", "conv", "pool", "prelu", "sigmoid", "fc"])):
            case "conv":
                b.conv2d(draw(st.integers(1, 12)), draw(st.integers(1, 5)), draw(st.integers(1, 5)))
            case "pool" if sum(isinstance(layer, MaxPool) for layer in b.layers) < 2:
                b.layers.append(MaxPool(*draw(st.sampled_from(POOLS))))
            case "fc":
                b.fully_connected(b.maps, draw(st.integers(1, 12)))
            case kind:
                b.other("sigmoid" if kind == "sigmoid" else "prelu")
    if draw(st.booleans()):
        b.conv2d(6, draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    else:
        b.fully_connected(b.maps, 6)
    return Network(tuple(b.layers))


@st.composite
def crop_networks(draw: st.DrawFn, size: int, outputs: int) -> Network:
    """Draw a network for maps (3, size, size) with one value per output."""
    b = Builder(np.random.default_rng(draw(seeds)), draw(st.sampled_from(FILLS)))
    height = width = size
    if size > 24:  # the next layers are faster on fewer pixels
        b.layers.append(MaxPool(3, 3, 2, 2))
        height = width = pooled_size(size, 3, 2)
    for _ in range(draw(st.integers(0, 5))):
        match draw(st.sampled_from(["conv", "conv", "pool", "prelu", "sigmoid", "fc"])):
            case "conv" if min(height, width) >= 5:
                kernel_y, kernel_x = draw(st.integers(1, 5)), draw(st.integers(1, 5))
                b.conv2d(draw(st.integers(1, 20)), kernel_y, kernel_x)
                height, width = height - kernel_y + 1, width - kernel_x + 1
            case "pool" if min(height, width) >= 3:
                pool = MaxPool(*draw(st.sampled_from(POOLS)))
                b.layers.append(pool)
                height = pooled_size(height, pool.kernel_y, pool.stride_y)
                width = pooled_size(width, pool.kernel_x, pool.stride_x)
            case "fc":  # on maps
                b.fully_connected(b.maps, draw(st.integers(1, 12)))
            case kind:
                b.other("sigmoid" if kind == "sigmoid" else "prelu")
    end = draw(st.sampled_from(["fc", "fc, prelu, fc", "conv"]))
    if end == "conv":
        b.conv2d(outputs, height, width)
    else:
        if end != "fc":
            b.fully_connected(b.maps * height * width, draw(st.integers(1, 40)))
            b.other("prelu")
            height = width = 1
        b.fully_connected(b.maps * height * width, outputs)
    return Network(tuple(b.layers))


def accept_share(network: Network, maps: np.ndarray, share: float) -> Network:
    """Adjust the last layer so that about this share of the outputs for `maps` is classified as face.

    The outputs are small, so that boxes move little."""
    output = np.nan_to_num(forward(network, maps), nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    scale = 2.0 ** -np.ceil(np.log2(np.abs(output).max(initial=1)))  # a power of two: exact sums stay exact
    *before, last = network.layers
    assert isinstance(last, (Conv2d, FullyConnected))
    weights = last.kernel if isinstance(last, Conv2d) else last.weights
    bias = last.bias * scale
    bias[0] -= (
        scale * np.quantile(output[:, 0] - output[:, 1], share) + 1e-4
    )  # larger than rounding errors of a constant
    return Network((*before, type(last)((weights * scale).astype(F), bias.astype(F))))


def unused_network(inputs: int, outputs: int) -> Network:
    """Return a network that is fast and accepts no crop."""
    bias = np.array([1, *[0] * (outputs - 1)], F)
    return Network((FullyConnected(np.zeros((inputs, outputs), F), bias),))


UNUSED_RNET, UNUSED_ONET = unused_network(3 * 24 * 24, 6), unused_network(3 * 48 * 48, 16)


def crops_into(stage: str, model: Model, image: np.ndarray, options: Options) -> np.ndarray:
    """Return the input of RNet or ONet, (N, 3, size, size). This network does not run."""
    inputs = []

    def hook(name: str, array: np.ndarray) -> None:
        if name.startswith(f"{stage}/crop") and name.endswith("/input"):
            inputs.append(array)

    networks = Networks(model.pnet, UNUSED_RNET if stage == "rnet" else model.rnet, UNUSED_ONET)
    cascade.detect(networks, image, is_rgb=False, options=options, hook=hook)
    size = 24 if stage == "rnet" else 48
    return np.stack(inputs) if inputs else np.zeros((1, 3, size, size), F)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Model, np.ndarray, Options]:
    """Draw a model, an image (H, W, 4) uint8 or (H, W, 3) float32, and options. The model classifies some
    positions as face."""
    rng = np.random.default_rng(draw(seeds))
    height, width = draw(st.integers(20, 34)), draw(st.integers(20, 34))
    pixels = rng.uniform(0, 255, (height, width, 4)).astype(F)
    pixels[:, width // 2 :] //= 4
    image = pixels[:, :, :3].copy() if draw(st.booleans()) else pixels.astype(np.uint8)
    options = Options(draw(st.floats(10, 16)), (0.5, 0.5, 0.5))
    pnet = draw(planar_networks())
    if map_size(pnet, height, width):
        pnet = accept_share(pnet, normalise(pixels[:, :, :3]).transpose(2, 0, 1)[None], 0.3)
    rnet, onet = draw(crop_networks(24, 6)), draw(crop_networks(48, 16))
    rnet = accept_share(rnet, crops_into("rnet", Model(pnet, rnet, onet), image, options), 0.8)
    onet = accept_share(onet, crops_into("onet", Model(pnet, rnet, onet), image, options), 0.8)
    return Model(pnet, rnet, onet), image, options


def detector_arguments(image: np.ndarray, options: Options | None = None, **changes: Any) -> dict[str, Any]:
    """Return the arguments of `_core.Detector.detect`."""
    return {"image": image, "is_rgb": False, "threads": 1, **vars(options or Options()), **changes}
