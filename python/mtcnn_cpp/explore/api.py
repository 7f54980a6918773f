"""The answers to the requests of the page, as a Starlette application. No request changes data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .._util.errors import MtcnnError
from .._util.escape import printable
from .._util.json_values import to_json_value
from ..media.image.pixels import Pixels, to_uint8
from ..trace.comparison.boxes import final_detections, pair_boxes
from ..trace.comparison.explanation import Explanation, PartialResult, explain, explain_difference
from ..trace.errors import TraceError, UnknownName
from ..trace.manifest import TensorInfo
from ..trace.names import layer_inputs
from . import tensors
from .boxes import boxes_of
from .comparison import BackgroundComparison, hash_states, merged_names
from .page_files import page_routes
from .receptive_field import receptive_field
from .tensors import Window, check_view, map_shape, statistics, thumbnails, window
from .traces import OpenTrace, OpenTraces

PAGE = Path(__file__).parent / "page"
_Handler: TypeAlias = Callable[[Request], Response]


class BadRequest(MtcnnError, ValueError):
    """An invalid request. The page never makes such a request."""


def application(traces: OpenTraces, comparison: BackgroundComparison | None) -> Starlette:
    """Return the application that serves the page and its data."""
    before = comparison.pause if comparison else lambda: None
    json_handlers: dict[str, Callable[[Request], Any]] = {
        "about": lambda request: about(traces),
        "boxes": lambda request: to_json_value(boxes_of(traces.side(_side(request)).trace)),
        "faces": lambda request: faces(traces),
        "tensor": lambda request: tensor(traces, comparison, _name(request)),
        "verdicts": lambda request: comparison.status(_number(request, "from")) if comparison else None,
        "receptive_field": _or_reason(traces, lambda request: _receptive_field(traces, request)),
        "sum": _or_reason(
            traces, lambda request: sums(traces, _name(request), _index(request), _side(request))
        ),
    }
    routes = [
        *(Route(f"/api/{name}", _json(handler)) for name, handler in json_handlers.items()),
        Route("/api/image", _handler(lambda request: _image(traces, request), before)),
        Route("/api/values", _handler(lambda request: _values(traces, request), before)),
        Route("/api/thumbnails", _handler(lambda request: _thumbnails(traces, request), before)),
        *page_routes(PAGE.iterdir()),
    ]
    statuses: dict[Any, Any] = {
        UnknownName: _error_handler(404),
        TraceError: _error_handler(422),
        BadRequest: _error_handler(400),
        MemoryError: _error_handler(507),
    }
    app = Starlette(routes=routes, exception_handlers=statuses)
    app.router.redirect_slashes = False  # the address of a redirect would lack the token
    return app


def about(traces: OpenTraces) -> dict[str, Any]:
    """Return the data that the page needs first.

    `sides` describes each trace. `tensors` contains name, shape, dtype and kind of map of each tensor.
    `states` contains the result of comparing the hashes of each tensor. `layers` contains the indices of the
    layers' outputs in `tensors`. `limit` is the size in bytes of the largest tensor that the page shows.
    `image` is the size of the image.
    """
    names = merged_names(traces)
    layers = {name for side in traces.sides().values() for name in layer_inputs(side.trace.names)}
    return {
        "sides": {letter: _describe_side(side) for letter, side in traces.sides().items()},
        "tensors": [_describe_tensor(traces, name) for name in names],
        "limit": tensors.SHOW_LIMIT,
        "layers": [index for index, name in enumerate(names) if name in layers],
        "states": hash_states(traces),
        "image": _describe_image(traces),
    }


def _describe_side(side: OpenTrace) -> dict[str, Any]:
    fields = side.trace.manifest.about()
    return {"label": printable(side.label), "tensors": len(side.trace), **_printable(to_json_value(fields))}


def _printable(value: Any) -> Any:
    """Escape all text in a JSON value; the text comes from the file."""
    if isinstance(value, dict):
        return {printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def _entry(traces: OpenTraces, name: str) -> TensorInfo:
    """Return the entry of a tensor in a, or in b if a lacks the tensor.

    Raises UnknownName if both lack it.
    """
    if name in traces.a.trace or traces.b is None:
        return traces.a.trace.info(name)
    return traces.b.trace.info(name)


def _describe_tensor(traces: OpenTraces, name: str) -> list[Any]:
    """Return name, shape, dtype and kind of map. If shape or dtype differ in b, a 1 follows."""
    entry = _entry(traces, name)
    other = traces.b.trace.info(name) if traces.b and name in traces.b.trace else entry
    differs = (entry.shape, entry.dtype) != (other.shape, other.dtype)
    kind = map_shape(entry.shape, entry.layout).kind
    return [entry.name, list(entry.shape), entry.dtype, kind, *([1] * differs)]


def _describe_image(traces: OpenTraces) -> dict[str, Any] | None:
    """Return the side whose trace contains the pixels of the image, and the size of the image.

    The result is None if no trace contains pixels.
    """
    for letter, side in traces.sides().items():
        if side.trace.manifest.image and side.trace.manifest.capture == "full":
            height, width = side.trace.manifest.image.shape[:2]
            return {"side": letter, "height": height, "width": width}
    return None


def faces(traces: OpenTraces) -> dict[str, Any]:
    """Return the faces of a and b, and the pairs of faces that belong together.

    A pair also contains the overlap and the offsets of its two boxes.
    """
    a = final_detections(traces.a.trace)
    b = final_detections(traces.b.trace) if traces.b else None
    answer: dict[str, Any] = {"a": _face_lists(a), "b": _face_lists(b), "pairs": []}
    if a is not None and b is not None:
        answer["pairs"] = [to_json_value(pair.to_dict()) for pair in pair_boxes(a.boxes, b.boxes)]
    return answer


def _face_lists(found: Any) -> Any:
    return (
        None
        if found is None
        else {"boxes": to_json_value(found.boxes), "scores": to_json_value(found.scores)}
    )


def tensor(traces: OpenTraces, comparison: BackgroundComparison | None, name: str) -> dict[str, Any]:
    """Return everything about one tensor except its values."""
    entry = _entry(traces, name)
    answer: dict[str, Any] = {
        "name": name, "map_shape": to_json_value(map_shape(entry.shape, entry.layout)), "sides": {},
    }  # fmt: skip
    for letter, side in traces.sides().items():
        if name not in side.trace:
            continue
        own = side.trace.info(name)
        answer["sides"][letter] = {
            "shape": list(own.shape),
            "dtype": own.dtype,
            "layout": own.layout,
            "sha256": own.sha256,
            "statistics": to_json_value(statistics(traces, name, letter)),
        }
    row = comparison.row(name) if comparison else None
    if row is not None:
        answer["verdict"] = {
            "text": row.label, "ok": row.ok, "reason": row.reason,
            "statistics": to_json_value(row.statistics),
        }  # fmt: skip
    return answer


def sums(traces: OpenTraces, name: str, index: tuple[int, ...], side: str) -> dict[str, Any]:
    """Return the sum that gives one element. `side` is "a", "b", or "both" for two sums.

    Each number is the shortest text that reads back as the same value.
    """
    if side != "both":
        one = traces.side(side)
        return {"sums": [_sum(explain(one.trace, name, index, one.model), side)], "notes": []}
    a, b = traces.side("a"), traces.side("b")
    pair = explain_difference(a.trace, b.trace, name, index, a.model, b.model)
    return {
        "sums": [_sum(pair.a, "a"), _sum(pair.b, "b")],
        "first_difference": pair.first_difference,
        "reason": pair.why,
        "notes": list(pair.notes),
    }


def _sum(found: Explanation, side: str) -> dict[str, Any]:
    return {
        "side": side,
        "layer": found.layer,
        "input": found.input_name,
        "rule": found.rule,
        "ok": found.ok,
        "recorded": str(found.recorded),
        "hex": float(found.recorded).hex(),
        "bias": None if found.bias is None else str(found.bias),
        "results": _by_rule(found.results),
        "ulps": {rule: found.ulps(rule) for rule in ("fma", "mul_add", "double")},
        "steps": [
            [
                list(term.index),
                str(term.value),
                None if term.weight is None else str(term.weight),
                *_by_rule(term.running).values(),
            ]
            for term in found.terms
        ],
    }


def _by_rule(values: PartialResult) -> dict[str, str]:
    return {"fma": str(values.fma), "mul_add": str(values.mul_add), "double": repr(float(values.double))}


def _or_reason(traces: OpenTraces, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Answer {"unavailable": reason} if a value has no sum or no receptive field."""

    def run(request: Request) -> Any:
        _entry(traces, _name(request))
        try:
            return handler(request)
        except TraceError as error:
            return {"unavailable": str(error)}

    return run


