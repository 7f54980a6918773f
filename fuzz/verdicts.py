"""Mutated graphs for the doctor: no graph that computes something else may be called OpenFace's, exactly.

    python fuzz/verdicts.py --graphs N --seed S [--keep FOLDER]

Each graph is a right one in one of ten styles, with one to three mutations. If the doctor says "exactly", the
graph runs beside the one it was made of, on inputs that the doctor does not draw; outputs that differ make
the verdict false. Exit code 1 if there is one, or if a graph without a mutation is not called right. The same
seed gives the same graphs.
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
from mtcnn_cpp.doctor import agreement, diagnose
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.onnx.read import found_from_onnx
from mtcnn_cpp.image import sample_image
from mtcnn_cpp.reference.plan import STAGES
from onnx import ModelProto, ValueInfoProto
from styles import STYLES, inferred

# Of the greatest magnitude of an output: twice what the doctor allows, of a smaller number.
DIFFERENT = 2e-5
SIZES = ((12, 12), (20, 31), (64, 65), (90, 70), (150, 301), (300, 40))


_computed: dict[bytes, Any] = {}
_compute_last = agreement.compute_last


def remembered(network: Any, pictures: np.ndarray) -> Any:
    """What a network computes, which the doctor asks for again with each graph."""
    digest = hashlib.sha1(str((network.scale, network.shift, pictures.shape)).encode())
    digest.update(pictures.tobytes())
    for layer in network.layers:
        for value in vars(layer).values():
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else str(value).encode())
    key = digest.digest()
    if key not in _computed:
        if len(_computed) > 500:
            _computed.clear()
        _computed[key] = _compute_last(network, pictures)
    return _computed[key]


def session(model: Any) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Running:
    """Takes the place of the doctor's own class: the graphs run in this process, which is faster."""

    def __init__(self, model: Any, tensors: Iterable[str] = ()) -> None:
        wider = ModelProto()
        wider.CopyFrom(model)
        there = {value.name for value in model.graph.output}
        wider.graph.output.extend(ValueInfoProto(name=name) for name in tensors if name not in there)
        try:
            self.session = session(wider)
        except Exception as error:
            raise agreement.NotRun(str(error)) from error

    def run(self, picture: str, values: np.ndarray) -> dict[str, np.ndarray]:
        try:
            return run(self.session, values)
        except Exception as error:
            raise agreement.NotRun(str(error)) from error


def run(one: Any, values: np.ndarray) -> dict[str, np.ndarray]:
    """Its outputs by name."""
    names = [output.name for output in one.get_outputs()]
    options = runtime.RunOptions()
    options.log_severity_level = 4
    return dict(zip(names, one.run(names, {one.get_inputs()[0].name: values}, options), strict=True))


@dataclass
class Base:
    """A right graph. `outputs`: what it gives, by the number of the input."""

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
        """A session with every tensor as output, for inputs of any batch and size."""
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
        """Inputs of the batch and size that a mutation of this graph states."""
        dims = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
        last = self.style == "bytes_channels_last"
        stated = (dims[0], *(dims[1:3] if last else dims[2:4]))
        if stated not in self.drawn:
            self.drawn[stated] = self.prepared(drawn(self.stage, *stated))
        return self.drawn[stated]

    def prepared(self, pixels: list[np.ndarray]) -> list[np.ndarray]:
        """As the graph takes them."""
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
        """What each tensor holds for a black and a grey image: values for a bump."""
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
    """Pixels (N, 3, H, W): noise, every grey level, the sample; batches and sizes where they are open (0)."""
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


