"""Imports the compiled core."""

from __future__ import annotations

from typing import Any


def import_core() -> Any:
    """Return the module `_core`. If the module cannot be imported, raise ImportError with instructions."""
    try:
        from .. import _core

        if _core.__file__ is None:  # only the folder of the stubs: the source tree was not built
            raise ImportError("this source tree was not built")
    except ImportError as error:
        raise ImportError(
            f"the compiled core of mtcnn_cpp cannot be imported: {error}. "
            "Reinstall the package (pip install .), or use backend='reference'"
        ) from error
    return _core
