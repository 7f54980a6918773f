"""Recording a PyTorch port: forward hooks that write down what its modules compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import TraceError
from ..names import hint
from .batches import Batches, as_array


class TorchRecorder(Batches):
    """Records modules of a PyTorch network while it runs:

        recorder = TorchRecorder()
        with recorder.watch(rnet, {"conv1": "rnet/crop*/conv1", "prelu1": "rnet/crop*/prelu1"}):
            rnet(batch)
        recorder.trace(picture=image).save("mine.npz")

    See `Batches` for the names. What hooks do not see (lists of boxes, a network's input) goes in by `add`.
    """

    def watch(self, module: Any, names: Mapping[str, str], *, inputs: str | None = None) -> Watch:
        """Record the submodules of `module` as long as the block runs. names: the submodules' names, as in
        `named_modules`, to the names of tensors. inputs: the name for what enters `module` itself.

        TraceError for a submodule that is not there.
        """
        modules = dict(module.named_modules())
        for name in names:
            if name not in modules:
                raise TraceError(f"the network has no module {name!r}{hint(name, modules)}")
        return Watch(self, module, {modules[name]: ours for name, ours in names.items()}, inputs)

    def record(self, name: str, output: Any) -> None:
        """One output of a module; of several, the first."""
        if isinstance(output, (tuple, list)):
            output = output[0]
        self.add(name, as_array(output))


class Watch:
    """Hooks that are there as long as a block runs."""

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
            entering = self._inputs
            self._handles.append(
                self._module.register_forward_pre_hook(
                    lambda _, given: self._recorder.add(entering, as_array(given[0]))
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
