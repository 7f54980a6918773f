"""The base class of this package's errors, and the error for a required package that is not installed."""

from __future__ import annotations

import importlib
import shlex
from typing import Any


class MtcnnError(Exception):
    """The base class of the exceptions that this package defines.

    Each public subclass also inherits from a built-in exception, for example ValueError. An invalid argument
    raises a plain ValueError or TypeError, which is not an MtcnnError.
    """


class MissingExtra(MtcnnError, ImportError):
    """A required package is not installed.

    The message states the name of the package and how to install it.
    """


def import_extra(module: str, install: str, purpose: str) -> Any:
    """Import a module of an optional package.

    If the import fails, MissingExtra is raised. Its message states that `purpose` needs the package, and
    gives the command `pip install` with the argument `install`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_extra(module, install, purpose, f" (or cannot be imported: {error})") from error


def missing_extra(module: str, install: str, purpose: str, reason: str = "") -> MissingExtra:
    """Return the error that `import_extra` raises."""
    package = module.partition(".")[0]
    return MissingExtra(
        f"{purpose} needs the package {package!r}, which is not installed{reason}; "
        f"pip install {shlex.quote(install)}",
        name=module,
    )
