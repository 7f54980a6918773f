"""Read pickles of arrays in lists and dictionaries, without running code from the file.

A pickle is a program for a machine with a stack and a memo. The machine of this module has only the
instructions with which protocols 2 to 5 store arrays and plain containers. It imports nothing, calls nothing
and sets no attribute. Instead, it converts a name in the file to a `Name`, and an object to a placeholder.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .arrays import Budget, array_from_bytes, count_bytes, parse_dtype
from .errors import PortError, error_message


class Name(enum.Enum):
    """The functions and classes that pickles of arrays use."""

    ARRAY = "numpy.ndarray"
    DTYPE = "numpy.dtype"
    RECONSTRUCT = "numpy.core.multiarray._reconstruct"
    SCALAR = "numpy.core.multiarray.scalar"
    BUFFER = "numpy.core.numeric._frombuffer"
    ENCODE = "_codecs.encode"
    ORDERED = "collections.OrderedDict"
    JOBLIB = "joblib.numpy_pickle.NumpyArrayWrapper"


def find_name(module: object, name: object) -> Name:
    """Return the Name of a function or class. Raises PortError if pickles of arrays do not use this name."""
    full_name = f"{module}.{name}"
    old_name = full_name.replace("numpy._core.", "numpy.core.", 1)  # the name in NumPy before 2.0
    try:
        return Name(old_name)
    except ValueError:
        raise PortError(f"the pickle uses {full_name}; a pickle of arrays never does this") from None


class PlaceholderDtype:
    """Placeholder of a dtype. It contains a type code such as "f4".

    A later instruction in the file sets the byte order. A second instruction of this kind raises PortError.
    """

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        if len(arguments) != 3 or arguments[1:] != (False, True) or type(arguments[0]) is not str:
            raise PortError("expected a numeric dtype, found another dtype")
        self.code: str = arguments[0]
        self.order = ""

    @property
    def objects(self) -> bool:
        return self.code in ("O", "O4", "O8")

    def build(self, state: object) -> None:
        """Set the byte order from the state of a plain dtype. Raises PortError if the dtype is not plain."""
        flags = 63 if self.objects else 0  # NumPy's flags of an object dtype
        plain = type(state) is tuple and len(state) == 8 and state[0] in (3, 4)
        if self.order or not plain or state[2:] != (None, None, None, -1, -1, flags):  # type: ignore[index]
            raise PortError("expected a plain numeric dtype, found a dtype with fields or metadata")
        order = state[1]  # type: ignore[index]
        if order not in ("<", ">", "=", "|") or type(order) is not str:
            raise PortError(f"expected the byte order <, >, = or |, found {order!r}")
        self.order = order

    @property
    def numpy(self) -> np.dtype[Any]:
        if not self.order:
            raise PortError("expected a dtype with a byte order, found a dtype without one")
        return parse_dtype(self.order + self.code)


class PlaceholderArray:
    """Placeholder of an array. It is filled only once.

    `content` contains the values of the array. An object array without axes contains only one object, for
    example a table of facenet. In this case `content` is this object.
    """

    def __init__(self) -> None:
        self.filled = False
        self.content: object = None

    def fill(self, content: object) -> None:
        if self.filled:
            raise PortError("expected the values of each array once, found them twice for one array")
        self.filled, self.content = True, content

    def build(self, state: object) -> None:
        """Fill the array from NumPy's state of an array (version, shape, type, Fortran order, values)."""
        if type(state) is not tuple or len(state) != 5 or state[0] != 1:
            raise PortError(
                "expected an array's version, shape, dtype, order and values, found something else"
            )
        _, shape, dtype, fortran, data = state
        if isinstance(dtype, PlaceholderDtype) and dtype.objects:
            if shape != () or type(data) is not list or len(data) != 1:
                raise PortError("expected an array of numbers, found an array of objects")
            self.fill(data[0])
        else:
            self.fill(decode_values(data, dtype, shape, fortran))


