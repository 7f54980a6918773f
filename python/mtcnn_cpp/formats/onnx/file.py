"""Opening an ONNX file, with a clear error where it is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ...user_files import read_file
from ..errors import PortError, need, words
from ..limits import Budget

if TYPE_CHECKING:
    import onnx


def read_model(path: str | Path) -> onnx.ModelProto:
    """The graph with all its weights. Raises FileNotFoundError, PortError (not ONNX; external data
    missing), MissingExtra."""
    path = Path(path)
    data = read_file(path)
    onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, whose class depends on protobuf's version
        told = words(error)
        raise PortError(f"{path}: expected an ONNX file, found bytes that are not one ({told})") from error
    if not model.graph.node:
        raise PortError(f"{path}: expected an ONNX graph, found one without a single operator")
    external = list(outside_tensors(model))
    try:
        take_in(external, path.parent)
    except (OSError, ValueError) as error:
        raise PortError(
            f"{path}: its weights are kept in a file of their own, which cannot be read ({error}); "
            "put it beside the ONNX file"
        ) from error
    return model  # type: ignore[no-any-return]


def outside_tensors(model: onnx.ModelProto) -> Iterator[Any]:
    """Each tensor of a graph whose values are in another file, those of graphs within it too."""
    onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
    for tensor in tensors_in(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            yield tensor


def tensors_in(message: Any) -> Iterator[Any]:
    """Each TensorProto anywhere in a message of ONNX."""
    waiting = [message]
    while waiting:
        message = waiting.pop()
        if message.DESCRIPTOR.full_name == "onnx.TensorProto":
            yield message
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else list(value)


def take_in(tensors: Iterable[Any], folder: Path) -> None:
    """Put the bytes that tensors have in other files into the tensors. These are regular files below the
    folder, reached without links. Raises OSError, PortError, ValueError."""
    budget = Budget()
    files: dict[str, bytes] = {}
    for tensor in tensors:
        about = {entry.key: entry.value for entry in tensor.external_data}
        location = about.get("location", "")
        if location not in files:
            files[location] = read_file(beside(folder, location))
        data = files[location]
        offset = whole(about.get("offset", "0"))
        length = whole(about["length"]) if "length" in about else max(len(data) - offset, 0)
        if offset + length > len(data):
            raise PortError(f"{location}: expected {offset + length} bytes, found {len(data)}")
        budget.spend(length, f"{tensor.name} of {length}")
        tensor.raw_data = data[offset : offset + length]
        tensor.data_location = 0
        del tensor.external_data[:]


def beside(folder: Path, location: str) -> Path:
    """The file of that name below the folder. PortError where the name leads out of it, or over a link."""
    name = PurePosixPath(location.replace("\\", "/"))
    parts = name.parts
    if not parts or name.is_absolute() or ".." in parts or "\0" in location or ":" in parts[0]:
        raise PortError(f"expected a file beside the model, found {location!r}")
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise PortError(f"expected a file beside the model, found the link {location!r}")
    return path


def whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise PortError(f"expected a number of bytes, found {text[:40]!r}")
    return int(text)
