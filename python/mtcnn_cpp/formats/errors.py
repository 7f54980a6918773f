"""What can be wrong with a port, and what is missing to look at it."""

from __future__ import annotations

import importlib
from typing import Any


class PortError(ValueError):
    """A file or a graph that cannot be read as one of the three networks; the message names the cause."""


class Unsupported(Exception):
    """Why a node of an ONNX graph cannot be read; the reader makes a PortError of it that names the node."""


class MissingExtra(ImportError):
    """A package is needed that is not installed; the message says which one and how to get it."""


def need(module: str, install: str, purpose: str) -> Any:
    """Import `module`, or raise MissingExtra saying that `purpose` needs it and what to `pip install`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs the package {module.partition('.')[0]!r}, which is not installed "
            f"(or does not import: {error}); pip install {install}",
            name=module,
        ) from error