class PlaceholderJoblibArray(PlaceholderArray):
    """Placeholder of joblib's description of an array. The bytes of the array follow in the file."""

    def describe(self, state: object) -> tuple[int, int]:
        """Store the description.

        Return the number of bytes of the array, and the number of bytes (0 or 1) that contain the size of the
        padding before the array.
        """
        if type(state) is not dict or state.get("subclass") is not Name.ARRAY or self.filled:
            raise PortError("expected joblib's description of an array, found something else")
        dtype = state.get("dtype")
        if not isinstance(dtype, PlaceholderDtype) or state.get("order") not in ("C", "F"):
            raise PortError("expected a dtype and an order (C or F) in joblib's description of an array")
        self.type, self.shape, self.fortran = dtype.numpy, state.get("shape"), state["order"] == "F"
        padding = state.get("numpy_array_alignment_bytes")
        return count_bytes(self.shape, self.type), 0 if padding is None else 1

    def fill_from_bytes(self, data: memoryview) -> None:
        self.fill(array_from_bytes(data, self.type, self.shape, fortran=self.fortran))


def decode_values(data: object, dtype: object, shape: object, fortran: object) -> npt.NDArray[Any]:
    """Convert bytes to numbers. A file of Python 2 contains the bytes as text with one character per byte."""
    raw = data.encode("latin1") if type(data) is str else data
    if not isinstance(raw, (bytes, memoryview)) or not isinstance(dtype, PlaceholderDtype):
        raise PortError("expected an array's bytes and dtype, found something else")
    return array_from_bytes(raw, dtype.numpy, shape, fortran=fortran in (True, 1))


# Maximum number of instructions in a file. It also limits the memo. Valid files have a few thousand
# instructions.
MAX_INSTRUCTIONS = 100_000
MAX_NESTING = 64  # maximum depth of containers in containers


