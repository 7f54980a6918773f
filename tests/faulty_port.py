"""A port of the detector in plain NumPy, with faults planted in it. Written without a look at the doctor: it
has an order of sums of its own (BLAS, in double), as a port in another runtime has.

A plant is (step, knob, value), named as the doctor names it: the step with a * for its level or crop.
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

Plant = tuple[str, str, str]
F = np.float32
LETTERS = {"c": 0, "y": 1, "x": 2}
NUMBERS = {
    "(v - 127.5) / 127.5": (127.5, 127.5),
    "(v - 128) / 128": (128, 128),
    "v / 255": (0, 255),
    "v / 128": (0, 128),
    "v / 127.5": (0, 127.5),
    "v - 127.5": (127.5, 1),
    "v, no normalisation": (0, 1),
}


MEMORY: dict[tuple[Any, ...], tuple[Any, dict[str, np.ndarray]]] = {}


class Broken(Exception):
    """The port cannot go on: a layer does not fit the one before it."""


class Port:
    def __init__(
        self,
        min_face: float,
        plants: Collection[Plant] = (),
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
    ) -> None:
        self.min_face = min_face
        self.thresholds = thresholds
        self.plants = plants
        self.tensors: dict[str, np.ndarray] = {}

    def run(self, bgr: np.ndarray) -> dict[str, np.ndarray]:
        """All tensors, or those before the place where the port breaks."""
        self.rgb = bgr[..., ::-1]
        try:
            with np.errstate(all="ignore"):
                self.detect()
        except Broken:
            pass
        return self.tensors

    def put(self, name: str, array: Any, kind: type = np.float32) -> np.ndarray:
        self.tensors[name] = np.ascontiguousarray(array, kind)
        return self.tensors[name]

    def knobs(self, step: str) -> dict[str, str]:
        return {knob: value for where, knob, value in self.plants if where == step}

    def detect(self) -> None:
        joined = []
        height, width = self.rgb.shape[:2]
        scale, number = 12 / self.min_face, 0
        while self.min_face <= min(height, width) * 0.709**number:
            place, size = f"pnet/level{number:02d}", scale * 0.709**number
            key = (place, self.min_face, self.thresholds)
            joined.append(self.remembered(key, "pnet/level", partial(self.level, place, size)))
            number += 1
        if self.knobs("pnet/boxes"):
            joined.reverse()
        boxes, scores, offsets = (np.concatenate(parts) for parts in zip(*joined, strict=True))
        self.put("pnet/boxes", boxes)
        self.put("pnet/scores", scores)
        self.put("pnet/offsets", offsets)
        keep = self.put(
            "pnet/nms_keep", nms(boxes, scores, 0.7, "union", self.knobs("pnet/nms_keep")), np.int32
        )
        squares = self.squares("rnet", boxes[keep], offsets[keep])
        scores, offsets, _ = self.classify("rnet", squares, 24)
        keep = self.keep("rnet", scores)
        picked = nms(squares[keep], scores[keep], 0.7, "union", self.knobs("rnet/nms_keep"))
        self.put("rnet/nms_keep", picked, np.int32)
        squares = self.squares("onet", squares[keep][picked], offsets[keep][picked])
        scores, offsets, landmarks = self.classify("onet", squares, 48)
        keep = self.keep("onet", scores)
        knobs = self.knobs("onet/nms_keep")
        moved = move(squares[keep], offsets[keep], knobs, "add" not in knobs)
        picked = nms(moved, scores[keep], 0.7, "minimum", knobs)
        self.put("onet/nms_keep", picked, np.int32)
        x, y, w, h = self.put("onet/boxes_out", moved[picked]).astype(float).T
        way = self.knobs("final/boxes").get("correction")
        faces = [x - 0.0075 * w, y + 0.2459 * h, 1.0323 * w, 0.7751 * h]
        if way == "none":
            faces = [x, y, w, h]
        if way == "in place":
            faces[:2] = [x - 0.0075 * faces[2], y + 0.2459 * faces[3]]
        self.put("final/boxes", np.stack(faces, 1))
        self.put("final/scores", scores[keep][picked])
        self.put("final/landmarks", landmarks[keep][picked])

    def remembered(self, key: tuple[Any, ...], steps: str, work: Callable[[], Any]) -> Any:
        """What `work` gives, with all tensors that it puts; not done again where the plants in the steps that
        begin with `steps` are the same."""
        whole = (*key, self.rgb.tobytes(), tuple(sorted(p for p in self.plants if p[0].startswith(steps))))
        if whole not in MEMORY:
            before, self.tensors = self.tensors, {}
            try:
                result = work()
            except Broken as error:
                result = error
            MEMORY[whole] = result, self.tensors
            self.tensors = before
        result, tensors = MEMORY[whole]
        self.tensors |= tensors
        if isinstance(result, Broken):
            raise result
        return result

    def level(self, place: str, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        knobs = self.knobs("pnet/level*/input")
        whole = {"floored": math.floor, "rounded": round}.get(knobs.get("size", ""), math.ceil)
        height, width = (whole(side * scale) for side in self.rgb.shape[:2])
        maps = self.put(f"{place}/input", enter(shrink(self.rgb.astype(F), height, width, knobs), knobs))
        logits = self.network("pnet", place, maps)
        heat = self.put(f"{place}/heat_map", chance(logits, self.knobs("pnet/level*/heat_map")))
        knobs = self.knobs("pnet/level*/boxes")
        limit = F(knobs.get("threshold", self.thresholds[0]))
        spots = [(x, y) for x in range(heat.shape[1]) for y in range(heat.shape[0]) if heat[y, x] >= limit]
        if "walk" in knobs:
            spots.sort(key=lambda spot: spot[::-1])
        rows, scores, offsets = [], [], []
        for x, y in spots:
            begins = [
                2 * at + (0 if "begin" in knobs else 1) for at in ((y, x) if "axes" in knobs else (x, y))
            ]
            ends = [2 * at + 12 for at in ((y, x) if "axes" in knobs else (x, y))]
            corners = [F(at) / F(scale) for at in (*begins, *ends)]
            way = knobs.get("corner")
            if way != "floating":
                corners = [F(round(float(at)) if way == "rounded" else int(at)) for at in corners]
            more = 1 if "end" in knobs else 0
            rows.append(
                [corners[0], corners[1], corners[2] - corners[0] + more, corners[3] - corners[1] + more]
            )
            scores.append(heat[y, x])
            offsets.append(logits[2:6, y, x][[1, 0, 3, 2] if "columns" in knobs else [0, 1, 2, 3]])
        boxes = self.put(f"{place}/boxes", np.array(rows, F).reshape(-1, 4))
        found = self.put(f"{place}/scores", np.array(scores, F))
        moves = self.put(f"{place}/offsets", np.array(offsets, F).reshape(-1, 4))
        keep = nms(boxes, found, 0.5, "union", self.knobs("pnet/level*/nms_keep"))
        self.put(f"{place}/nms_keep", keep, np.int32)
        return boxes[keep], found[keep], moves[keep]

    def network(self, stage: str, place: str, maps: np.ndarray) -> np.ndarray:
        network = getattr(Model.default(), stage)
        first, last = network.names[0], network.names[-1]
        where = place.split("/")[1].rstrip("0123456789")
        for name, layer in zip(network.names, network.layers, strict=True):
            knobs = self.knobs(f"{stage}/{where}*/{name}")
            try:
                maps = compute(layer, maps, knobs, name == first, name == last)
            except ValueError as error:
                raise Broken from error
            self.put(f"{place}/{name}", maps)
        return maps

    def squares(self, stage: str, boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        knobs, found = self.knobs(f"{stage}/boxes_in"), []
        height, width = self.rgb.shape[:2]
        for x, y, w, h in move(boxes, offsets, knobs, "add" in knobs):
            way = knobs.get("square")
            side = w if way == "none" else min(w, h) if way == "shorter" else max(w, h)
            if way in (None, "shorter"):
                x, y = F(float(x) + 0.5 * float(w - side)), F(float(y) + 0.5 * float(h - side))
            box = [x, y, side, h if way == "none" else side]
            whole = {"none": float, "rounded": round, "floored": math.floor}.get(knobs.get("whole", ""), int)
            box = [whole(float(value)) for value in box]
            left, top, right, bottom = (
                int(box[0]),
                int(box[1]),
                int(box[0]) + int(box[2]),
                int(box[1]) + int(box[2]),
            )
            if box[2] < 1 or left > width or top > height or right < 1 or bottom < 1:
                continue
            if "clip" in knobs:
                ends = [min(box[0] + box[2], width), min(box[1] + box[3], height)]
                box[:2] = [max(box[0], 0), max(box[1], 0)]
                box[2:] = [max(ends[0] - box[0], 0), max(ends[1] - box[1], 0)]
            found.append(box)
        return self.put(f"{stage}/boxes_in", np.array(found, F).reshape(-1, 4))

    def classify(self, stage: str, boxes: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        knobs = self.knobs(f"{stage}/crop*/input")
        values = np.empty((0, 6 if stage == "rnet" else 16), F)
        for number, box in enumerate(boxes):
            place = f"{stage}/crop{number:03d}"
            work = partial(self.crop, stage, place, box, side, knobs)
            found = self.remembered((place, box.tobytes()), f"{stage}/crop", work)
            values = np.concatenate([values, found.reshape(1, -1)])
        knobs = self.knobs(f"{stage}/scores")
        scores = self.put(f"{stage}/scores", chance(values.T, knobs))
        order = [3, 2, 5, 4] if "columns" in knobs else [2, 3, 4, 5]
        offsets = self.put(f"{stage}/offsets", values[:, order])
        if stage == "rnet":
            return scores, offsets, offsets
        points = np.empty((len(boxes), 5, 2), F)
        for number, (box, row) in enumerate(zip(boxes, values[:, 6:], strict=True)):
            for point in range(5):
                for axis in range(2):
                    share = row[2 * point + axis] if "points" in knobs else row[5 * axis + point]
                    begin = box[axis] - (0 if "point start" in knobs else 1)
                    size = box[2 + axis] + (0 if "point size" in knobs else 1)
                    points[number, point, axis] = share if "point unit" in knobs else begin + share * size
        return scores, offsets, self.put("onet/landmarks", points)

    def crop(self, stage: str, place: str, box: np.ndarray, side: int, knobs: dict[str, str]) -> np.ndarray:
        patch = cut(self.rgb, box, knobs)
        if min(patch.shape[:2]) < 1:
            raise Broken
        maps = self.put(f"{place}/input", enter(shrink(patch, side, side, knobs), knobs))
        return self.network(stage, place, maps)

    def keep(self, stage: str, scores: np.ndarray) -> np.ndarray:
        limit = F(self.knobs(f"{stage}/keep").get("threshold", self.thresholds[1 + (stage == "onet")]))
        return self.put(f"{stage}/keep", np.flatnonzero(scores >= limit), np.int32)


def chance(logits: np.ndarray, knobs: dict[str, str]) -> np.ndarray:
    other, face = logits[0].astype(float), logits[1].astype(float)
    way = knobs.get("probability")
    if way == "logit":
        return logits[1]
    power = {"of not-face": other - face, "one logit": face}.get(way or "", face - other)
    return (1 / (1 + np.exp(-power))).astype(F)


def whole_boxes(boxes: np.ndarray, way: str | None) -> np.ndarray:
    if way == "none":
        return boxes.astype(float)
    return np.trunc(boxes.astype(float)) if way == "truncated" else np.round(boxes.astype(float))


def nms(boxes: np.ndarray, scores: np.ndarray, limit: float, mode: str, knobs: dict[str, str]) -> np.ndarray:
    """By pairs, one at a time."""
    if "skip" in knobs:
        return np.arange(len(boxes))
    whole, more = whole_boxes(boxes, knobs.get("rounding")), 1 if "area" in knobs else 0
    limit, mode = float(knobs.get("limit", limit)), knobs.get("overlap", mode)
    left = sorted(range(len(boxes)), key=lambda i: (scores[i], i), reverse=True)
    picked = []
    while left:
        best = left.pop(0)
        picked.append(best)
        left = [i for i in left if not F(overlap(whole[best], whole[i], mode, more)) > F(limit)]
    return np.array(sorted(picked) if "listing" in knobs else picked, int)


def overlap(a: np.ndarray, b: np.ndarray, mode: str, more: int) -> float:
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) + more
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) + more
    areas = [(box[2] + more) * (box[3] + more) for box in (a, b)]
    shared = max(across, 0) * max(down, 0)
    return shared / (sum(areas) - shared if mode == "union" else min(areas))


def move(boxes: np.ndarray, offsets: np.ndarray, knobs: dict[str, str], add: bool) -> np.ndarray:
    if "offsets" in knobs:
        return boxes
    x, y, w, h = whole_boxes(boxes, knobs.get("before")).T
    w, h = w + add, h + add
    a, b, c, d = offsets[:, [1, 0, 3, 2] if "columns" in knobs else [0, 1, 2, 3]].astype(float).T
    x1, y1, x2, y2 = x + a * w, y + b * h, x + w + c * w, y + h + d * h
    return np.stack([x1, y1, x2 - x1, y2 - y1], 1).astype(F)


def cut(rgb: np.ndarray, box: np.ndarray, knobs: dict[str, str]) -> np.ndarray:
    """Pixel by pixel, as indices."""
    x, y, w, h = (int(value) for value in box)
    start, size = (0 if "start" in knobs else -1), (0 if "extent" in knobs else 1)
    columns, rows = np.arange(x + start, x + start + w + size), np.arange(y + start, y + start + h + size)
    height, width = rgb.shape[:2]
    way = knobs.get("border")
    if way == "cut off":
        columns, rows = columns[(columns >= 0) & (columns < width)], rows[(rows >= 0) & (rows < height)]
    before = [max(-int(line.min(initial=0)), 0) for line in (rows, columns)]
    after = [max(int(line.max(initial=0)) - n + 1, 0) for line, n in ((rows, height), (columns, width))]
    around = (*zip(before, after, strict=True), (0, 0))
    fill: dict[str, Any] = {"mode": "constant", "constant_values": 127.5 if way == "grey" else 0}
    if way in ("replicated", "reflected"):
        fill = {"mode": "edge" if way == "replicated" else "reflect"}
    wide = np.pad(rgb.astype(F), around, **fill)
    return wide[rows + before[0]][:, columns + before[1]]


def shrink(image: np.ndarray, height: int, width: int, knobs: dict[str, str]) -> np.ndarray:
    import cv2

    way = knobs.get("resize")
    flags = {"area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC, "nearest": cv2.INTER_NEAREST}
    image = np.ascontiguousarray(image, F)
    if way == "antialiased":
        planes = [
            Image.fromarray(image[..., c]).resize((width, height), Image.Resampling.BILINEAR)
            for c in range(3)
        ]
        image = np.stack([np.asarray(plane) for plane in planes], -1)
    elif way in ("no half", "corners"):
        sizes = ((image.shape[0], height), (image.shape[1], width))
        steps = [n / m if way == "no half" else (n - 1) / max(m - 1, 1) for n, m in sizes]
        grid = np.meshgrid(np.arange(width) * steps[1], np.arange(height) * steps[0])
        image = bilinear(image, *grid)
    else:
        image = cv2.resize(image, (width, height), interpolation=flags.get(way or "", cv2.INTER_LINEAR))
    return np.clip(np.round(image), 0, 255) if "pixels" in knobs else image


def bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.clip(0, image.shape[1] - 1), y.clip(0, image.shape[0] - 1)
    x0, y0 = x.astype(int), y.astype(int)
    x1, y1 = (x0 + 1).clip(0, image.shape[1] - 1), (y0 + 1).clip(0, image.shape[0] - 1)
    across, down = (x - x0)[..., None], (y - y0)[..., None]
    upper = image[y0, x0] * (1 - across) + image[y0, x1] * across
    lower = image[y1, x0] * (1 - across) + image[y1, x1] * across
    return (upper * (1 - down) + lower * down).astype(F)


def enter(pixels: np.ndarray, knobs: dict[str, str]) -> np.ndarray:
    centre, divisor = NUMBERS.get(knobs.get("normalisation", ""), (127.5, 128))
    values = (pixels[..., ::-1] if "colour" in knobs else pixels) - F(centre)
    values = values / F(divisor)
    return values.transpose((2, 1, 0) if "axes" in knobs else (2, 0, 1)).astype(F)


def compute(layer: Any, maps: np.ndarray, knobs: dict[str, str], first: bool, last: bool) -> np.ndarray:
    if isinstance(layer, Conv2d):
        return convolve(layer, maps, knobs)
    if isinstance(layer, MaxPool):
        return pool(layer, maps, knobs)
    if isinstance(layer, FullyConnected):
        return dense(layer, maps, knobs)
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
    return np.where(maps < 0, maps * ways.get(knobs.get("slopes", ""), slopes), maps)


def coarse(values: np.ndarray, knobs: dict[str, str], bias: bool = False) -> np.ndarray:
    if knobs.get("precision") == "half":
        return values.astype(np.float16).astype(F)
    if knobs.get("precision") == "int8" and not bias:
        step = F(abs(values).max() / 127)
        return (np.round(values / step) * step).astype(F)
    return values


def convolve(layer: Conv2d, maps: np.ndarray, knobs: dict[str, str]) -> np.ndarray:
    kernel, turn = layer.kernel, knobs.get("turn")
    turned = {
        "exchanged": kernel.transpose(0, 1, 3, 2),
        "flipped x": kernel[:, :, :, ::-1],
        "flipped y": kernel[:, :, ::-1],
        "flipped": kernel[:, :, ::-1, ::-1],
        "left": kernel.transpose(0, 1, 3, 2)[:, :, ::-1],
        "right": kernel.transpose(0, 1, 3, 2)[:, :, :, ::-1],
        "diagonal": kernel[:, :, ::-1, ::-1].transpose(0, 1, 3, 2),
    }
    kernel = coarse(turned.get(turn or "", kernel), knobs).astype(float)
    maps = maps[::-1] if "inputs" in knobs else maps
    if maps.shape[0] != kernel.shape[1]:
        raise ValueError
    k = kernel.shape[2]
    if "padding" in knobs:
        maps = np.pad(maps, [(0, 0), *[((k - 1) // 2, k // 2)] * 2])
    windows = np.lib.stride_tricks.sliding_window_view(maps.astype(float), (k, k), (1, 2))
    sums = np.tensordot(kernel, windows, ((1, 2, 3), (0, 3, 4)))
    bias = coarse(layer.bias, knobs, bias=True).astype(float)
    return (sums if "bias" in knobs else sums + bias[:, None, None]).astype(F)


def pool(layer: MaxPool, maps: np.ndarray, knobs: dict[str, str]) -> np.ndarray:
    if knobs.get("pooling") == "missing":
        return maps
    k, s = int(knobs.get("window", layer.kernel_x)), layer.stride_x
    whole = math.floor if "windows" in knobs else lambda value: math.floor(value + 0.5)
    h, w = (whole((side - k) / s) + 1 for side in maps.shape[1:])
    reach = [max((count - 1) * s + k - side, 0) for count, side in zip((h, w), maps.shape[1:], strict=True)]
    wide = np.pad(maps.astype(float), [(0, 0), (0, reach[0]), (0, reach[1])], constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(wide, (k, k), (1, 2))[:, ::s, ::s][:, :h, :w]
    take = np.nanmean if knobs.get("pooling") == "average" else np.nanmax
    return take(windows, axis=(3, 4)).astype(F)


def dense(layer: FullyConnected, maps: np.ndarray, knobs: dict[str, str]) -> np.ndarray:
    weights, bias = (
        coarse(layer.weights, knobs).astype(float),
        coarse(layer.bias, knobs, bias=True).astype(float),
    )
    if "bias" in knobs:
        bias = 0 * bias
    order = list(range(weights.shape[1]))
    if "classes" in knobs:
        order[0], order[1] = 1, 0
    if "heads" in knobs:
        order = [*order[2:6], *order[:2], *order[6:]]
    weights, bias = weights[:, order], bias[order]
    if maps.ndim == 3 and len(maps) == len(weights):
        return (np.tensordot(weights, maps, (0, 0)) + bias[:, None, None]).astype(F)
    if maps.ndim == 3:
        maps = maps.transpose([LETTERS[letter] for letter in knobs.get("order", "cxy")]).reshape(-1)
    if len(maps) != len(weights):
        raise ValueError
    return (maps @ weights + bias).astype(F)
