"""What made a trace: versions, backend, compiler, system."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib import metadata

import numpy as np

from ...image import opencv_version


def environment(backend: str, more: Mapping[str, str]) -> dict[str, str]:
    """Words for the manifest. `backend` is ``reference`` or the name of the core's variant that ran; `more`
    is what the backend itself has to say."""
    try:
        version = metadata.version("mtcnn-cpp")
    except metadata.PackageNotFoundError:  # imported from its sources
        version = "not installed"
    return {
        "package": f"mtcnn-cpp {version}",
        "backend": backend,
        "compiler": "none (NumPy)" if backend == "reference" else _compiler(),
        "numpy": np.__version__,
        "opencv": opencv_version() if "cv2" in sys.modules else "not used",
        "python": platform.python_version(),
        "os": f"{platform.system()} {platform.release().partition('-')[0]}",
        "machine": platform.machine(),
        **more,
    }


def _compiler() -> str:
    from ...backends.core import import_core

    build = import_core().build_info()
    return f"{build['compiler']} {build['flags']}"
