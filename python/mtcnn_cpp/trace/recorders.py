"""Recorders of third-party ports in PyTorch and ONNX Runtime. They convert batches to tensors of a trace."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.errors import import_extra
from ..formats.errors import PortError
from ..formats.onnx.graph import read_model
from ..formats.onnx.process import GraphRunError, GuardedGraph
from ..types import Color, ImageLike
from .errors import TraceError
from .names import suggest_names
from .trace import Trace, frozen

NETWORKS = ("pnet", "rnet", "onet", "final")
WIDTHS = {"level": 2, "crop": 3}


class TraceBuilder:
    """Collector of batches and tensors. The resulting trace contains the tensors in the order of a detection.

    A name with `*` splits a batch: `rnet/crop*/conv1` makes one tensor per item of a batch (N, C, h, w). The
    numbering continues in the next batch. For `pnet/level*/conv1`, add each level as a batch of 1.
    """

    def __init__(self) -> None:
        self._tensors: dict[str, NDArray[Any]] = {}
        self._counts: Counter[str] = Counter()
        self._order: dict[str, int] = {}

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Add one tensor, or a batch for a name with `*`.

        Raises:
            TraceError: A tensor with this name already exists, or the name is not a valid pattern.
        """
        self._order.setdefault(name, len(self._order))
        if "*" not in name:
            self._add_tensor(name, array, name)
            return
        before, _, after = name.partition("*")
        kind = before.rpartition("/")[2]
        if kind not in WIDTHS or "*" in after or array.ndim == 0:
            raise TraceError(
                f"{name}: expected one * (after level or crop, e.g. rnet/crop*/conv1) and an array with at "
                "least one axis"
            )
        for item in array:
            self._add_tensor(f"{before}{self._counts[name]:0{WIDTHS[kind]}d}{after}", item, name)
            self._counts[name] += 1

    def _add_tensor(self, name: str, array: NDArray[Any], pattern: str) -> None:
        if name in self._tensors:
            raise TraceError(f"two tensors have the name {name!r}")
        self._tensors[name] = frozen(array)
        self._order[name] = self._order[pattern]

    def trace(
        self,
        *,
        image: ImageLike | None = None,
        color: Color = "bgr",
        options: Mapping[str, Any] | None = None,
        source: str = "trace",
    ) -> Trace:
        """Return the collected tensors as a trace.

        Args:
            image: The image of the detection, as for `Detector.detect`.
            color: Channel order of `image`, `"bgr"` or `"rgb"`.
            options: Options of the detection.
            source: Name of the trace in reports.
        """
        names = sorted(self._tensors, key=self._place)
        tensors = {name: self._tensors[name] for name in names}
        return Trace.from_arrays(tensors, image=image, color=color, options=options or {}, source=source)

    def _place(self, name: str) -> tuple[int, str, int]:
        """Return the sort key (network, level or crop, position in the order of `add` calls)."""
        network, _, rest = name.partition("/")
        place = rest.rpartition("/")[0]
        number = NETWORKS.index(network) if network in NETWORKS else len(NETWORKS)
        return number, place or "~", self._order[name]