class Machine:
    """Runs one pickle. OPERATIONS maps each instruction to the method that runs it."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        self.data, self.budget, self.position = memoryview(data), budget, 0
        self.stack: list[object] = []
        self.marks: list[int] = []  # size of the stack at each mark
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        for _ in range(MAX_INSTRUCTIONS):
            code = bytes(self.take(1))
            if code == b".":
                return self.pop()
            if code not in OPERATIONS:
                raise PortError(
                    f"byte {self.position - 1}: the pickle contains the instruction {code!r}; a pickle of "
                    "arrays never does this"
                )
            OPERATIONS[code](self)
        raise PortError(f"more than {MAX_INSTRUCTIONS} instructions")

    def take(self, count: int) -> memoryview:
        if count > len(self.data) - self.position:
            raise PortError(
                f"byte {self.position}: expected {count} more bytes, found {len(self.data) - self.position}"
            )
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        end = bytes(self.data[self.position : self.position + 200]).find(b"\n")
        if end < 0:
            raise PortError(f"byte {self.position}: expected a name, found none")
        return str(self.take(end + 1)[:-1], "utf-8")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise PortError(f"byte {self.position}: expected a value on the stack, found none")
        return self.stack.pop()

    def mark(self) -> None:
        if len(self.marks) == MAX_NESTING:
            raise PortError(f"byte {self.position}: more than {MAX_NESTING} nested containers")
        self.marks.append(len(self.stack))

    def pop_mark(self) -> list[object]:
        if not self.marks:
            raise PortError(f"byte {self.position}: expected a mark on the stack, found none")
        height = self.marks.pop()
        result = self.stack[height:]
        del self.stack[height:]
        return result

    def store_memo(self, index: int) -> None:
        value = self.pop()
        self.push(value)
        self.memo[index] = value

    def load_memo(self, index: int) -> None:
        if index not in self.memo:
            raise PortError(f"byte {self.position}: expected a value in the memo, found none")
        self.push(self.memo[index])

    def text(self, form: str, encoding: str) -> None:
        size = self.number(form)
        data = self.take(size)
        self.budget.spend(4 * size, f"a text of {size} bytes")
        self.push(str(data, encoding))

    def raw(self, form: str) -> None:
        self.push(self.take(self.number(form)))

    def long(self) -> None:
        size = self.number("<B")
        if size > 8:
            raise PortError(f"byte {self.position}: expected a number of at most 8 bytes, found {size} bytes")
        self.push(int.from_bytes(self.take(size), "little", signed=True))

    def protocol(self) -> None:
        if not 2 <= self.number("<B") <= 5:
            raise PortError("expected a pickle of protocol 2 to 5")

    def push_tuple(self, items: list[object]) -> None:
        """Push a tuple, which contains arguments or a state.

        A tuple inside this tuple must not contain lists, dictionaries or tuples, because pickles of arrays do
        not need this.
        """
        inner = [item for one in items if isinstance(one, tuple) for item in one]
        if any(isinstance(item, (tuple, list, dict)) for item in inner):
            raise PortError(
                f"byte {self.position}: expected at most one level of containers in a tuple, found two levels"
            )
        self.push(tuple(items))

    def pop_items(self, count: int) -> list[object]:
        return [self.pop() for _ in range(count)][::-1]

    def extend(self, items: list[object]) -> None:
        target = self.pop()
        if type(target) is not list:
            raise PortError(f"byte {self.position}: expected a list to append to, found another object")
        target += items
        self.push(target)

    def update(self, items: list[object]) -> None:
        target = self.pop()
        if type(target) is not dict or len(items) % 2:
            raise PortError(
                f"byte {self.position}: expected a dictionary to update with keys and values, found another "
                "object, or a key without a value"
            )
        self.push(add_pairs(target, zip(items[::2], items[1::2], strict=True)))

    def push_name(self) -> None:
        module, name = self.pop_items(2)
        if type(module) is not str or type(name) is not str:
            raise PortError(
                f"byte {self.position}: expected the names of a module and an object, found other values"
            )
        self.push(find_name(module, name))

    def new(self) -> None:
        called, arguments = self.pop_items(2)
        if called is not Name.JOBLIB or arguments != ():
            raise PortError(
                f"byte {self.position}: the pickle creates an object; a pickle of arrays never does this"
            )
        self.push(PlaceholderJoblibArray())

    def call(self) -> None:
        called, arguments = self.pop_items(2)
        if not isinstance(called, Name) or type(arguments) is not tuple:
            raise PortError(f"byte {self.position}: the pickle calls an object that is not a function")
        self.push(self.call_result(called, arguments))

    def call_result(self, called: Name, arguments: tuple[object, ...]) -> object:
        """Return a placeholder for the result of a call."""
        match called, arguments:
            case Name.DTYPE, _:
                return PlaceholderDtype(arguments)
            case Name.RECONSTRUCT, (Name.ARRAY, (0,), _):
                return PlaceholderArray()
            case Name.BUFFER, (data, dtype, shape, "C" | "F" as order):
                result = PlaceholderArray()
                result.fill(decode_values(data, dtype, shape, order == "F"))
                return result
            case Name.SCALAR, (dtype, data):
                result = PlaceholderArray()
                result.fill(decode_values(data, dtype, (), False))
                return result
            case Name.ENCODE, (str(text), "latin1"):
                self.budget.spend(len(text), f"a text of {len(text)} characters")
                return text.encode("latin1")
            case Name.ORDERED, ():
                return {}
            case Name.ORDERED, (list(pairs),) if all(isinstance(one, list) for one in pairs):
                return add_pairs({}, pairs)
        raise PortError(
            f"byte {self.position}: the pickle calls {called.value} with arguments that a pickle of arrays "
            "never contains"
        )

    def build(self) -> None:
        state = self.pop()
        target = self.pop()
        if isinstance(target, PlaceholderJoblibArray):
            count, padding = target.describe(state)
            for _ in range(padding):
                self.take(self.number("<B"))
            target.fill_from_bytes(self.take(count))
        elif isinstance(target, (PlaceholderArray, PlaceholderDtype)):
            target.build(state)
        else:
            raise PortError(f"byte {self.position}: the pickle changes an object that is not an array")
        self.push(target)


def add_pairs(table: dict[str, object], pairs: object) -> dict[str, object]:
    """Add pairs of a key and a value to a table. Raises PortError if a key is not text."""
    for key, value in pairs:  # type: ignore[attr-defined]
        if type(key) is not str:
            raise PortError(f"expected a string as a key, found {type(key).__name__}")
        table[key] = value
    return table


OPERATIONS: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": lambda m: m.protocol(),
    b"\x95": lambda m: discard(m.take(8)),  # skips the size of a frame
    b"(": lambda m: m.mark(),
    b"0": lambda m: discard(m.pop()),
    b"1": lambda m: discard(m.pop_mark()),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"J": lambda m: m.push(m.number("<i")),
    b"K": lambda m: m.push(m.number("<B")),
    b"M": lambda m: m.push(m.number("<H")),
    b"\x8a": lambda m: m.long(),
    b"G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    b"U": lambda m: m.text("<B", "latin1"),  # text of Python 2
    b"T": lambda m: m.text("<I", "latin1"),
    b"\x8c": lambda m: m.text("<B", "utf-8"),
    b"X": lambda m: m.text("<I", "utf-8"),
    b"\x8d": lambda m: m.text("<Q", "utf-8"),
    b"C": lambda m: m.raw("<B"),
    b"B": lambda m: m.raw("<I"),
    b"\x8e": lambda m: m.raw("<Q"),
    b"\x96": lambda m: m.raw("<Q"),
    b")": lambda m: m.push(()),
    b"\x85": lambda m: m.push_tuple(m.pop_items(1)),
    b"\x86": lambda m: m.push_tuple(m.pop_items(2)),
    b"\x87": lambda m: m.push_tuple(m.pop_items(3)),
    b"t": lambda m: m.push_tuple(m.pop_mark()),
    b"]": lambda m: m.push([]),
    b"a": lambda m: m.extend(m.pop_items(1)),
    b"e": lambda m: m.extend(m.pop_mark()),
    b"}": lambda m: m.push({}),
    b"s": lambda m: m.update(m.pop_items(2)),
    b"u": lambda m: m.update(m.pop_mark()),
    b"q": lambda m: m.store_memo(m.number("<B")),
    b"r": lambda m: m.store_memo(m.number("<I")),
    b"\x94": lambda m: m.store_memo(len(m.memo)),
    b"h": lambda m: m.load_memo(m.number("<B")),
    b"j": lambda m: m.load_memo(m.number("<I")),
    b"c": lambda m: m.push(find_name(m.line(), m.line())),
    b"\x93": lambda m: m.push_name(),
    b"\x81": lambda m: m.new(),
    b"R": lambda m: m.call(),
    b"b": lambda m: m.build(),
}


def discard(_: object) -> None:
    """Discard the operand of an instruction."""


# Maximum depth. An array without axes can contain a table of layers, and this table contains tables of
# arrays.
MAX_DEPTH = 4
MAX_VALUES = 100_000  # maximum number of values in all containers together


def unpickle(data: bytes, source: str) -> Any:
    """Read a pickle that contains only arrays and plain values, possibly in lists and dictionaries.

    Raises PortError if the pickle is damaged, or contains anything else.
    """
    budget = Budget()
    try:
        return PlaceholderResolver(budget).resolve(Machine(data, budget).run(), 0)
    except Exception as error:  # a damaged pickle can raise any exception
        raise PortError(
            f"{source}: refused: not a plain pickle of arrays ({error_message(error)})"
        ) from error


class PlaceholderResolver:
    """Replaces placeholders by their arrays.

    A pickle can use one list several times, even inside the list itself. Therefore the depth and the number
    of values are limited. An array that is used several times counts several times.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget, self.count = budget, 0

    def resolve(self, found: object, depth: int) -> object:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_VALUES:
            raise PortError(
                f"expected at most {MAX_VALUES} values, in at most {MAX_DEPTH} nested lists or dictionaries, "
                "found more"
            )
        if isinstance(found, PlaceholderArray):
            return self.resolve(found.content, depth + 1)
        if isinstance(found, np.ndarray):
            self.budget.spend(4 * found.size, f"arrays of at least {4 * found.size} bytes")
            return found
        if type(found) is list:
            return [self.resolve(item, depth + 1) for item in found]
        if type(found) is dict:
            return {key: self.resolve(item, depth + 1) for key, item in found.items()}
        if found is None or isinstance(found, (str, int, float)):
            return found
        raise PortError(f"expected arrays in a list or a dictionary, found {type(found).__name__}")
