"""The picture of commands that take one, and index and tolerance as words on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

OneImage: TypeAlias = Annotated[Path | None, typer.Argument(help="An image file.", show_default=False)]
Sample: TypeAlias = Annotated[bool, typer.Option("--sample", help="Use the picture that comes along.")]
Only: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Only tensors whose names fit this pattern, e.g. 'pnet/level02/*' (repeatable)."),
]


def read_picture(image: Path | None, sample: bool) -> tuple[str, Any]:
    """Name and content of the one picture that was asked for."""
    from ..image import read_image, sample_image

    if (image is None) != sample:
        raise typer.BadParameter("give one picture: an image file, or --sample")
    return ("astronaut", sample_image()) if image is None else (image.stem, read_image(image))


def parse_index(words: str) -> tuple[int, ...]:
    """``0,3,4`` -> (0, 3, 4)."""
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError:
        raise ValueError(f"--at must be whole numbers with commas between them, got {words!r}") from None


def parse_tolerances(given: list[str]) -> Any:
    """Numbers, ``4ulp``, ``1e-5share``, each with or without ``PATTERN=``; or one TOML file -> what `Judge`
    takes."""
    if len(given) == 1 and given[0].endswith(".toml"):
        return Path(given[0])
    rules: dict[str, Any] = {}
    for words in given:
        pattern, equals, value = words.rpartition("=")
        kind = next((kind for kind in ("ulp", "share") if value.endswith(kind)), "")
        try:
            number = float(value.removesuffix(kind))
        except ValueError:
            raise ValueError(
                "--tolerance must be 1e-5, 4ulp, 1e-5share, the same after PATTERN=, or a .toml file, "
                f"got {words!r}"
            ) from None
        rules[pattern if equals else "*"] = {kind: number} if kind else number
    return rules
