"""Search for false verdicts of the doctor on mutated graphs.

    python fuzz/verdicts.py --graphs N --seed S [--keep FOLDER]

Each graph is a correct one in one of ten styles, with one to three mutations. If the doctor's verdict is
"exactly", the outputs of the graph are compared with those of the correct graph, on inputs that the doctor
does not use. If they differ, the verdict is false. The exit code is 1 if there is a false verdict, or if a
graph without a mutation is not "exactly". The same seed gives the same graphs.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import onnxruntime as runtime
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.onnx.reader import found_from_onnx
from mtcnn_cpp.media.image import sample_image
from mtcnn_cpp.ports.doctor import agreement, diagnose
from mtcnn_cpp.reference.plan import STAGES
from onnx import ModelProto, ValueInfoProto
from styles import STYLES, inferred

# Accepted difference relative to the greatest magnitude of an output. The doctor has a stricter limit.
DIFFERENT = 2e-5
SIZES = ((12, 12), (20, 31), (64, 65), (90, 70), (150, 301), (300, 40))


_computed: dict[bytes, Any] = {}
_compute_last = agreement.compute_last_layer


def compute_last_cached(network: Any, images: np.ndarray) -> Any:
    """Compute the last layer once per network and input; the doctor needs it for each graph."""
    digest = hashlib.sha1(str((network.scale, network.shift, images.shape)).encode())
    digest.update(images.tobytes())
    for layer in network.layers:
        for value in vars(layer).values():
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else str(value).encode())
    key = digest.digest()
    if key not in _computed:
        if len(_computed) > 500:
            _computed.clear()
        _computed[key] = _compute_last(network, images)
    return _computed[key]


def session(model: Any) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class RunnableGraph:
    """Replacement of the doctor's class that runs graphs in this process, which is faster."""

    def __init__(self, model: Any, tensors: Iterable[str] = ()) -> None:
        wider = ModelProto()
        wider.CopyFrom(model)
        existing = {value.name for value in model.graph.output}
        wider.graph.output.extend(ValueInfoProto(name=name) for name in tensors if name not in existing)
        try:
            self.session = session(wider)
        except Exception as error:
            raise agreement.GraphRunError(str(error)) from error

    def run(self, input_name: str, values: np.ndarray) -> dict[str, np.ndarray]:
        try:
            return run(self.session, values)
        except Exception as error:
            raise agreement.GraphRunError(str(error)) from error


