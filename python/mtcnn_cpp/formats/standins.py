"""What a pickle may speak of, as classes of our own: nothing that a file names is imported or called."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import PortError
from .numbers import byte_count, from_bytes, number_type


class Name(enum.Enum):
    """The functions and classes that pickles of arrays name."""

    ARRAY = "numpy.ndarray"
    DTYPE = "numpy.dtype"
    RECONSTRUCT = "numpy.core.multiarray._reconstruct"
    SCALAR = "numpy.core.multiarray.scalar"
    BUFFER = "numpy.core.numeric._frombuffer"
    ENCODE = "_codecs.encode"
    ORDERED = "collections.OrderedDict"
    JOBLIB = "joblib.numpy_pickle.NumpyArrayWrapper"


def find_name(module: object, name: object) -> Name:
    """The Name of that module. PortError for any other, before anything is done with it."""
    whole = f"{module}.{name}"
    older = whole.replace("numpy._core.", "numpy.core.", 1)  # as NumPy before 2.0 called it
    try:
        return Name(older)
    except ValueError:
        raise PortError(f"it wants to use {whole}") from None


class Type:
    """Stands for a dtype: a word such as "f4", then, once, its byte order."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        if len(arguments) != 3 or arguments[1:] != (False, True) or type(arguments[0]) is not str:
            raise PortError("expected a number's type, found another dtype")
        self.word: str = arguments[0]
        self.order = ""

    @property
    def objects(self) -> bool:
        return self.word in ("O", "O4", "O8")

    def build(self, state: object) -> None:
        """The state of a plain dtype: version, byte order, and nothing else of note."""
        flags = 63 if self.objects else 0  # NumPy's, of objects
        plain = type(state) is tuple and len(state) == 8 and state[0] in (3, 4)
        if self.order or not plain or state[2:] != (None, None, None, -1, -1, flags):  # type: ignore[index]
            raise PortError("expected a plain number's type, found a dtype with more to it")
        order = state[1]  # type: ignore[index]
        if order not in ("<", ">", "=", "|") or type(order) is not str:
            raise PortError(f"expected a byte order, found {order!r}")
        self.order = order

    @property
    def numpy(self) -> np.dtype[Any]:
        if not self.order:
            raise PortError("expected a type with a byte order, found none")
        return number_type(self.order + self.word)


class Array:
    """Stands for an array, until it is filled: once. `held`: its values; or the one object of an array of
    objects without axes, as facenet's tables are packed."""

    def __init__(self) -> None:
        self.filled = False
        self.held: object = None

    def fill(self, held: object) -> None:
        if self.filled:
            raise PortError("expected an array to be filled once")
        self.filled, self.held = True, held

    def build(self, state: object) -> None:
        """As NumPy writes it: version, shape, type, whether it lies in Fortran's order, values."""
        if type(state) is not tuple or len(state) != 5 or state[0] != 1:
            raise PortError("expected an array's version, shape, type, order and values")
        _, shape, dtype, fortran, data = state
        if isinstance(dtype, Type) and dtype.objects:
            if shape != () or type(data) is not list or len(data) != 1:
                raise PortError("expected an array of numbers, found one of objects")
            self.fill(data[0])
        else:
            self.fill(values(data, dtype, shape, fortran))


class Joblib(Array):
    """Stands for joblib's description of an array, whose bytes follow in the file."""

    def describe(self, state: object) -> tuple[int, int]:
        """Take the description: how many bytes the array has, and how many say the padding before them."""
        if type(state) is not dict or state.get("subclass") is not Name.ARRAY or self.filled:
            raise PortError("expected joblib's description of an array")
        dtype = state.get("dtype")
        if not isinstance(dtype, Type) or state.get("order") not in ("C", "F"):
            raise PortError("expected joblib's description of an array: type and order")
        self.type, self.shape, self.fortran = dtype.numpy, state.get("shape"), state["order"] == "F"
        padding = state.get("numpy_array_alignment_bytes")
        return byte_count(self.shape, self.type), 0 if padding is None else 1

    def take(self, data: memoryview) -> None:
        self.fill(from_bytes(data, self.type, self.shape, fortran=self.fortran))


def values(data: object, dtype: object, shape: object, fortran: object) -> npt.NDArray[Any]:
    """Numbers from their bytes; those that Python 2 wrote come as a text, a character for each byte."""
    raw = data.encode("latin1") if type(data) is str else data
    if not isinstance(raw, (bytes, memoryview)) or not isinstance(dtype, Type):
        raise PortError("expected an array's bytes and type, found something else")
    return from_bytes(raw, dtype.numpy, shape, fortran=fortran in (True, 1))