def differs(right: np.ndarray, found: np.ndarray, *, laid: bool) -> bool:
    """`laid`: the axes behind the batch may stand in another order, or be flattened; the doctor said so."""
    if right.shape == found.shape and not laid:
        return not float(np.abs(found - right).max()) <= DIFFERENT * float(np.abs(right).max())
    if found.size != right.size or found.dtype != right.dtype:
        return True
    orders = (
        [right, right.transpose(0, 1, 3, 2), right.transpose(0, 2, 3, 1), right.transpose(0, 3, 2, 1)]
        if right.ndim == 4
        else [right]
    )
    candidates = [one for one in orders if one.shape[0] == found.shape[0] or found.ndim < right.ndim]
    return all(differs(one.reshape(found.shape), found, laid=False) for one in candidates)


def first_difference(base: Base, model: Any) -> str:
    """Where a graph's outputs differ from the right ones; empty where they are the same for every input."""
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
            if name not in right:  # it must be one of the right graph's tensors
                right = run(base.wide, values)
            others = (
                [right[name]]
                if name in right
                else [each for each in right.values() if each.size == output.size]
            )
            if all(differs(each, output, laid=each.shape != output.shape) for each in others):
                return f"input {number} {values.shape}: output {name} {output.shape}"
    return ""


class Search:
    """Makes graphs, examines them and counts."""

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
        """Graph `number`: what it was made of, the graph, and what was done to it."""
        random = np.random.default_rng([self.seed, number])
        base = self.base(list(STAGES)[number % 3], int(random.integers(len(STYLES))))
        model, told = ModelProto(), []
        model.CopyFrom(base.model)
        for _ in range(random.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
            kind = random.random()
            if kind < 0.68:
                name = mutations.LIKELY[int(random.integers(len(mutations.LIKELY)))]
                edit = mutations.Edit(model, base.shapes, base.values, random)
                model = edit.close(mutations.OPERATORS[name](edit))
                told.append(name)
                continue
            changes = (mutations.change_number, mutations.change_attribute, mutations.change_outputs)
            change = (*changes, mutations.change_file)[int((kind - 0.68) / 0.08)]
            told.append(change(model, random))
        return base, model, f"{base.style} {base.stage}: {', '.join(told)}"

    def examine(self, number: int) -> None:
        base, model, told = self.make(number)
        kind = told.partition(": ")[2]
        verdict = self.verdict(base, model)
        changed = ""
        if verdict == "exactly":
            changed = first_difference(base, model)
            if changed:
                self.count_false(number, model, f"{told}: {changed}")
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

    def count_false(self, number: int, model: Any, told: str) -> None:
        self.keep.mkdir(parents=True, exist_ok=True)
        path = self.keep / f"exactly-{self.seed}-{number}.onnx"
        path.write_bytes(model.SerializeToString())
        self.false.append(told)
        print(f"false: {path}: {told}", flush=True)


def unchanged(search: Search) -> Iterator[str]:
    """The styles themselves: all are right."""
    for stage in STAGES:
        for style in range(len(STYLES)):
            base = search.base(stage, style)
            if search.verdict(base, base.model) != "exactly":
                yield f"{base.style} {stage}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutated graphs for the doctor.")
    parser.add_argument("--graphs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first graph")
    parser.add_argument(
        "--keep", type=Path, default=Path("build/fuzz-findings/verdicts"), help="folder for findings"
    )
    options = parser.parse_args()
    agreement.compute_last, agreement.Running = remembered, Running
    begin = time.monotonic()
    search = Search(options.seed, options.keep)
    refused = list(unchanged(search)) if not options.first else []
    for number in range(options.first, options.first + options.graphs):
        search.examine(number)
    for kind, counts in sorted(search.kinds.items()):
        print(f"  {kind}: {', '.join(f'{count} {what}' for what, count in counts.most_common())}")
    for told in refused:
        print(f"a right graph was not called so: {told}")
    counts = ", ".join(f"{count} {what}" for what, count in search.counts.most_common())
    seconds = time.monotonic() - begin
    print(f"{options.graphs} graphs in {seconds:.0f} s: {counts}; {len(search.false)} false")
    return int(bool(search.false or refused))


if __name__ == "__main__":
    sys.exit(main())