def run(one: Any, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of a session by name."""
    names = [output.name for output in one.get_outputs()]
    options = runtime.RunOptions()
    options.log_severity_level = 4
    return dict(zip(names, one.run(names, {one.get_inputs()[0].name: values}, options), strict=True))


@dataclass
class Base:
    """A correct graph, with a cache of its outputs by the hash of the input."""

    stage: str
    style: str
    model: Any
    outputs: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    drawn: dict[tuple[int, ...], list[np.ndarray]] = field(default_factory=dict)

    @cached_property
    def shapes(self) -> dict[str, list[Any]]:
        graph = inferred(self.model).graph
        return {
            value.name: [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]
            for value in (*graph.value_info, *graph.input, *graph.output)
        }

    @cached_property
    def wide(self) -> Any:
        """A session with every tensor as an output, for inputs of any batch and size."""
        model = ModelProto()
        model.CopyFrom(self.model)
        for dim in model.graph.input[0].type.tensor_type.shape.dim:
            dim.Clear()
        names = {value.name for value in model.graph.output}
        for node in model.graph.node:
            for name in node.output:
                if name not in names and len(self.shapes.get(name, ())) in (2, 4):
                    model.graph.output.append(ValueInfoProto(name=name))
        return session(model)

    def inputs(self, model: Any) -> list[np.ndarray]:
        """Return inputs with the batch and size of a mutated graph."""
        dims = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
        last = self.style == "bytes_channels_last"
        stated = (dims[0], *(dims[1:3] if last else dims[2:4]))
        if stated not in self.drawn:
            self.drawn[stated] = self.prepared(drawn(self.stage, *stated))
        return self.drawn[stated]

    def prepared(self, pixels: list[np.ndarray]) -> list[np.ndarray]:
        """Convert pixels to the format of the graph's input."""
        if self.style == "bytes_channels_last":
            return [
                np.ascontiguousarray(one.transpose(0, 2, 3, 1)).clip(0, 255).round().astype(np.uint8)
                for one in pixels
            ]
        if self.style == "raw_pixels":
            return [one.astype(np.float32) for one in pixels]
        return [((one - 127.5) / 128).astype(np.float32) for one in pixels]

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """The values of each tensor for a black and a grey image, which mutations use."""
        size = STAGES[self.stage].size or (16, 16)
        flat = self.prepared([np.full((1, 3, *size), grey, float) for grey in (0, 128)])
        found = [run(self.wide, one) for one in flat]
        return {name: np.concatenate([one[name].ravel() for one in found]) for name in found[0]}

    def right(self, values: np.ndarray) -> dict[str, np.ndarray]:
        key = hashlib.sha1(values.tobytes() + str(values.shape).encode()).hexdigest()
        if key not in self.outputs:
            kept = {value.name for value in self.model.graph.output}
            found = run(self.wide, values)
            self.outputs[key] = {name: one for name, one in found.items() if name in kept}
        return self.outputs[key]


def drawn(stage: str, count: int, height: int, width: int) -> list[np.ndarray]:
    """Return pixels (N, 3, H, W): noise, grey levels, the sample image. 0: several batches or sizes."""
    random = np.random.default_rng(31)
    side = STAGES[stage].size
    sizes = [(height or h, width or w) for h, w in ([side] if side else SIZES)]
    counts = [count] if count else [1, 2, 5, 7]
    result = [random.uniform(0, 255, (counts[0], 3, *sizes[0]))]
    step = 1 if stage != "onet" else 5
    levels = np.arange(0, 256, step if not count else 15 if stage != "onet" else 51)
    greys = np.broadcast_to(levels[:, None, None, None], (len(levels), 3, *sizes[0])).astype(float)
    result += [greys] if not count else [np.repeat(one[None], count, 0) for one in greys]
    image = sample_image()[..., ::-1].transpose(2, 0, 1)
    for index, size in enumerate(sizes):
        n = counts[index % len(counts)]
        result.append(random.uniform(0, 255, (n, 3, *size)))
        result.append(random.integers(0, 256, (n, 3, *size)).astype(float))
        rows, columns = (
            np.linspace(0, full - 1, one).astype(int) for one, full in zip(size, image.shape[1:], strict=True)
        )
        result.append(np.repeat(image[None, :, rows][..., columns], n, 0).astype(float))
    for n in counts:
        result.append(random.uniform(0, 255, (n, 3, *sizes[0])).round())
        result.append(127.5 + random.normal(0, 2000, (n, 3, *sizes[0])))
        colours = np.zeros((n, 3, *sizes[0]))
        colours[:, int(random.integers(3))] = 255
        result.append(colours)
    return result


def differs(right: np.ndarray, found: np.ndarray, *, reordered: bool) -> bool:
    """Return whether outputs differ. `reordered`: the axes after the batch may be reordered or flattened."""
    if right.shape == found.shape and not reordered:
        return not float(np.abs(found - right).max()) <= DIFFERENT * float(np.abs(right).max())
    if found.size != right.size or found.dtype != right.dtype:
        return True
    orders = (
        [right, right.transpose(0, 1, 3, 2), right.transpose(0, 2, 3, 1), right.transpose(0, 3, 2, 1)]
        if right.ndim == 4
        else [right]
    )
    candidates = [one for one in orders if one.shape[0] == found.shape[0] or found.ndim < right.ndim]
    return all(differs(one.reshape(found.shape), found, reordered=False) for one in candidates)


def first_difference(base: Base, model: Any) -> str:
    """Return where the outputs of a graph differ from the correct ones, or "" if they do not."""
    try:
        one = session(model)
    except Exception as error:
        return f"it cannot be loaded: {error}"
    for number, values in enumerate(base.inputs(model)):
        try:
            right = base.right(values)
            found = run(one, values)
        except Exception as error:
            return f"input {number} {values.shape}: {str(error)[:200]}"
        for name, output in found.items():
            if name not in right:  # the output can be any tensor of the correct graph
                right = run(base.wide, values)
            others = (
                [right[name]]
                if name in right
                else [each for each in right.values() if each.size == output.size]
            )
            if all(differs(each, output, reordered=each.shape != output.shape) for each in others):
                return f"input {number} {values.shape}: output {name} {output.shape}"
    return ""


class Search:
    """Generates graphs, diagnoses them and counts verdicts."""

    def __init__(self, seed: int, keep: Path) -> None:
        self.seed, self.keep = seed, keep
        self.bases: dict[tuple[str, int], Base] = {}
        self.counts: Counter[str] = Counter()
        self.kinds: dict[str, Counter[str]] = {}
        self.false: list[str] = []

    def base(self, stage: str, style: int) -> Base:
        if (stage, style) not in self.bases:
            make = STYLES[style]
            self.bases[stage, style] = Base(stage, make.__name__, make(stage))
        return self.bases[stage, style]

    def make(self, number: int) -> tuple[Base, Any, str]:
        """Return the base of graph `number`, the graph, and a description of its mutations."""
        random = np.random.default_rng([self.seed, number])
        base = self.base(list(STAGES)[number % 3], int(random.integers(len(STYLES))))
        model, descriptions = ModelProto(), []
        model.CopyFrom(base.model)
        for _ in range(random.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
            kind = random.random()
            if kind < 0.68:
                name = mutations.LIKELY[int(random.integers(len(mutations.LIKELY)))]
                edit = mutations.Edit(model, base.shapes, base.values, random)
                model = edit.close(mutations.OPERATORS[name](edit))
                descriptions.append(name)
                continue
            changes = (mutations.change_number, mutations.change_attribute, mutations.change_outputs)
            change = (*changes, mutations.change_file)[int((kind - 0.68) / 0.08)]
            descriptions.append(change(model, random))
        return base, model, f"{base.style} {base.stage}: {', '.join(descriptions)}"

    def examine(self, number: int) -> None:
        base, model, description = self.make(number)
        kind = description.partition(": ")[2]
        verdict = self.verdict(base, model)
        changed = ""
        if verdict == "exactly":
            changed = first_difference(base, model)
            if changed:
                self.count_false(number, model, f"{description}: {changed}")
        self.counts[verdict] += 1
        self.kinds.setdefault(kind.partition(",")[0], Counter())[
            verdict + (" (false)" if changed else "")
        ] += 1

    def verdict(self, base: Base, model: Any) -> str:
        try:
            found = diagnose(found_from_onnx(model, base.stage))
        except PortError:
            return "refused"
        if found.exact:
            return "exactly"
        kinds = {finding.kind for finding in found.findings}
        return next((kind for kind in ("computes", "not-run") if kind in kinds), "mistakes")

    def count_false(self, number: int, model: Any, description: str) -> None:
        self.keep.mkdir(parents=True, exist_ok=True)
        path = self.keep / f"exactly-{self.seed}-{number}.onnx"
        path.write_bytes(model.SerializeToString())
        self.false.append(description)
        print(f"false: {path}: {description}", flush=True)


def unchanged(search: Search) -> Iterator[str]:
    """Yield the unmutated graphs that the doctor does not accept."""
    for stage in STAGES:
        for style in range(len(STYLES)):
            base = search.base(stage, style)
            if search.verdict(base, base.model) != "exactly":
                yield f"{base.style} {stage}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Search for false verdicts of the doctor on mutated graphs.")
    parser.add_argument("--graphs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first graph")
    parser.add_argument(
        "--keep", type=Path, default=Path("build/fuzz-findings/verdicts"), help="folder for findings"
    )
    options = parser.parse_args()
    agreement.compute_last_layer, agreement.RunnableGraph = compute_last_cached, RunnableGraph
    begin = time.monotonic()
    search = Search(options.seed, options.keep)
    refused = list(unchanged(search)) if not options.first else []
    for number in range(options.first, options.first + options.graphs):
        search.examine(number)
    for kind, counts in sorted(search.kinds.items()):
        print(f"  {kind}: {', '.join(f'{count} {what}' for what, count in counts.most_common())}")
    for description in refused:
        print(f"a correct graph was not accepted: {description}")
    counts = ", ".join(f"{count} {what}" for what, count in search.counts.most_common())
    seconds = time.monotonic() - begin
    print(f"{options.graphs} graphs in {seconds:.0f} s: {counts}; {len(search.false)} false")
    return int(bool(search.false or refused))


if __name__ == "__main__":
    sys.exit(main())
