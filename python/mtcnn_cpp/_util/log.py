"""The logger `mtcnn_cpp` of the package. It is silent unless the program adds a handler."""

from __future__ import annotations

import sys


def log_debug(message: str, *arguments: object) -> None:
    """Log a message with the level DEBUG."""
    _log("DEBUG", message, *arguments)


def log_info(message: str, *arguments: object) -> None:
    """Log a message with the level INFO. `arguments` are inserted as in `logging.info`."""
    _log("INFO", message, *arguments)


def log_warning(message: str, *arguments: object) -> None:
    """Log a message with the level WARNING."""
    _log("WARNING", message, *arguments)


def _log(level: str, message: str, *arguments: object) -> None:
    if "logging" not in sys.modules:  # then no handler exists; the import would take 2 to 3 ms
        return
    import logging

    logger = logging.getLogger("mtcnn_cpp")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # otherwise Python prints warnings to standard error
    logger.log(getattr(logging, level), message, *arguments, stacklevel=3)
