"""Messages between this process and the one that runs graphs: a header in JSON, then the arrays' values.

Both sides check sizes before they take memory. Nothing is unpickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..errors import PortError
from ..numbers import byte_count, number_type

LENGTH = struct.Struct("<Q")
LONGEST_HEADER = 16 << 20  # bytes; names of tensors come from a file

Array = npt.NDArray[Any]


def write_message(stream: IO[bytes], fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write one message. PortError for an array whose values are not numbers."""
    held = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in held.items():
        if array.dtype.kind not in "fiub":
            raise PortError(f"tensor {name!r}: expected an array of numbers, found {array.dtype}")
    listed = [[name, array.dtype.str, array.shape] for name, array in held.items()]
    header = json.dumps({**fields, "arrays": listed}).encode()
    stream.write(LENGTH.pack(len(header)) + header)
    for array in held.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def read_message(stream: IO[bytes], limit: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read one message. EOFError at the end of the stream, PortError for anything but a message whose arrays
    have at most `limit` bytes together."""
    (length,) = LENGTH.unpack(bytes(read_exactly(stream, LENGTH.size)))
    if length > LONGEST_HEADER:
        raise PortError(f"expected a header of at most {LONGEST_HEADER} bytes, found {length}")
    try:
        fields = json.loads(bytes(read_exactly(stream, length)))
        listed = [(str(name), number_type(word), tuple(shape)) for name, word, shape in fields.pop("arrays")]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PortError("expected a header in JSON") from error
    sizes = [byte_count(shape, dtype) for _, dtype, shape in listed]
    if sum(sizes) > limit:
        raise PortError(f"expected at most {limit} bytes of values, found {sum(sizes)}")
    arrays = {
        name: read_exactly(stream, size).view(dtype).reshape(shape)
        for (name, dtype, shape), size in zip(listed, sizes, strict=True)
    }
    return fields, arrays


def read_exactly(stream: IO[bytes], size: int) -> npt.NDArray[np.uint8]:
    """The next `size` bytes; EOFError where there are fewer."""
    values = np.empty(size, np.uint8)
    done = 0
    while done < size:
        count = stream.readinto(values[done:].data)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return values
