"""Canvas positions on the explorer's page, and functions that wait for drawing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import unquote

Visit: TypeAlias = Callable[..., Any]


def address_state(page: Any) -> str:
    return unquote(page.evaluate("location.hash"))


def until(page: Any, condition: str, given: Any = None) -> None:
    """Wait until a JavaScript condition holds. (Playwright's own function needs a weaker content policy.)"""
    for _ in range(100):
        if page.evaluate(condition, given):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not within 10 s: {condition}")


def pixels(page: Any, selector: str) -> str:
    """Return all pixels of a canvas after pending drawing is done."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    found: str = page.eval_on_selector(selector, "canvas => canvas.toDataURL()")
    return found


def image_position(page: Any, x: float, y: float, size: tuple[int, int]) -> dict[str, float]:
    """Return the canvas position of a point of the image, which is shown completely."""
    box = page.locator("#image").bounding_box()
    scale = min(box["width"] / size[1], box["height"] / size[0])
    return {
        "x": float((box["width"] - size[1] * scale) / 2 + x * scale),
        "y": float((box["height"] - size[0] * scale) / 2 + y * scale),
    }


def map_position(
    page: Any, row: int, column: int, rows: int, columns: int, view: str = "a"
) -> dict[str, float]:
    """Return the canvas position of a cell of a map, which is shown completely."""
    box = page.locator(f"canvas.map[data-view={view}]").bounding_box()
    scale = min(box["width"] / columns, box["height"] / rows, 64)
    return {
        "x": (box["width"] - columns * scale) / 2 + (column + 0.5) * scale,
        "y": (box["height"] - rows * scale) / 2 + (row + 0.5) * scale,
    }


def click_map(page: Any, row: int, column: int, rows: int, columns: int, view: str = "a") -> None:
    page.locator(f"canvas.map[data-view={view}]").click(
        position=map_position(page, row, column, rows, columns, view)
    )


# JavaScript that returns the colour of a canvas at a point as R, G, B, A.
PIXEL = """(canvas, {x, y}) => {
    const [left, top] = [x, y].map((value) => value * devicePixelRatio - 3);
    return [...canvas.getContext("2d").getImageData(left, top, 1, 1).data];
}"""