def _receptive_field(traces: OpenTraces, request: Request) -> Any:
    side = traces.side(_side(request))
    return to_json_value(receptive_field(side.trace, _name(request), _index(request), side.model))


def _image(traces: OpenTraces, request: Request) -> Response:
    """Answer with every `step`-th pixel of the image, (H, W, 3) uint8 RGB."""
    step = max(_number(request, "step", 1), 1)
    trace = traces.side(_side(request)).trace
    bgr = to_uint8(Pixels(trace.image[::step, ::step], is_rgb=False))
    return _binary(np.ascontiguousarray(bgr[..., ::-1]))


def _values(traces: OpenTraces, request: Request) -> Response:
    channel, top, left, height, width = (
        _number(request, key) for key in ("channel", "top", "left", "height", "width")
    )
    part = Window(channel, top, left, height, width, _number(request, "step", 1))
    return _binary(window(traces, _name(request), check_view(_text(request, "view", "a")), part))


def _thumbnails(traces: OpenTraces, request: Request) -> Response:
    side = _number(request, "size", 48)
    if not 4 <= side <= 512:
        raise BadRequest(f"size must be from 4 to 512, got {side}")
    view = check_view(_text(request, "view", "a"))
    codes, low, high = thumbnails(traces, _name(request), view, side)
    return _binary(codes, low=repr(low), high=repr(high))


