"""The inputs on which a graph is run: drawn to reach every branch of it, the same every time.

Noise of several magnitudes, flat images of every grey level, gradients, single colours and the bundled sample
image; in batches of 1, 2, 5 and more where the graph leaves the batch open, and in several sizes where it
leaves the size open.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...image import sample_image
from ...reference.plan import STAGES, Size
from ...types import StageName
from ..errors import need
from ..found import FoundGraph, FoundNetwork
from ..onnx.guarded import NotRun
from .compute import Wide, memory

# Height and width differ, and no map that leaves PNet has as many rows or columns as there are heads'
# values: so a shape tells how an output lies.
FREE_SIZES: tuple[Size, ...] = ((16, 23), (12, 12), (33, 26), (190, 301))
# How far the values reach, in OpenFace's own scale, where a picture has -1 … 1. Greater ones come to limits
# that no picture comes to; small ones stay near zero, where branches part. 0: nothing but -1 and 1.
REACHES = (1.0, 1000.0, 1 / 64, 8.0, 1.0, 0.0)
GREY_PIXELS = 40_000  # of all flat images together
GREYS = (0, 127, 128, 255)  # these are drawn at any size
MEMORY_LIMIT = 3 << 29  # bytes that one input may take here and in a runtime, estimated before it is made
LARGE = 200_000  # pixels of a batch; of larger ones only the first two of each kind are drawn


@dataclass(frozen=True)
class Drawn:
    """One input. `words`: what it is; `pictures`: (N, 3, H, W), exactly what the graph is given; `given`: the
    same as the graph takes it."""

    words: str
    pictures: Wide
    given: npt.NDArray[Any]


@dataclass(frozen=True)
class Entry:
    """A graph's input: element type, and batch, height and width as stated; 0 for any."""

    dtype: np.dtype[Any]
    count: int
    height: int
    width: int

    @classmethod
    def of(cls, graph: FoundGraph) -> Entry:
        onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
        kind = next(one for one in graph.model.graph.input if one.name == graph.picture).type.tensor_type
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
        count, *others = [max(int(one.dim_value), 0) for one in kind.shape.dim] or [0] * 4
        height, width = others[:2] if graph.channels_last else others[1:]
        return cls(dtype, count, height, width)

    def limits(self, stage: StageName) -> Iterator[str]:
        """What the graph does not take that OpenFace's network does, in words."""
        if self.count > 1:
            yield f"its input has {self.count} images, no more and no fewer"
        if STAGES[stage].size is None and (self.height or self.width):
            sizes = [str(size or "any") for size in (self.height, self.width)]
            yield f"its input is {' x '.join(sizes)}; OpenFace's {stage} takes images of any size"

    def shapes(self, stage: StageName) -> Iterator[tuple[int, Size, str]]:
        """Batch, size and kind of the inputs to draw."""
        side = STAGES[stage].size
        sizes = [(self.height or h, self.width or w) for h, w in ([side] if side else FREE_SIZES)]
        usual, smallest, other, large = (sizes * 4)[:4] if side else sizes
        yield self.count or 1, usual, "noise"
        yield self.count or 64, smallest, "flat"
        yield self.count or 5, other, "images"
        yield self.count or 2, other, "little noise"
        if large != other:
            yield self.count or 1, large, "sample"


def check_memory(found: FoundNetwork, graph: FoundGraph, stage: StageName) -> None:
    """NotRun if one of the inputs that are drawn for a graph takes more than MEMORY_LIMIT."""
    for count, (height, width), _ in Entry.of(graph).shapes(stage):
        if memory(found, (count, height, width)) > MEMORY_LIMIT:
            raise NotRun(
                f"an input of {count} x 3 x {height} x {width} needs more than {MEMORY_LIMIT >> 20} MB; "
                "export the graph with a smaller batch or size, or with open ones"
            )


def draw(graph: FoundGraph, stage: StageName, factor: Wide, shift: Wide) -> Iterator[Drawn]:
    """Inputs for a graph that wants `v * factor + shift`, (1,) or (3,) each, of OpenFace's values v."""
    entry = Entry.of(graph)
    for count, size, kind in entry.shapes(stage):
        large = count * size[0] * size[1] > LARGE
        for told, values in itertools.islice(batches(kind, count, size), 2 if large else None):
            values = values * factor[:, None, None] + shift[:, None, None]
            if entry.dtype.kind in "iu":
                values = np.clip(np.round(values), 0, min(np.iinfo(entry.dtype).max, 255))
            with np.errstate(over="ignore"):
                pictures = values.astype(entry.dtype)
            if not np.isfinite(pictures.astype(np.float64)).all():
                continue
            given = pictures.transpose(0, 2, 3, 1) if graph.channels_last else pictures
            words = f"{' x '.join(map(str, given.shape))}, {told}, {values.min():.3g} … {values.max():.3g}"
            yield Drawn(words, pictures.astype(np.float64), np.ascontiguousarray(given))


def batches(kind: str, count: int, size: Size) -> Iterator[tuple[str, Wide]]:
    """Batches (count, 3, height, width) of OpenFace's values, and what they are."""
    random = np.random.default_rng(9)
    if kind == "noise":
        for reach in REACHES:
            spread = random.uniform(-1, 1, (count, 3, *size))
            yield "noise", spread * reach if reach else np.sign(spread)
    elif kind == "little noise":
        yield kind, random.uniform(-1, 1, (count, 3, *size)) / 4
    elif kind == "flat":
        flat = [np.full((3, *size), level, np.float64) for level in greys(size)]
        yield from (("flat", batch) for batch in batched(flat, count))
    elif kind == "images":
        yield from ((kind, batch) for batch in batched(images(size), count))
    else:
        yield from ((kind, batch) for batch in batched([sample(size)], count))


def batched(pixels: Sequence[Wide], count: int) -> Iterator[Wide]:
    """Batches of OpenFace's values, from images (3, height, width) of 0 … 255.

    The last batch is filled up with the first images.
    """
    for start in range(0, len(pixels), count):
        chosen = list(itertools.islice(itertools.cycle(pixels), start, start + count))
        yield (np.stack(chosen) - 127.5) / 128


def greys(size: Size) -> list[int]:
    """Grey levels: all 256 where the images are small."""
    count = min(max(GREY_PIXELS // (size[0] * size[1]), 0), 256)
    return sorted({*GREYS, *np.linspace(0, 255, count).astype(int).tolist()})


def images(size: Size) -> list[Wide]:
    """Gradients, single colours and the sample image, (3, height, width) of 0 … 255."""
    height, width = size
    across = np.broadcast_to(np.linspace(0, 255, width), (3, height, width))
    down = np.broadcast_to(np.linspace(0, 255, height)[:, None], (3, height, width))
    colours = [np.eye(3)[channel][:, None, None] * np.full((3, height, width), 255.0) for channel in range(3)]
    return [sample(size), across.round(), down[:, ::-1].round(), *colours, 255 - colours[0]]


def sample(size: Size) -> Wide:
    """The bundled sample image, R, G, B, its pixels picked to that size."""
    image = sample_image()[..., ::-1]
    rows, columns = (np.arange(n) * full // n for n, full in zip(size, image.shape, strict=False))
    picked: Wide = image[rows][:, columns].transpose(2, 0, 1).astype(np.float64)
    return picked
