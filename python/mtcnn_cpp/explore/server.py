"""What the page may ask for, as a Starlette application. It reads; it changes nothing and runs nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..trace.errors import TraceError, UnknownName
from ..trace.judge.plain import plain
from . import about
from .boxes import boxes_of
from .guard import Guard
from .receptive import receptive_field
from .source import Source
from .sums import sum_of
from .tensors import Window, thumbnails, which, window
from .verdicts import Verdicts

PAGE = Path(__file__).parent / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_Answer: TypeAlias = Callable[[Request], Response]


class BadQuestion(ValueError):
    """A question that the page would not ask."""


def application(source: Source, verdicts: Verdicts | None, token: str, port: int) -> Guard:
    """The explorer of `source`, for requests to 127.0.0.1 and localhost at that port that have the token."""
    yielding = verdicts.give_way if verdicts else lambda: None
    answers: dict[str, Callable[[Request], Any]] = {
        "about": lambda request: about.about(source),
        "boxes": lambda request: plain(boxes_of(source.side(_side(request)).trace)),
        "faces": lambda request: about.faces(source),
        "tensor": lambda request: about.tensor(source, verdicts, _name(request)),
        "verdicts": lambda request: verdicts.since(_number(request, "from")) if verdicts else None,
        "field": _or_why_not(source, lambda request: _field(source, request)),
        "sum": _or_why_not(
            source, lambda request: sum_of(source, _name(request), _at(request), _word(request, "side", "a"))
        ),
    }
    routes = [
        *(Route(f"/api/{name}", _as_json(answer)) for name, answer in answers.items()),
        Route("/api/picture", _sync(lambda request: _picture(source, request), yielding)),
        Route("/api/values", _sync(lambda request: _values(source, request), yielding)),
        Route("/api/thumbnails", _sync(lambda request: _thumbnails(source, request), yielding)),
        *_page_routes(),
    ]
    handlers: dict[Any, Any] = {
        UnknownName: _refuse(404),
        TraceError: _refuse(422),
        BadQuestion: _refuse(400),
        MemoryError: _refuse(507),
    }
    hosts = [f"{host}:{port}" for host in ("127.0.0.1", "localhost")]
    if port == 80:
        hosts += ["127.0.0.1", "localhost"]
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # it would lead away from the token
    return Guard(app, token, hosts)


def _page_routes() -> list[Route]:
    """One for each file of the page, known by name: no path of a request reaches the disk."""
    routes = []
    for file in sorted(PAGE.iterdir()):
        if file.suffix in KINDS:
            path = "/" if file.name == "index.html" else f"/{file.name}"
            routes.append(Route(path, _file(file)))
    return routes


def _file(file: Path) -> _Answer:
    return _sync(lambda request: Response(file.read_bytes(), media_type=KINDS[file.suffix]))


def _sync(answer: _Answer, before: Callable[[], None] = lambda: None) -> _Answer:
    """A plain function, which Starlette runs on a thread of its own. `before` is called first."""

    def run(request: Request) -> Response:
        before()
        return answer(request)

    return run


def _as_json(answer: Callable[[Request], Any]) -> _Answer:
    def run(request: Request) -> Response:
        text = json.dumps(answer(request), allow_nan=False, separators=(",", ":"))
        return Response(text, media_type="application/json")

    return run


def _or_why_not(source: Source, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Not every value has a sum: that is an answer too, {"none": why}. UnknownName for no tensor's name."""

    def run(request: Request) -> Any:
        about.entry_of(source, _name(request))
        try:
            return answer(request)
        except TraceError as error:
            return {"none": str(error)}

    return run


def _refuse(status: int) -> Callable[[Request, Exception], Response]:
    def handle(request: Request, error: Exception) -> Response:
        words = str(error) or type(error).__name__
        return Response(json.dumps({"error": words}), status, media_type="application/json")

    return handle


def _field(source: Source, request: Request) -> Any:
    one = source.side(_side(request))
    return plain(receptive_field(one.trace, _name(request), _at(request), one.model))


def _picture(source: Source, request: Request) -> Response:
    """Bytes red, green, blue of each pixel."""
    return _binary(about.pixels_of(source.side(_side(request)), max(_number(request, "step", 1), 1)))


def _values(source: Source, request: Request) -> Response:
    channel, top, left, height, width = (
        _number(request, key) for key in ("channel", "top", "left", "height", "width")
    )
    place = Window(channel, top, left, height, width, _number(request, "step", 1))
    return _binary(window(source, _name(request), which(_word(request, "what", "a")), place))


def _thumbnails(source: Source, request: Request) -> Response:
    side = _number(request, "size", 48)
    if not 4 <= side <= 512:
        raise BadQuestion(f"size must be from 4 to 512, got {side}")
    codes, low, high = thumbnails(source, _name(request), which(_word(request, "what", "a")), side)
    return _binary(codes, low=repr(low), high=repr(high))


def _binary(array: NDArray[Any], **more: str) -> Response:
    """The bytes of an array in C order; its shape and dtype in headers."""
    headers = {"x-shape": ",".join(map(str, array.shape)), "x-dtype": array.dtype.name}
    headers |= {f"x-{key}": value for key, value in more.items()}
    return Response(array.tobytes(), media_type="application/octet-stream", headers=headers)


def _word(request: Request, key: str, default: str | None = None) -> str:
    given = request.query_params.getlist(key)
    if len(given) > 1 or (not given and default is None):
        raise BadQuestion(f"expected one {key}, got {len(given)}")
    return given[0] if given else str(default)


def _name(request: Request) -> str:
    return _word(request, "name")


def _side(request: Request) -> str:
    return _word(request, "side", "a")


def _number(request: Request, key: str, default: int | None = None) -> int:
    word = _word(request, key, None if default is None else str(default))
    if not re.fullmatch("[0-9]{1,9}", word):
        raise BadQuestion(f"{key} must be a whole number of at most nine digits, got {word!r:.40}")
    return int(word)


def _at(request: Request) -> tuple[int, ...]:
    word = _word(request, "at")
    if not re.fullmatch("[0-9]{1,9}(,[0-9]{1,9}){0,7}", word):
        raise BadQuestion(f"at must be whole numbers with commas between them, got {word!r:.40}")
    return tuple(map(int, word.split(",")))
