"""ONNX files and graphs. Read a file, compute constants, and find the nodes that use a tensor."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..._util.errors import import_extra
from ..._util.user_files import read_file
from ..arrays import Budget
from ..errors import PortError, Unsupported, error_message
from .tensor import Extent

if TYPE_CHECKING:
    import onnx


def read_model(path: str | Path) -> onnx.ModelProto:
    """Read a graph with all its weights.

    Raises FileNotFoundError. Raises PortError if the file is not ONNX, or if a file with its external data is
    missing. Raises MissingExtra if onnx is not installed.
    """
    path = Path(path)
    data = read_file(path)
    onnx = import_extra("onnx", "mtcnn-cpp[onnx]", "reading ONNX")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # a DecodeError of protobuf; its class depends on the version of protobuf
        raise PortError(
            f"{path}: expected an ONNX file, found a file that is not valid ONNX ({error_message(error)})"
        ) from error
    if not model.graph.node:
        raise PortError(f"{path}: expected an ONNX graph, found a graph without operators")
    external = list(external_tensors(model))
    try:
        load_external_values(external, path.parent)
    except (OSError, ValueError) as error:
        raise PortError(
            f"{path}: its weights are in a separate file, which cannot be read ({error}); "
            "put that file into the folder of the ONNX file"
        ) from error
    return model  # type: ignore[no-any-return]


def external_tensors(model: onnx.ModelProto) -> Iterator[Any]:
    """Yield each tensor whose values are in a separate file. Tensors of nested graphs are included."""
    onnx = import_extra("onnx", "mtcnn-cpp[onnx]", "reading ONNX")
    for tensor in tensors_in(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            yield tensor


def tensors_in(message: Any) -> Iterator[Any]:
    """Yield each TensorProto in an ONNX message. Nested messages are included."""
    pending = [message]
    while pending:
        message = pending.pop()
        if message.DESCRIPTOR.full_name == "onnx.TensorProto":
            yield message
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                pending += [value] if hasattr(value, "ListFields") else list(value)


def load_external_values(tensors: Iterable[Any], folder: Path) -> None:
    """Copy the values of tensors from separate files into the tensors.

    The files must be regular files below the folder, and their paths must not contain links. Raises OSError,
    PortError and ValueError.
    """
    budget = Budget()
    files: dict[str, bytes] = {}
    for tensor in tensors:
        about = {entry.key: entry.value for entry in tensor.external_data}
        location = about.get("location", "")
        if location not in files:
            files[location] = read_file(external_path(folder, location))
        data = files[location]
        offset = parse_size(about.get("offset", "0"))
        length = parse_size(about["length"]) if "length" in about else max(len(data) - offset, 0)
        if offset + length > len(data):
            raise PortError(f"{location}: expected {offset + length} bytes, found {len(data)}")
        budget.spend(length, f"{tensor.name} of {length} bytes")
        tensor.raw_data = data[offset : offset + length]
        tensor.data_location = 0
        del tensor.external_data[:]


def external_path(folder: Path, location: str) -> Path:
    """Return the path of an external file.

    Raises PortError if the file is outside the folder, or if its path contains a symbolic link.
    """
    name = PurePosixPath(location.replace("\\", "/"))
    parts = name.parts
    if not parts or name.is_absolute() or ".." in parts or "\0" in location or ":" in parts[0]:
        raise PortError(f"expected a file in the folder of the model, found {location!r}")
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise PortError(
                f"expected a file in the folder of the model, found the symbolic link {location!r}"
            )
    return path


def parse_size(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise PortError(f"expected an offset or a length in bytes, found {text[:40]!r}")
    return int(text)


Values: TypeAlias = Sequence[np.ndarray]
Attributes: TypeAlias = Mapping[str, Any]
STRING = 8  # number of the type string in ONNX
BYTES = 8  # size of the largest numeric type, in bytes


def same_size(values: Values, attributes: Attributes) -> int:
    return int(values[0].size)


def broadcast_size(values: Values, attributes: Attributes) -> int:
    return math.prod(np.broadcast_shapes(*[value.shape for value in values]))


def concat_size(values: Values, attributes: Attributes) -> int:
    return sum(int(value.size) for value in values)


def cast_size(values: Values, attributes: Attributes) -> int:
    if attributes.get("to") == STRING:
        raise Unsupported("expected numbers, found strings")
    return same_size(values, attributes)


def gather_size(values: Values, attributes: Attributes) -> int:
    data, indices = values
    return int(data.size // data.shape[attributes.get("axis", 0)] * indices.size)


def fill_size(values: Values, attributes: Attributes) -> int:
    return math.prod(as_shape(values[0]))


def expand_size(values: Values, attributes: Attributes) -> int:
    return math.prod(np.broadcast_shapes(values[0].shape, as_shape(values[1])))


def scale_size(values: Values, attributes: Attributes) -> int:
    data, scale = values[0], values[1]
    axis = attributes.get("axis", 1)
    if scale.size != 1 and (scale.ndim != 1 or data.ndim == 0 or scale.size != data.shape[axis]):
        raise Unsupported(
            f"expected a single scale, or a vector with one scale for each slice along axis {axis}, found "
            f"shape {scale.shape}"
        )
    return int(data.size)


def matmul_size(values: Values, attributes: Attributes) -> int:
    left, right = values[0], values[1]
    if left.ndim != 2 or right.ndim != 2:
        raise Unsupported(
            f"expected a product of two matrices, found arrays of rank {left.ndim} and {right.ndim}"
        )
    return int(left.shape[0] * right.shape[1] + left.size + right.size)


def zero_size(values: Values, attributes: Attributes) -> int:
    return 0


def as_shape(shape: np.ndarray) -> tuple[int, ...]:
    """Return the values of a constant as a shape. Raises Unsupported if they are not a shape."""
    sizes = tuple(int(size) for size in shape.ravel()[:9])
    if shape.size > 8 or any(size < 0 for size in sizes):
        raise Unsupported(f"expected a shape, found {list(sizes)}")
    return sizes


FOLDED_SIZES: dict[str, Callable[[Values, Attributes], int]] = {
    **dict.fromkeys(
        ("Identity", "Dropout", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice"), same_size
    ),
    **dict.fromkeys(("Neg", "Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Round"), same_size),
    **dict.fromkeys(("Relu", "LeakyRelu", "Sigmoid", "Tanh"), same_size),
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "PRelu", "Clip", "Where"), broadcast_size
    ),
    **dict.fromkeys(("Equal", "Less", "Greater"), broadcast_size),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"), same_size),
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), scale_size),
    **dict.fromkeys(("Shape", "Size", "Constant"), zero_size),  # its values are already in the file
    "Split": same_size,
    "MatMul": matmul_size,
    "Concat": concat_size,
    "Cast": cast_size,
    "Gather": gather_size,
    "ConstantOfShape": fill_size,
    "Expand": expand_size,
}


def folded_size(operator: str, values: Values, attributes: Attributes) -> int:
    """Return an upper bound of the size of the results of an operator, in bytes.

    `values` are its inputs, which are constants.

    Raises Unsupported if the reader does not compute this operator.
    """
    if operator not in FOLDED_SIZES:
        known = ", ".join(sorted(FOLDED_SIZES))
        raise Unsupported(f"all its inputs are constant; for such a node, expected one of {known}")
    return BYTES * FOLDED_SIZES[operator](values, attributes)


SIZES = {"Shape", "Size"}  # operators that use only the size of a tensor
# Maximum size of all computed constants. It is FOLDED_LIMIT bytes, plus FOLDED_SHARE bytes for each byte of
# the constants in the file.
FOLDED_LIMIT, FOLDED_SHARE = 1 << 26, 32
DOMAINS = ("", "ai.onnx")  # both names mean the domain of the standard operators
MIN_VERSION = 7  # oldest supported version of the operators
MAX_NODES = 2_000  # the largest of the three networks has 14 layers


class Graph:
    """A graph and its constants.

    Tensors that nodes compute only from constants are also constants. Therefore nodes may transpose, cast or
    dequantise weights.

    Raises PortError if the graph has a cycle or a nested graph, or if a constant is too large or cannot be
    computed. Raises MissingExtra if onnx is not installed.

    Attributes:
        constants: The tensors that do not depend on the image.
        users: For each tensor that depends on the image: the nodes that use it. Nodes that compute only sizes
            are not included.
        shapes: Shapes of the tensors that were read so far. The reader adds these shapes.
    """

    def __init__(self, model: onnx.ModelProto, source: str) -> None:
        self._onnx = import_extra("onnx", "mtcnn-cpp[onnx]", "reading ONNX")
        self._evaluator = import_extra("onnx.reference", "mtcnn-cpp[onnx]", "reading ONNX").ReferenceEvaluator
        self._budget = Budget()
        self.source = source
        self.version = version(model, source)
        self.outputs = [value.name for value in model.graph.output]
        if model.graph.sparse_initializer:
            raise PortError(f"{source}: expected dense constants, found sparse ones")
        self.constants: dict[str, np.ndarray] = {}
        for tensor in model.graph.initializer:
            if tensor.name in self.constants:
                raise PortError(f"{source}: expected one constant {tensor.name!r}, found two")
            self.constants[tensor.name] = self._values(tensor)
        held = sum(array.nbytes for array in self.constants.values())
        self._computed = Budget(FOLDED_LIMIT + FOLDED_SHARE * held)
        self.inputs = [value for value in model.graph.input if value.name not in self.constants]
        self.nodes = self._ordered(list(model.graph.node))
        self.shapes: dict[str, tuple[Extent, ...]] = {}
        self.producers = {name: node for node in self.nodes for name in node.output if name}
        self.users: dict[str, list[Any]] = defaultdict(list)
        self._sort_nodes()

    def _values(self, tensor: Any) -> np.ndarray:
        """Return the values of a constant that is in the file."""
        if tensor.data_type == STRING:
            raise PortError(f"{self.source}: constant {tensor.name!r}: expected numbers, found strings")
        values = np.asarray(self._onnx.numpy_helper.to_array(tensor))
        self._budget.spend(values.nbytes, f"{tensor.name!r} of {values.nbytes} bytes")
        return values

    def _ordered(self, nodes: list[Any]) -> list[Any]:
        """Return the nodes in execution order. If they are already in a valid order, it does not change.

        Raises PortError if there is a cycle, if there are too many nodes, or if two nodes compute the same
        tensor.
        """
        if len(nodes) > MAX_NODES:
            raise PortError(f"{self.source}: expected at most {MAX_NODES} nodes, found {len(nodes)}")
        producers: dict[str, int] = dict.fromkeys(self.constants, -1)
        producers |= {value.name: -1 for value in self.inputs}
        for index, node in enumerate(nodes):
            self._check_node(node)
            for name in filter(None, node.output):
                if name in producers:
                    raise PortError(
                        f"{self.source}: {describe_node(node)}: expected a unique output name, found "
                        f"{name!r}, which another tensor has"
                    )
                producers[name] = index
        before = {
            index: {producers[name] for name in node.input if producers.get(name, -1) >= 0}
            for index, node in enumerate(nodes)
        }
        if all(max(needed, default=-1) < index for index, needed in before.items()):
            return nodes
        try:
            return [nodes[index] for index in TopologicalSorter(before).static_order()]
        except CycleError as error:
            node = nodes[error.args[1][0]]
            raise PortError(
                f"{self.source}: {describe_node(node)}: its input depends on its own output"
            ) from error

    def _check_node(self, node: Any) -> None:
        """Raise PortError if a node is invalid."""
        if not node.output:
            raise PortError(
                f"{self.source}: node {node.name!r} ({node.op_type}): expected an output, found none"
            )
        names = [attribute.name for attribute in node.attribute]
        if len(set(names)) < len(names):
            raise PortError(
                f"{self.source}: {describe_node(node)}: expected each attribute once, found {names}"
            )
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise PortError(f"{self.source}: {describe_node(node)}: nested graphs are not supported")

    def _sort_nodes(self) -> None:
        """Compute the constants. For each tensor that is not constant, find the nodes that use it."""
        sizes: set[str] = set()
        for node in self.nodes:
            inputs = [name for name in node.input if name]
            if all(name in self.constants for name in inputs):
                self._compute(node, self.constants)
            elif node.op_type in SIZES or all(name in self.constants or name in sizes for name in inputs):
                sizes.update(node.output)
            else:
                for name in inputs:
                    self.users[name].append(node)

    def _compute(self, node: Any, values: dict[str, np.ndarray]) -> None:
        """Compute the outputs of a node from `values`, and add the outputs to `values`."""
        inputs = {name: values[name] for name in node.input if name}
        try:
            if node.domain not in DOMAINS:
                raise Unsupported(
                    "all its inputs are constant; for such a node, expected a standard ONNX operator"
                )
            size = folded_size(node.op_type, [*inputs.values()], self.attributes(node))
            self._computed.spend(size, f"computed constants of {size} bytes")
            results = [np.asarray(result) for result in self._evaluator(node).run(None, inputs)]
            if any(result.dtype.kind in "OSU" for result in results):
                raise Unsupported("expected numbers, found strings")
        except Exception as error:  # an operator can raise any exception
            message = str(error) if isinstance(error, Unsupported) else error_message(error)
            raise PortError(
                f"{self.source}: {describe_node(node)}: cannot be computed ({message})"
            ) from error
        values.update(zip(node.output, results, strict=True))

    def attributes(self, node: Any) -> dict[str, Any]:
        """Return the attributes of a node as Python values."""
        return {item.name: self._onnx.helper.get_attribute_value(item) for item in node.attribute}


def version(model: onnx.ModelProto, source: str) -> int:
    """Return the version of the standard operators (opset).

    Raises PortError if the version is below 7, because older versions define some operators differently. Also
    raises PortError if the file redefines standard operators.
    """
    versions = {int(one.version) for one in model.opset_import if one.domain in DOMAINS}
    if len(versions) != 1 or min(versions) < MIN_VERSION:
        found = ", ".join(map(str, sorted(versions))) or "none"
        raise PortError(
            f"{source}: expected operators of one version, {MIN_VERSION} or newer, found {found}; "
            "onnx.version_converter converts older graphs"
        )
    if any(function.domain in DOMAINS for function in model.functions):
        raise PortError(
            f"{source}: expected only the standard definitions of ONNX operators, found other definitions"
        )
    return versions.pop()


def describe_node(node: Any) -> str:
    """Return the name and operator of a node for an error message."""
    domain = f"{node.domain}." if node.domain else ""
    return f"node {node.name or node.output[0]!r} ({domain}{node.op_type})"
