"""Malicious pickles are refused. Each is read in a separate process, which must not crash."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.pickles import unpickle
from separate_process import all_refused, read_in_process

FRAMED = b"\x80\x04"
MULTIARRAY = b"cnumpy.core.multiarray\n"
RECONSTRUCT = MULTIARRAY + b"_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
FLOATS = b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x89\x88\x87R"
FLOATS += b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
ENCODE = b"c_codecs\nencode\n"
LATIN1 = b"X\x06\x00\x00\x00latin1"
JOBLIB = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"


def text(words: str) -> bytes:
    return b"X" + struct.pack("<I", len(words)) + words.encode()


def forged_objects(address: int) -> bytes:
    """Return an array of one object whose type has a state that stores the object as bytes, a pointer."""
    forged = FLOATS.replace(b"f4", b"O8")
    return RECONSTRUCT + b"(K\x01K\x01\x85" + forged + b"\x89C\x08" + struct.pack("<Q", address) + b"tb"


def forged_fields() -> bytes:
    """Return a type whose state defines fields outside of it."""
    fields = b"X\x01\x00\x00\x00a\x85}X\x01\x00\x00\x00a" + FLOATS + b"J\x00\x00\x00\x40\x86s"
    state = b"(K\x03X\x01\x00\x00\x00|N" + fields + b"K\x04K\x01K\x00tb"
    return b"cnumpy\ndtype\nX\x02\x00\x00\x00V4\x89\x88\x87R" + state


def doubling(levels: int) -> bytes:
    """Return a text that is encoded repeatedly; each level doubles its size."""
    inner = ENCODE + text("a" * 1000) + LATIN1 + b"\x86R"
    for _ in range(levels):
        inner = ENCODE + inner + text("hex") + b"\x86R"
    return inner


HOSTILE: dict[str, bytes] = {
    "a pointer from the file": forged_objects(0x4141414141414141),
    "an address in a list": b"]" + forged_objects(64) + b"a",
    "a scalar of objects": MULTIARRAY + b"scalar\n" + FLOATS.replace(b"f4", b"O8") + b"C\x08AAAAAAAA\x86R",
    "fields of a type": forged_fields(),
    "a method of a joblib class": b"cjoblib.numpy_pickle\nNumpyArrayWrapper\nN}" + text("read") + b"Ns\x86b",
    "an attribute of a type": b"cnumpy\ndtype\n}" + text("name") + b"K\x01sb",
    "attributes by slots": JOBLIB + b"N}" + text("__class__") + b"cnumpy\nndarray\ns\x86b",
    "an array filled twice": RECONSTRUCT + 2 * (b"(K\x01K\x01\x85" + FLOATS + b"\x89C\x04abcdtb"),
    "too few bytes": RECONSTRUCT + b"(K\x01K\x02\x85" + FLOATS + b"\x89C\x04abcdtb",
    "a shape below zero": RECONSTRUCT + b"(K\x01J\xff\xff\xff\xff\x85" + FLOATS + b"\x89C\x04abcdtb",
    "a shape beyond 64 bits": RECONSTRUCT
    + b"(K\x01\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x86"
    + FLOATS
    + b"\x89C\x00tb",
    "encoded twice": ENCODE + ENCODE + text("ab") + LATIN1 + b"\x86R" + LATIN1 + b"\x86R",
    "encoded by another codec": ENCODE + text("ab") + text("utf-16") + b"\x86R",
    "encoded over and over": doubling(17),
    "a persistent id": b"X\x01\x00\x00\x00aQ",
    "an old persistent id": b"Pabc\n",
    "an extension code": b"\x82\x01",
    "a big extension code": b"\x84\x01\x00\x00\x00",
    "an object by its class": b"cbuiltins\nobject\n)\x81",
    "an instance": b"(ibuiltins\nlist\n",
    "an object of arguments": b"(cnumpy\nndarray\no",
    "a class of numpy called": b"cnumpy\nndarray\nK\x02\x85\x85R",
    "an out-of-band buffer": b"\x97",
    "a table in itself": b"}q\x00" + text("a") + b"h\x00s",
    "a list in itself": b"]q\x00h\x00a",
    "lists of lists": b"]q\x00"
    + b"".join(b"](" + 50 * bytes([104, i]) + b"eq" + bytes([i + 1]) for i in range(9)),
    "unlimited tuples": b"N" + b"\x85" * 90_000,
    "a table with a tuple of tuples as its key": b"}N" + b"\x85" * 90_000 + b"Ns",
    "unlimited marks": b"(" * 90_000,
    "unlimited instructions": b"N0" * 200_000,
    "much that is remembered": b"N" + b"".join(b"r" + struct.pack("<I", i) for i in range(200_000)),
    "a far memo": b"Nr\xff\xff\xff\xff",
    "a long number": b"\x8b\xff\xff\xff\x7f",
    "a long text": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
    "a joblib array of much": JOBLIB
    + b"}("
    + (text("subclass") + b"cnumpy\nndarray\n" + text("shape") + b"J\xff\xff\xff\x7f\x85")
    + (text("order") + text("C") + text("dtype") + FLOATS)
    + b"ub",
    "nothing on the stack": b"\x87",
    "below the mark": b"N(s",
    "control characters": b"c\x1b[31mred\n\x1b]0;title\x07\n",
}


def packed(data: bytes, kind: str) -> bytes:
    if kind == "joblib":
        return FRAMED + data + b"."
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    return file.getvalue() + FRAMED + data + b"."


@pytest.mark.parametrize("kind", ["joblib", "npy"])
def test_refused(tmp_path: Path, kind: str) -> None:
    paths = []
    for name, data in HOSTILE.items():
        paths.append(tmp_path / f"{name}.{kind}")
        paths[-1].write_bytes(packed(data, kind))
    for path, (_, message, peak) in zip(paths, all_refused(paths), strict=True):
        assert peak < 100e6, (path.name, peak)
        assert "refused: not a plain pickle of arrays (" in message or "expected a" in message, message


def test_list_with_repeated_arrays(tmp_path: Path) -> None:
    """A list contains one array a thousand times, and each use counts."""
    megabyte = RECONSTRUCT + b"(K\x01\x8a\x04\x00\x00\x20\x00\x85" + FLOATS + b"\x89B\x00\x00\x80\x00"
    data = FRAMED + b"](" + megabyte + bytes(1 << 23) + b"tbq\x00" + b"h\x00" * 999 + b"e."
    (tmp_path / "pnet.joblib").write_bytes(data)
    ((_, message, peak),) = all_refused([tmp_path / "pnet.joblib"])
    assert "expected at most 1073741824 bytes in a network's file" in message
    assert peak < 100e6


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_valid_arrays(protocol: int) -> None:
    joblib = pytest.importorskip("joblib", reason="needs joblib")
    floats = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    arrays = [floats, floats.T, floats.astype(">f4"), floats.astype("f8"), floats.astype("i2")]
    file = io.BytesIO()
    joblib.dump(arrays, file, protocol=protocol)
    for data in (pickle.dumps(arrays, protocol=protocol), file.getvalue()):
        found = unpickle(data, "list")
        for array, right in zip(found, arrays, strict=True):
            np.testing.assert_array_equal(array, right)


def test_a_table_of_python_2() -> None:
    """Its strings are bytes, and the values of its arrays are in one of them."""
    raw = np.arange(3, dtype=np.float32).tobytes()
    array = RECONSTRUCT.replace(b"C\x01b", b"U\x01b")
    floats = FLOATS.replace(b"X\x02\x00\x00\x00", b"U\x02").replace(b"X\x01\x00\x00\x00", b"U\x01")
    floats = floats.replace(b"\x89\x88\x87", b"K\x00K\x01\x87")
    data = b"\x80\x02}U\x05alpha" + array + b"(K\x01K\x03\x85" + floats + b"\x89U\x0c" + raw + b"tbs."
    found: Any = unpickle(data, "table")
    np.testing.assert_array_equal(found["alpha"], [0, 1, 2])
    assert pickle.loads(data, encoding="latin1")["alpha"].tolist() == [0, 1, 2]


def test_protocols_0_and_1_are_refused() -> None:
    for protocol in (0, 1):
        with pytest.raises(PortError, match="x: refused"):
            unpickle(pickle.dumps([np.zeros(3)], protocol=protocol), "x")


def test_a_crash_of_the_reading_process_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import separate_process

    monkeypatch.setattr(separate_process, "READ", "import os; os.abort()")
    with pytest.raises(AssertionError, match="ended with -6"):
        read_in_process([tmp_path / "x.npy"])
