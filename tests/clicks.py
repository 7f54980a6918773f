"""Clicking on the explorer's page: where things lie on its canvases, and when they are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import unquote

Visit: TypeAlias = Callable[..., Any]


def place(page: Any) -> str:
    return unquote(page.evaluate("location.hash"))


def until(page: Any, condition: str, given: Any = None) -> None:
    """Wait until JavaScript says so. (Playwright's own way needs a weaker content policy.)"""
    for _ in range(100):
        if page.evaluate(condition, given):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not within 10 s: {condition}")


def pixels(page: Any, selector: str) -> str:
    """All pixels of a canvas, after what was asked to be drawn is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    found: str = page.eval_on_selector(selector, "canvas => canvas.toDataURL()")
    return found


def in_picture(page: Any, x: float, y: float, size: tuple[int, int]) -> dict[str, float]:
    """Where on the canvas a point of the picture lies, which is fitted into it."""
    box = page.locator("#picture").bounding_box()
    scale = min(box["width"] / size[1], box["height"] / size[0])
    return {
        "x": float((box["width"] - size[1] * scale) / 2 + x * scale),
        "y": float((box["height"] - size[0] * scale) / 2 + y * scale),
    }


def in_map(page: Any, row: int, column: int, rows: int, columns: int, what: str = "a") -> dict[str, float]:
    """Where on a map's canvas a cell lies, the whole map being in view."""
    box = page.locator(f"canvas.map[data-what={what}]").bounding_box()
    scale = min(box["width"] / columns, box["height"] / rows, 64)
    return {
        "x": (box["width"] - columns * scale) / 2 + (column + 0.5) * scale,
        "y": (box["height"] - rows * scale) / 2 + (row + 0.5) * scale,
    }


def click_map(page: Any, row: int, column: int, rows: int, columns: int, what: str = "a") -> None:
    page.locator(f"canvas.map[data-what={what}]").click(
        position=in_map(page, row, column, rows, columns, what)
    )


# The colour of the canvas at a point, as R, G, B, A.
PIXEL = """(canvas, {x, y}) => {
    const [left, top] = [x, y].map((place) => place * devicePixelRatio - 3);
    return [...canvas.getContext("2d").getImageData(left, top, 1, 1).data];
}"""
