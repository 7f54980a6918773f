"""The machine that a pickle is a program for: only the instructions that arrays, lists and tables need.

A pickle is a sequence of instructions for a machine with a stack and a memo. This one knows those that
protocols 2 to 5 use for arrays and plain containers. It imports nothing, calls nothing and sets no attribute:
what a file names is a `Name`, and what it builds is a stand-in of `standins`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from .errors import PortError
from .limits import Budget
from .standins import Array, Joblib, Name, Type, find_name, values

INSTRUCTIONS = 100_000  # in one file; also the limit of what it remembers. Honest files have some thousands
NESTED = 64  # containers in containers


class Machine:
    """Runs one pickle. Every method that is named in OPERATIONS is one instruction."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        self.data, self.budget, self.at = memoryview(data), budget, 0
        self.stack: list[object] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        for _ in range(INSTRUCTIONS):
            code = bytes(self.take(1))
            if code == b".":
                return self.pop()
            if code not in OPERATIONS:
                raise PortError(f"byte {self.at - 1}: instruction {code!r}, which arrays do not need")
            OPERATIONS[code](self)
        raise PortError(f"more than {INSTRUCTIONS} instructions")

    def take(self, count: int) -> memoryview:
        if count > len(self.data) - self.at:
            raise PortError(f"byte {self.at}: expected {count} more bytes, found {len(self.data) - self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        end = bytes(self.data[self.at : self.at + 200]).find(b"\n")
        if end < 0:
            raise PortError(f"byte {self.at}: expected a name, found none")
        return str(self.take(end + 1)[:-1], "utf-8")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise PortError(f"byte {self.at}: expected a value, found none")
        return self.stack.pop()

    def mark(self) -> None:
        if len(self.marks) == NESTED:
            raise PortError(f"byte {self.at}: more than {NESTED} containers in one another")
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[object]:
        if not self.marks:
            raise PortError(f"byte {self.at}: expected a mark, found none")
        height = self.marks.pop()
        result = self.stack[height:]
        del self.stack[height:]
        return result

    def remember(self, index: int) -> None:
        value = self.pop()
        self.push(value)
        self.memo[index] = value

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise PortError(f"byte {self.at}: expected something remembered, found nothing")
        self.push(self.memo[index])

    def text(self, form: str, encoding: str) -> None:
        size = self.number(form)
        data = self.take(size)
        self.budget.spend(4 * size, f"a text of {size}")
        self.push(str(data, encoding))

    def raw(self, form: str) -> None:
        self.push(self.take(self.number(form)))

    def long(self) -> None:
        size = self.number("<B")
        if size > 8:
            raise PortError(f"byte {self.at}: a number of {size} bytes")
        self.push(int.from_bytes(self.take(size), "little", signed=True))

    def protocol(self) -> None:
        if not 2 <= self.number("<B") <= 5:
            raise PortError("expected a pickle of protocol 2 to 5")

    def pack(self, items: list[object]) -> None:
        """Tuples are arguments and states: they hold each other no deeper than an array needs."""
        inner = [item for one in items if isinstance(one, tuple) for item in one]
        if any(isinstance(item, (tuple, list, dict)) for item in inner):
            raise PortError(f"byte {self.at}: tuples in tuples in tuples")
        self.push(tuple(items))

    def last(self, count: int) -> list[object]:
        return [self.pop() for _ in range(count)][::-1]

    def extend(self, items: list[object]) -> None:
        target = self.pop()
        if type(target) is not list:
            raise PortError(f"byte {self.at}: expected a list to append to")
        target += items
        self.push(target)

    def update(self, items: list[object]) -> None:
        target = self.pop()
        if type(target) is not dict or len(items) % 2:
            raise PortError(f"byte {self.at}: expected a table and pairs for it")
        self.push(entered(target, zip(items[::2], items[1::2], strict=True)))

    def found_name(self) -> None:
        module, name = self.last(2)
        if type(module) is not str or type(name) is not str:
            raise PortError(f"byte {self.at}: expected a module and a name")
        self.push(find_name(module, name))

    def new(self) -> None:
        called, arguments = self.last(2)
        if called is not Name.JOBLIB or arguments != ():
            raise PortError(f"byte {self.at}: it wants to make an object")
        self.push(Joblib())

    def call(self) -> None:
        called, arguments = self.last(2)
        if not isinstance(called, Name) or type(arguments) is not tuple:
            raise PortError(f"byte {self.at}: it wants to call what is no function")
        self.push(self.answer(called, arguments))

    def answer(self, called: Name, arguments: tuple[object, ...]) -> object:
        """What stands for the result of a call."""
        match called, arguments:
            case Name.DTYPE, _:
                return Type(arguments)
            case Name.RECONSTRUCT, (Name.ARRAY, (0,), _):
                return Array()
            case Name.BUFFER, (data, dtype, shape, "C" | "F" as order):
                result = Array()
                result.fill(values(data, dtype, shape, order == "F"))
                return result
            case Name.SCALAR, (dtype, data):
                result = Array()
                result.fill(values(data, dtype, (), False))
                return result
            case Name.ENCODE, (str(text), "latin1"):
                self.budget.spend(len(text), f"a text of {len(text)}")
                return text.encode("latin1")
            case Name.ORDERED, ():
                return {}
            case Name.ORDERED, (list(pairs),) if all(isinstance(one, list) for one in pairs):
                return entered({}, pairs)
        raise PortError(f"byte {self.at}: {called.value} with arguments that arrays do not need")

    def build(self) -> None:
        state = self.pop()
        target = self.pop()
        if isinstance(target, Joblib):
            count, padding = target.describe(state)
            for _ in range(padding):
                self.take(self.number("<B"))
            target.take(self.take(count))
        elif isinstance(target, (Array, Type)):
            target.build(state)
        else:
            raise PortError(f"byte {self.at}: it wants to change what is no array")
        self.push(target)


def entered(table: dict[str, object], pairs: object) -> dict[str, object]:
    """The table with these pairs; its keys are texts."""
    for key, value in pairs:  # type: ignore[attr-defined]
        if type(key) is not str:
            raise PortError(f"expected a text as a key, found {type(key).__name__}")
        table[key] = value
    return table


OPERATIONS: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": lambda m: m.protocol(),
    b"\x95": lambda m: void(m.take(8)),  # a frame's size, which only helps to read ahead
    b"(": lambda m: m.mark(),
    b"0": lambda m: void(m.pop()),
    b"1": lambda m: void(m.since_mark()),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"J": lambda m: m.push(m.number("<i")),
    b"K": lambda m: m.push(m.number("<B")),
    b"M": lambda m: m.push(m.number("<H")),
    b"\x8a": lambda m: m.long(),
    b"G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    b"U": lambda m: m.text("<B", "latin1"),  # Python 2's texts
    b"T": lambda m: m.text("<I", "latin1"),
    b"\x8c": lambda m: m.text("<B", "utf-8"),
    b"X": lambda m: m.text("<I", "utf-8"),
    b"\x8d": lambda m: m.text("<Q", "utf-8"),
    b"C": lambda m: m.raw("<B"),
    b"B": lambda m: m.raw("<I"),
    b"\x8e": lambda m: m.raw("<Q"),
    b"\x96": lambda m: m.raw("<Q"),
    b")": lambda m: m.push(()),
    b"\x85": lambda m: m.pack(m.last(1)),
    b"\x86": lambda m: m.pack(m.last(2)),
    b"\x87": lambda m: m.pack(m.last(3)),
    b"t": lambda m: m.pack(m.since_mark()),
    b"]": lambda m: m.push([]),
    b"a": lambda m: m.extend(m.last(1)),
    b"e": lambda m: m.extend(m.since_mark()),
    b"}": lambda m: m.push({}),
    b"s": lambda m: m.update(m.last(2)),
    b"u": lambda m: m.update(m.since_mark()),
    b"q": lambda m: m.remember(m.number("<B")),
    b"r": lambda m: m.remember(m.number("<I")),
    b"\x94": lambda m: m.remember(len(m.memo)),
    b"h": lambda m: m.recall(m.number("<B")),
    b"j": lambda m: m.recall(m.number("<I")),
    b"c": lambda m: m.push(find_name(m.line(), m.line())),
    b"\x93": lambda m: m.found_name(),
    b"\x81": lambda m: m.new(),
    b"R": lambda m: m.call(),
    b"b": lambda m: m.build(),
}


def void(_: object) -> None:
    """For instructions that only drop what they read."""
