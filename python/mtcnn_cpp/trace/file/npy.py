"""A single array in a `.npy` file, read with distrust: plain numbers, as many as the header says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TraceError
from .npz import UNREADABLE, read_header


def read_npy(path: Path) -> NDArray[Any]:
    """The array, read-only. TraceError, which names the file, for anything else."""
    if not path.is_file():
        raise TraceError(f"{path} is no file, expected a NumPy array (.npy)")
    try:
        with open(path, "rb") as file:
            shape, dtype = read_header(file, str(path))
            asked = int(np.prod(shape, dtype=object)) * dtype.itemsize
            left = path.stat().st_size - file.tell()
            if asked != left:
                raise TraceError(f"{path} has {left} bytes of values, its header says {asked}; it is damaged")
            data = file.read()
    except TraceError:
        raise
    except (*UNREADABLE, ValueError) as error:
        raise TraceError(f"{path} is not a NumPy array ({error})") from error
    return np.frombuffer(data, dtype).reshape(shape)