def _binary(array: NDArray[Any], **headers: str) -> Response:
    """Answer with the bytes of an array in C order. Headers contain its shape and dtype."""
    fields = {"x-shape": ",".join(map(str, array.shape)), "x-dtype": array.dtype.name}
    fields |= {f"x-{key}": value for key, value in headers.items()}
    return Response(array.tobytes(), media_type="application/octet-stream", headers=fields)


def _handler(handler: _Handler, before: Callable[[], None] = lambda: None) -> _Handler:
    """Return a plain function, which Starlette runs on a worker thread. It calls `before` first."""

    def run(request: Request) -> Response:
        before()
        return handler(request)

    return run


def _json(handler: Callable[[Request], Any]) -> _Handler:
    def run(request: Request) -> Response:
        text = json.dumps(handler(request), allow_nan=False, separators=(",", ":"))
        return Response(text, media_type="application/json")

    return run


def _error_handler(status: int) -> Callable[[Request, Exception], Response]:
    def handle(request: Request, error: Exception) -> Response:
        message = str(error) or type(error).__name__
        return Response(json.dumps({"error": message}), status, media_type="application/json")

    return handle


def _text(request: Request, key: str, default: str | None = None) -> str:
    values = request.query_params.getlist(key)
    if len(values) > 1 or (not values and default is None):
        raise BadRequest(f"expected {key} once in the request, found it {len(values)} times")
    return values[0] if values else str(default)


def _name(request: Request) -> str:
    return _text(request, "name")


def _side(request: Request) -> str:
    return _text(request, "side", "a")


def _number(request: Request, key: str, default: int | None = None) -> int:
    text = _text(request, key, None if default is None else str(default))
    if not re.fullmatch("[0-9]{1,9}", text):
        raise BadRequest(f"{key} must be a whole number of at most nine digits, got {text!r:.40}")
    return int(text)


def _index(request: Request) -> tuple[int, ...]:
    text = _text(request, "index")
    if not re.fullmatch("[0-9]{1,9}(,[0-9]{1,9}){0,7}", text):
        raise BadRequest(f"index must be whole numbers separated by commas, got {text!r:.40}")
    return tuple(map(int, text.split(",")))
