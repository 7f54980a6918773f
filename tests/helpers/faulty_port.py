"""A port of the detector in plain NumPy with planted faults.

It was written independently of the doctor, and it sums in another order (BLAS in float64), like a port
in another runtime. A planted fault is (kind of step, parameter, value) with the doctor's names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np
from mtcnn_cpp import Model
from mtcnn_cpp.model import Conv2d, FullyConnected, MaxPool, PReLU
from PIL import Image

PlantedFault = tuple[str, str, str]
F = np.float32
LETTERS = {"c": 0, "y": 1, "x": 2}
NORMALISATIONS = {
    "(v - 127.5) / 127.5": (127.5, 127.5),
    "(v - 128) / 128": (128, 128),
    "v / 255": (0, 255),
    "v / 128": (0, 128),
    "v / 127.5": (0, 127.5),
    "v - 127.5": (127.5, 1),
    "v, no normalisation": (0, 1),
}


CACHE: dict[tuple[Any, ...], tuple[Any, dict[str, np.ndarray]]] = {}


class DetectionFailed(Exception):
    """The detection cannot continue: a layer does not accept the output of the previous one."""


class Port:
    def __init__(
        self,
        min_face: float,
        faults: Collection[PlantedFault] = (),
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
    ) -> None:
        self.min_face = min_face
        self.thresholds = thresholds
        self.faults = faults
        self.tensors: dict[str, np.ndarray] = {}

    def run(self, bgr: np.ndarray) -> dict[str, np.ndarray]:
        """Return all tensors, or the tensors before the step that fails."""
        self.rgb = bgr[..., ::-1]
        try:
            with np.errstate(all="ignore"):
                self.detect()
        except DetectionFailed:
            pass
        return self.tensors

    def record(self, name: str, array: Any, kind: type = np.float32) -> np.ndarray:
        self.tensors[name] = np.ascontiguousarray(array, kind)
        return self.tensors[name]

    def parameters(self, step: str) -> dict[str, str]:
        return {parameter: value for kind, parameter, value in self.faults if kind == step}

    def detect(self) -> None:
        joined = []
        height, width = self.rgb.shape[:2]
        scale, number = 12 / self.min_face, 0
        while self.min_face <= min(height, width) * 0.709**number:
            prefix, size = f"pnet/level{number:02d}", scale * 0.709**number
            key = (prefix, self.min_face, self.thresholds)
            joined.append(self.cached(key, "pnet/level", partial(self.level, prefix, size)))
            number += 1
        if self.parameters("pnet/boxes"):
            joined.reverse()
        boxes, scores, offsets = (np.concatenate(parts) for parts in zip(*joined, strict=True))
        self.record("pnet/boxes", boxes)
        self.record("pnet/scores", scores)
        self.record("pnet/offsets", offsets)
        keep = self.record(
            "pnet/nms_keep", nms(boxes, scores, 0.7, "union", self.parameters("pnet/nms_keep")), np.int32
        )
        squares = self.squares("rnet", boxes[keep], offsets[keep])
        scores, offsets, _ = self.classify("rnet", squares, 24)
        keep = self.keep("rnet", scores)
        picked = nms(squares[keep], scores[keep], 0.7, "union", self.parameters("rnet/nms_keep"))
        self.record("rnet/nms_keep", picked, np.int32)
        squares = self.squares("onet", squares[keep][picked], offsets[keep][picked])
        scores, offsets, landmarks = self.classify("onet", squares, 48)
        keep = self.keep("onet", scores)
        parameters = self.parameters("onet/nms_keep")
        moved = move(squares[keep], offsets[keep], parameters, "add" not in parameters)
        picked = nms(moved, scores[keep], 0.7, "minimum", parameters)
        self.record("onet/nms_keep", picked, np.int32)
        x, y, w, h = self.record("onet/boxes_out", moved[picked]).astype(float).T
        variant = self.parameters("final/boxes").get("correction")
        faces = [x - 0.0075 * w, y + 0.2459 * h, 1.0323 * w, 0.7751 * h]
        if variant == "none":
            faces = [x, y, w, h]
        if variant == "in place":
            faces[:2] = [x - 0.0075 * faces[2], y + 0.2459 * faces[3]]
        self.record("final/boxes", np.stack(faces, 1))
        self.record("final/scores", scores[keep][picked])
        self.record("final/landmarks", landmarks[keep][picked])

    def cached(self, key: tuple[Any, ...], steps: str, work: Callable[[], Any]) -> Any:
        """Run `work` once per `key` and faults of steps that begin with `steps`; return its result."""
        full_key = (*key, self.rgb.tobytes(), tuple(sorted(p for p in self.faults if p[0].startswith(steps))))
        if full_key not in CACHE:
            before, self.tensors = self.tensors, {}
            try:
                result = work()
            except DetectionFailed as error:
                result = error
            CACHE[full_key] = result, self.tensors
            self.tensors = before
        result, tensors = CACHE[full_key]
        self.tensors |= tensors
        if isinstance(result, DetectionFailed):
            raise result
        return result

    def level(self, prefix: str, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parameters = self.parameters("pnet/level*/input")
        rounding = {"floored": math.floor, "rounded": round}.get(parameters.get("size", ""), math.ceil)
        height, width = (rounding(side * scale) for side in self.rgb.shape[:2])
        maps = self.record(
            f"{prefix}/input",
            prepare(resize_image(self.rgb.astype(F), height, width, parameters), parameters),
        )
        logits = self.network("pnet", prefix, maps)
        heat = self.record(
            f"{prefix}/heat_map", face_probability(logits, self.parameters("pnet/level*/heat_map"))
        )
        parameters = self.parameters("pnet/level*/boxes")
        limit = F(parameters.get("threshold", self.thresholds[0]))
        spots = [(x, y) for x in range(heat.shape[1]) for y in range(heat.shape[0]) if heat[y, x] >= limit]
        if "walk" in parameters:
            spots.sort(key=lambda spot: spot[::-1])
        rows, scores, offsets = [], [], []
        for x, y in spots:
            begins = [
                2 * at + (0 if "begin" in parameters else 1)
                for at in ((y, x) if "axes" in parameters else (x, y))
            ]
            ends = [2 * at + 12 for at in ((y, x) if "axes" in parameters else (x, y))]
            corners = [F(at) / F(scale) for at in (*begins, *ends)]
            variant = parameters.get("corner")
            if variant != "floating":
                corners = [F(round(float(at)) if variant == "rounded" else int(at)) for at in corners]
            more = 1 if "end" in parameters else 0
            rows.append(
                [corners[0], corners[1], corners[2] - corners[0] + more, corners[3] - corners[1] + more]
            )
            scores.append(heat[y, x])
            offsets.append(logits[2:6, y, x][[1, 0, 3, 2] if "columns" in parameters else [0, 1, 2, 3]])
        boxes = self.record(f"{prefix}/boxes", np.array(rows, F).reshape(-1, 4))
        found = self.record(f"{prefix}/scores", np.array(scores, F))
        moves = self.record(f"{prefix}/offsets", np.array(offsets, F).reshape(-1, 4))
        keep = nms(boxes, found, 0.5, "union", self.parameters("pnet/level*/nms_keep"))
        self.record(f"{prefix}/nms_keep", keep, np.int32)
        return boxes[keep], found[keep], moves[keep]

    def network(self, stage: str, prefix: str, maps: np.ndarray) -> np.ndarray:
        network = getattr(Model.default(), stage)
        first, last = network.names[0], network.names[-1]
        where = prefix.split("/")[1].rstrip("0123456789")
        for name, layer in zip(network.names, network.layers, strict=True):
            parameters = self.parameters(f"{stage}/{where}*/{name}")
            try:
                maps = compute(layer, maps, parameters, name == first, name == last)
            except ValueError as error:
                raise DetectionFailed from error
            self.record(f"{prefix}/{name}", maps)
        return maps

    def squares(self, stage: str, boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        parameters, found = self.parameters(f"{stage}/boxes_in"), []
        height, width = self.rgb.shape[:2]
        for x, y, w, h in move(boxes, offsets, parameters, "add" in parameters):
            variant = parameters.get("square")
            side = w if variant == "none" else min(w, h) if variant == "shorter" else max(w, h)
            if variant in (None, "shorter"):
                x, y = F(float(x) + 0.5 * float(w - side)), F(float(y) + 0.5 * float(h - side))
            box = [x, y, side, h if variant == "none" else side]
            rounding = {"none": float, "rounded": round, "floored": math.floor}.get(
                parameters.get("whole", ""), int
            )
            box = [rounding(float(value)) for value in box]
            left, top, right, bottom = (
                int(box[0]),
                int(box[1]),
                int(box[0]) + int(box[2]),
                int(box[1]) + int(box[2]),
            )
            if box[2] < 1 or left > width or top > height or right < 1 or bottom < 1:
                continue
            if "clip" in parameters:
                ends = [min(box[0] + box[2], width), min(box[1] + box[3], height)]
                box[:2] = [max(box[0], 0), max(box[1], 0)]
                box[2:] = [max(ends[0] - box[0], 0), max(ends[1] - box[1], 0)]
            found.append(box)
        return self.record(f"{stage}/boxes_in", np.array(found, F).reshape(-1, 4))

    def classify(self, stage: str, boxes: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parameters = self.parameters(f"{stage}/crop*/input")
        values = np.empty((0, 6 if stage == "rnet" else 16), F)
        for number, box in enumerate(boxes):
            prefix = f"{stage}/crop{number:03d}"
            work = partial(self.crop, stage, prefix, box, side, parameters)
            found = self.cached((prefix, box.tobytes()), f"{stage}/crop", work)
            values = np.concatenate([values, found.reshape(1, -1)])
        parameters = self.parameters(f"{stage}/scores")
        scores = self.record(f"{stage}/scores", face_probability(values.T, parameters))
        order = [3, 2, 5, 4] if "columns" in parameters else [2, 3, 4, 5]
        offsets = self.record(f"{stage}/offsets", values[:, order])
        if stage == "rnet":
            return scores, offsets, offsets
        points = np.empty((len(boxes), 5, 2), F)
        for number, (box, row) in enumerate(zip(boxes, values[:, 6:], strict=True)):
            for point in range(5):
                for axis in range(2):
                    share = row[2 * point + axis] if "points" in parameters else row[5 * axis + point]
                    begin = box[axis] - (0 if "point start" in parameters else 1)
                    size = box[2 + axis] + (0 if "point size" in parameters else 1)
                    points[number, point, axis] = (
                        share if "point unit" in parameters else begin + share * size
                    )
        return scores, offsets, self.record("onet/landmarks", points)

    def crop(
        self, stage: str, prefix: str, box: np.ndarray, side: int, parameters: dict[str, str]
    ) -> np.ndarray:
        patch = cut(self.rgb, box, parameters)
        if min(patch.shape[:2]) < 1:
            raise DetectionFailed
        maps = self.record(
            f"{prefix}/input", prepare(resize_image(patch, side, side, parameters), parameters)
        )
        return self.network(stage, prefix, maps)

    def keep(self, stage: str, scores: np.ndarray) -> np.ndarray:
        limit = F(self.parameters(f"{stage}/keep").get("threshold", self.thresholds[1 + (stage == "onet")]))
        return self.record(f"{stage}/keep", np.flatnonzero(scores >= limit), np.int32)


def face_probability(logits: np.ndarray, parameters: dict[str, str]) -> np.ndarray:
    other, face = logits[0].astype(float), logits[1].astype(float)
    variant = parameters.get("probability")
    if variant == "logit":
        return logits[1]
    power = {"of not-face": other - face, "one logit": face}.get(variant or "", face - other)
    return (1 / (1 + np.exp(-power))).astype(F)


def round_boxes(boxes: np.ndarray, variant: str | None) -> np.ndarray:
    if variant == "none":
        return boxes.astype(float)
    return np.trunc(boxes.astype(float)) if variant == "truncated" else np.round(boxes.astype(float))


def nms(
    boxes: np.ndarray, scores: np.ndarray, limit: float, mode: str, parameters: dict[str, str]
) -> np.ndarray:
    """Suppress boxes pair by pair."""
    if "skip" in parameters:
        return np.arange(len(boxes))
    rounded, more = round_boxes(boxes, parameters.get("rounding")), 1 if "area" in parameters else 0
    limit, mode = float(parameters.get("limit", limit)), parameters.get("overlap", mode)
    left = sorted(range(len(boxes)), key=lambda i: (scores[i], i), reverse=True)
    picked = []
    while left:
        best = left.pop(0)
        picked.append(best)
        left = [i for i in left if not F(overlap(rounded[best], rounded[i], mode, more)) > F(limit)]
    return np.array(sorted(picked) if "listing" in parameters else picked, int)


def overlap(a: np.ndarray, b: np.ndarray, mode: str, more: int) -> float:
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) + more
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) + more
    areas = [(box[2] + more) * (box[3] + more) for box in (a, b)]
    shared = max(across, 0) * max(down, 0)
    return shared / (sum(areas) - shared if mode == "union" else min(areas))


def move(boxes: np.ndarray, offsets: np.ndarray, parameters: dict[str, str], add: bool) -> np.ndarray:
    if "offsets" in parameters:
        return boxes
    x, y, w, h = round_boxes(boxes, parameters.get("before")).T
    w, h = w + add, h + add
    a, b, c, d = offsets[:, [1, 0, 3, 2] if "columns" in parameters else [0, 1, 2, 3]].astype(float).T
    x1, y1, x2, y2 = x + a * w, y + b * h, x + w + c * w, y + h + d * h
    return np.stack([x1, y1, x2 - x1, y2 - y1], 1).astype(F)


def cut(rgb: np.ndarray, box: np.ndarray, parameters: dict[str, str]) -> np.ndarray:
    """Return the pixels of a crop, by indexing."""
    x, y, w, h = (int(value) for value in box)
    start, size = (0 if "start" in parameters else -1), (0 if "extent" in parameters else 1)
    columns, rows = np.arange(x + start, x + start + w + size), np.arange(y + start, y + start + h + size)
    height, width = rgb.shape[:2]
    variant = parameters.get("border")
    if variant == "cut off":
        columns, rows = columns[(columns >= 0) & (columns < width)], rows[(rows >= 0) & (rows < height)]
    before = [max(-int(line.min(initial=0)), 0) for line in (rows, columns)]
    after = [max(int(line.max(initial=0)) - n + 1, 0) for line, n in ((rows, height), (columns, width))]
    around = (*zip(before, after, strict=True), (0, 0))
    fill: dict[str, Any] = {"mode": "constant", "constant_values": 127.5 if variant == "grey" else 0}
    if variant in ("replicated", "reflected"):
        fill = {"mode": "edge" if variant == "replicated" else "reflect"}
    wide = np.pad(rgb.astype(F), around, **fill)
    return wide[rows + before[0]][:, columns + before[1]]


def resize_image(image: np.ndarray, height: int, width: int, parameters: dict[str, str]) -> np.ndarray:
    import cv2

    variant = parameters.get("resize")
    flags = {"area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC, "nearest": cv2.INTER_NEAREST}
    image = np.ascontiguousarray(image, F)
    if variant == "antialiased":
        planes = [
            Image.fromarray(image[..., c]).resize((width, height), Image.Resampling.BILINEAR)
            for c in range(3)
        ]
        image = np.stack([np.asarray(plane) for plane in planes], -1)
    elif variant in ("no half", "corners"):
        sizes = ((image.shape[0], height), (image.shape[1], width))
        steps = [n / m if variant == "no half" else (n - 1) / max(m - 1, 1) for n, m in sizes]
        grid = np.meshgrid(np.arange(width) * steps[1], np.arange(height) * steps[0])
        image = bilinear(image, *grid)
    else:
        image = cv2.resize(image, (width, height), interpolation=flags.get(variant or "", cv2.INTER_LINEAR))
    return np.clip(np.round(image), 0, 255) if "pixels" in parameters else image


def bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.clip(0, image.shape[1] - 1), y.clip(0, image.shape[0] - 1)
    x0, y0 = x.astype(int), y.astype(int)
    x1, y1 = (x0 + 1).clip(0, image.shape[1] - 1), (y0 + 1).clip(0, image.shape[0] - 1)
    across, down = (x - x0)[..., None], (y - y0)[..., None]
    upper = image[y0, x0] * (1 - across) + image[y0, x1] * across
    lower = image[y1, x0] * (1 - across) + image[y1, x1] * across
    return (upper * (1 - down) + lower * down).astype(F)


def prepare(pixels: np.ndarray, parameters: dict[str, str]) -> np.ndarray:
    centre, divisor = NORMALISATIONS.get(parameters.get("normalisation", ""), (127.5, 128))
    values = (pixels[..., ::-1] if "colour" in parameters else pixels) - F(centre)
    values = values / F(divisor)
    return values.transpose((2, 1, 0) if "axes" in parameters else (2, 0, 1)).astype(F)


def compute(layer: Any, maps: np.ndarray, parameters: dict[str, str], first: bool, last: bool) -> np.ndarray:
    if isinstance(layer, Conv2d):
        return convolve(layer, maps, parameters)
    if isinstance(layer, MaxPool):
        return pool(layer, maps, parameters)
    if isinstance(layer, FullyConnected):
        return fully_connected(layer, maps, parameters)
    assert isinstance(layer, PReLU)
    slopes = layer.slopes.reshape(-1, *[1] * (maps.ndim - 1))
    ways = {
        "relu": 0 * slopes,
        "leaky": 0 * slopes + F(0.01),
        "quarter": 0 * slopes + F(0.25),
        "missing": 0 * slopes + 1,
        "positive": abs(slopes),
        "negated": -slopes,
        "shared": 0 * slopes + slopes.mean(),
    }
    return np.where(maps < 0, maps * ways.get(parameters.get("slopes", ""), slopes), maps)


def round_numbers(values: np.ndarray, parameters: dict[str, str], bias: bool = False) -> np.ndarray:
    if parameters.get("precision") == "half":
        return values.astype(np.float16).astype(F)
    if parameters.get("precision") == "int8" and not bias:
        step = F(abs(values).max() / 127)
        return (np.round(values / step) * step).astype(F)
    return values


def convolve(layer: Conv2d, maps: np.ndarray, parameters: dict[str, str]) -> np.ndarray:
    kernel, turn = layer.kernel, parameters.get("turn")
    turned = {
        "exchanged": kernel.transpose(0, 1, 3, 2),
        "flipped x": kernel[:, :, :, ::-1],
        "flipped y": kernel[:, :, ::-1],
        "flipped": kernel[:, :, ::-1, ::-1],
        "left": kernel.transpose(0, 1, 3, 2)[:, :, ::-1],
        "right": kernel.transpose(0, 1, 3, 2)[:, :, :, ::-1],
        "diagonal": kernel[:, :, ::-1, ::-1].transpose(0, 1, 3, 2),
    }
    kernel = round_numbers(turned.get(turn or "", kernel), parameters).astype(float)
    maps = maps[::-1] if "inputs" in parameters else maps
    if maps.shape[0] != kernel.shape[1]:
        raise ValueError
    k = kernel.shape[2]
    if "padding" in parameters:
        maps = np.pad(maps, [(0, 0), *[((k - 1) // 2, k // 2)] * 2])
    windows = np.lib.stride_tricks.sliding_window_view(maps.astype(float), (k, k), (1, 2))
    sums = np.tensordot(kernel, windows, ((1, 2, 3), (0, 3, 4)))
    bias = round_numbers(layer.bias, parameters, bias=True).astype(float)
    return (sums if "bias" in parameters else sums + bias[:, None, None]).astype(F)


def pool(layer: MaxPool, maps: np.ndarray, parameters: dict[str, str]) -> np.ndarray:
    if parameters.get("pooling") == "missing":
        return maps
    k, s = int(parameters.get("window", layer.kernel_x)), layer.stride_x
    rounding = math.floor if "windows" in parameters else lambda value: math.floor(value + 0.5)
    h, w = (rounding((side - k) / s) + 1 for side in maps.shape[1:])
    reach = [max((count - 1) * s + k - side, 0) for count, side in zip((h, w), maps.shape[1:], strict=True)]
    wide = np.pad(maps.astype(float), [(0, 0), (0, reach[0]), (0, reach[1])], constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(wide, (k, k), (1, 2))[:, ::s, ::s][:, :h, :w]
    take = np.nanmean if parameters.get("pooling") == "average" else np.nanmax
    return take(windows, axis=(3, 4)).astype(F)


def fully_connected(layer: FullyConnected, maps: np.ndarray, parameters: dict[str, str]) -> np.ndarray:
    weights, bias = (
        round_numbers(layer.weights, parameters).astype(float),
        round_numbers(layer.bias, parameters, bias=True).astype(float),
    )
    if "bias" in parameters:
        bias = 0 * bias
    order = list(range(weights.shape[1]))
    if "classes" in parameters:
        order[0], order[1] = 1, 0
    if "heads" in parameters:
        order = [*order[2:6], *order[:2], *order[6:]]
    weights, bias = weights[:, order], bias[order]
    if maps.ndim == 3 and len(maps) == len(weights):
        return (np.tensordot(weights, maps, (0, 0)) + bias[:, None, None]).astype(F)
    if maps.ndim == 3:
        maps = maps.transpose([LETTERS[letter] for letter in parameters.get("order", "cxy")]).reshape(-1)
    if len(maps) != len(weights):
        raise ValueError
    return (maps @ weights + bias).astype(F)