def as_array(values: Any) -> NDArray[Any]:
    """Convert an array, or a PyTorch tensor on any device, to a NumPy array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # NumPy has no bfloat16; float32 can store its values
            values = values.float()
        values = values.numpy()
    return np.asarray(values)


class TorchRecorder(TraceBuilder):
    """Recorder of the modules of a PyTorch network.

    Example:
        recorder = TorchRecorder()
        with recorder.hook(rnet, {"conv1": "rnet/crop*/conv1", "prelu1": "rnet/crop*/prelu1"}):
            rnet(batch)
        recorder.trace(image=image).save("mine.npz")

    `*` in a name splits a batch, one tensor per item. Add other tensors (lists of boxes) with `add`.
    """

    def hook(self, module: Any, names: Mapping[str, str], *, inputs: str | None = None) -> _ModuleHooks:
        """Register forward hooks for the duration of a `with` block.

        Args:
            module: The network.
            names: Maps names of submodules, as in `named_modules`, to names of tensors.
            inputs: Name of the tensor for the input of `module`. None: the input is not recorded.

        Raises:
            TraceError: `module` has no submodule with a name in `names`.
        """
        modules = dict(module.named_modules())
        for name in names:
            if name not in modules:
                raise TraceError(f"the network has no module {name!r}{suggest_names(name, modules)}")
        recorded = {modules[name]: tensor for name, tensor in names.items()}
        return _ModuleHooks(self, module, recorded, inputs)

    def record(self, name: str, output: Any) -> None:
        """Record the output of a module. If a module has several outputs, only the first is recorded."""
        if isinstance(output, (tuple, list)):
            output = output[0]
        self.add(name, as_array(output))


class _ModuleHooks:
    """Forward hooks that are registered for the duration of a `with` block."""

    def __init__(
        self, recorder: TorchRecorder, module: Any, names: Mapping[Any, str], inputs: str | None
    ) -> None:
        self._recorder = recorder
        self._module = module
        self._names = names
        self._inputs = inputs
        self._handles: list[Any] = []

    def __enter__(self) -> TorchRecorder:
        if self._inputs is not None:
            name = self._inputs
            self._handles.append(
                self._module.register_forward_pre_hook(
                    lambda _, given: self._recorder.add(name, as_array(given[0]))
                )
            )
        for module in self._names:
            self._handles.append(module.register_forward_hook(self._hook))
        return self._recorder

    def _hook(self, module: Any, _: Any, output: Any) -> None:
        self._recorder.record(self._names[module], output)

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


EXTRA = "mtcnn-cpp[onnx]"


class OnnxRecorder(TraceBuilder):
    """Recorder of ONNX graphs in ONNX Runtime. It records any tensor of a graph.

    Example:
        recorder = OnnxRecorder()
        outputs = recorder.run("rnet.onnx", {"input": batch}, {"conv1": "rnet/crop*/conv1"})
        recorder.trace(image=image).save("mine.npz")

    `*` in a name splits a batch, one tensor per item. Add other tensors (lists of boxes) with `add`.
    """

    def run(
        self,
        path: str | os.PathLike[str],
        feeds: Mapping[str, NDArray[Any]],
        names: Mapping[str, str],
        *,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> dict[str, NDArray[Any]]:
        """Run a graph on one batch and record tensors.

        The graph runs in a separate process, which has the limits of `formats.graph_limits`.

        Args:
            path: The ONNX file.
            feeds: The inputs of the graph by name.
            names: Maps names of tensors in the graph (including its inputs) to names of tensors in the trace.
            providers: Execution providers of ONNX Runtime.

        Returns:
            The outputs of the graph by name.

        Raises:
            TraceError: The graph has no tensor with a name in `names`, ONNX Runtime rejects the graph, or a
                limit is exceeded.
            MissingExtra: onnx or onnxruntime is not installed.
            PortError: The file is damaged.
        """
        onnx = import_extra("onnx", EXTRA, "reading ONNX")
        model = read_model(os.fspath(path))
        outputs = [output for node in model.graph.node for output in node.output]
        own = [value.name for value in model.graph.output]
        for name in names:
            if name not in outputs and name not in feeds:
                raise TraceError(f"{path}: the graph has no tensor {name!r}{suggest_names(name, outputs)}")
        more = [name for name in names if name not in own and name not in feeds]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more)
        try:
            graph = GuardedGraph(model, runtime="onnxruntime", threads=0, providers=providers)
            found = graph.run(feeds, [*own, *more])
        except (GraphRunError, PortError) as error:
            raise TraceError(f"{path}: ONNX Runtime cannot run the graph ({error})") from error
        for name, recorded in names.items():
            self.add(recorded, found[name] if name in found else feeds[name])
        return {name: found[name] for name in own}
