"""Opening an ONNX file, with a clear error where it is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...model import read_file
from ..errors import PortError, need

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
        raise PortError(f"{path}: expected an ONNX file, found bytes that are not one ({error})") from error
    if not model.graph.node:
        raise PortError(f"{path}: expected an ONNX graph, found one without a single operator")
    try:
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # ValidationError, FileNotFoundError, ValueError, by onnx's version
        raise PortError(
            f"{path}: its weights are kept in a file of their own, which cannot be read ({error}); "
            "put it beside the ONNX file"
        ) from error
    return model  # type: ignore[no-any-return]
