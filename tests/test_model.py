"""Models in folders, arrays and pickles."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.model import Conv2d, FullyConnected, MaxPool, Network, PReLU, Sigmoid

F = np.float32


def small_model() -> Model:
    """Other shapes than the official ones, with every kind of layer."""
    rng = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(F)

    pnet = [
        Conv2d(random(4, 3, 5, 2), random(4)),
        MaxPool(2, 3, 1, 2),
        PReLU(random(4)),
        FullyConnected(random(4, 6), random(6)),
    ]
    rnet = [
        MaxPool(4, 4, 4, 4),
        FullyConnected(random(108, 7), random(7)),
        Sigmoid(),
        FullyConnected(random(7, 6), random(6)),
    ]
    onet = [Conv2d(random(2, 3, 48, 48), random(2)), FullyConnected(random(2, 16), random(16))]
    return Model(Network(tuple(pnet)), Network(tuple(rnet)), Network(tuple(onet)))


@pytest.fixture(params=["official", "small"])
def model(request: pytest.FixtureRequest) -> Model:
    return Model.default() if request.param == "official" else small_model()


def test_save_and_load(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(p.name for p in folder.iterdir()) == [
        "MTCNN_detector.txt",
        "ONet.dat",
        "PNet.dat",
        "RNet.dat",
    ]
    assert Model.load(folder).hashes() == model.hashes()
    assert Model.load(str(folder / "MTCNN_detector.txt")).hashes() == model.hashes()
    (folder / "MTCNN_detector.txt").unlink()
    assert Model.load(folder).hashes() == model.hashes()


def test_equal_models_have_the_same_layers_and_bits(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    for same in (Model.load(tmp_path), copy.deepcopy(model), Model.from_arrays(model.arrays())):
        assert same == model
        assert hash(same) == hash(model)
    for name, array in model.arrays().items():  # each bit of each array counts
        if array.size and array.dtype == F:
            changed = array.copy()
            changed.view(np.uint32).flat[-1] ^= 1
            assert Model.from_arrays(model.arrays() | {name: changed}) != model, name
    assert model != "model"
    assert len({model, Model.from_arrays(model.arrays()), small_model(), Model.default()}) == 2


def test_equality_is_on_bits_and_kinds_of_layers() -> None:
    arrays = small_model().arrays()

    def with_bias(value: float) -> Model:
        bias = np.full(arrays["pnet/conv1/bias"].shape, value, F)
        return Model.from_arrays(arrays | {"pnet/conv1/bias": bias})

    assert with_bias(0.0) != with_bias(-0.0)
    assert with_bias(np.nan) == with_bias(np.nan)
    assert hash(with_bias(np.nan)) == hash(with_bias(np.nan))
    model = small_model()
    without = Network(tuple(layer for layer in model.rnet.layers if not isinstance(layer, Sigmoid)))
    assert Model(model.pnet, without, model.onet) != model
    window = Network((model.pnet.layers[0], MaxPool(3, 2, 1, 2), *model.pnet.layers[2:]))
    assert Model(window, model.rnet, model.onet) != model
    maps, filters = model.onet.layers[1].weights, model.onet.layers[1].bias  # type: ignore[union-attr]
    conv = Conv2d(maps.T.reshape(16, 2, 1, 1), filters)  # another kind of layer with the same numbers
    assert Model(model.pnet, model.rnet, Network((model.onet.layers[0], conv))) != model


def test_pickle(model: Model) -> None:
    copy = pickle.loads(pickle.dumps(model))
    assert copy.hashes() == model.hashes()
    assert copy.rnet.names == model.rnet.names


def test_arrays_and_back(model: Model, tmp_path: Path) -> None:
    arrays = model.arrays()
    assert Model.from_arrays(arrays).hashes() == model.hashes()
    np.savez(tmp_path / "model.npz", **arrays)
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert Model.from_arrays(file).hashes() == model.hashes()
    doubled = {
        name: array.astype(np.float64) if array.dtype == F else array for name, array in arrays.items()
    }
    assert Model.from_arrays(doubled).hashes() == model.hashes()


def test_hashes_are_the_official_ones() -> None:
    digests = dict(line.split()[::-1] for line in OFFICIAL.strip().splitlines())
    assert Model.default().hashes() == digests


OFFICIAL = """
22dfd0a96ec983e99b21c0e214d89d55ea9a471eedd53e5a48203f22bcb4c489 pnet
95e9c4203ca0a08c84520fa5fd658834213ed2453a7359f4d9514a06762f91e9 rnet
4c853ae5b461abe4d41f1cd77625895cd71452956c63c622fd75a3b820fb1d31 onet
"""

ARRAYS = {
    "unknown stage": ({"qnet/conv1/bias": [1]}, "qnet/conv1/bias: expected a name like pnet/conv1/kernel"),
    "no stage": ({"bias": [1]}, "bias: expected a name like pnet/conv1/kernel"),
    "nothing": ({}, "pnet: expected arrays named pnet/…, found none"),
    "half a layer": (
        {"pnet/conv1/kernel": np.ones((6, 3, 1, 1))},
        "pnet/conv1: expected kernel and bias, .* found kernel",
    ),
    "wrong name": (
        {"pnet/conv2/kernel": np.ones((6, 3, 1, 1)), "pnet/conv2/bias": np.ones(6)},
        "pnet: expected layers named conv1, found conv2",
    ),
    "wrong rank": (
        {"pnet/prelu1/slopes": np.ones((6, 1, 1))},
        r"pnet/prelu1: PReLU: expected slopes to be .* rank 1, found float64 of shape \(6, 1, 1\)",
    ),
    "text": (
        {"pnet/prelu1/slopes": np.array(["a"])},
        "pnet/prelu1: PReLU: expected slopes to be a non-empty array of numbers",
    ),
    "bias": (
        {"pnet/fc1/weights": np.ones((3, 6)), "pnet/fc1/bias": np.ones(5)},
        "pnet/fc1: FullyConnected: bias: expected 6 values, .* found 5",
    ),
    "window": (
        {"pnet/pool1/window": [2, 2, 0, 2]},
        "pnet/pool1: MaxPool: expected stride_x to be an integer of 1 or more, found 0",
    ),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_bad_arrays(case: str) -> None:
    arrays, message = ARRAYS[case]
    official = Model.default().arrays()
    if arrays and "net/" in next(iter(arrays)):
        arrays = arrays | {name: array for name, array in official.items() if not name.startswith("pnet/")}
    with pytest.raises(ValueError, match=message):
        Model.from_arrays(arrays)


@pytest.mark.parametrize("layers", [(), (3,), (Sigmoid(), None), (Sigmoid,)])
def test_network_without_layers_or_with_other_objects(layers: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"^Network: expected ") as caught:
        Network(layers)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "Network: expected one or more layers (Conv2d, MaxPool, FullyConnected, PReLU, Sigmoid), "
        f"found {layers!r}"
    )


def test_layers_are_kept_as_a_tuple() -> None:
    layers = [Sigmoid(), MaxPool(2, 2, 2, 2)]
    network = Network(layers)  # type: ignore[arg-type]
    layers.clear()
    assert network.names == ("sigmoid1", "pool1")
    assert type(network.layers) is tuple


def test_networks_that_do_not_fit_their_stage() -> None:
    official = Model.default()
    with pytest.raises(ValueError, match=r"^RNet: expected .*found"):
        Model(official.pnet, official.onet, official.rnet)
    with pytest.raises(
        ValueError, match=r"^PNet: expected fc1 with 64 inputs, for maps of any size, found 576$"
    ):
        Model(official.rnet, official.rnet, official.onet)


def write_index(folder: Path, text: str) -> Path:
    Model.default().save(folder)
    (folder / "MTCNN_detector.txt").write_bytes(text.encode())
    return folder / "MTCNN_detector.txt"


def test_index_with_cr_lf_folders_and_blanks(tmp_path: Path) -> None:
    (tmp_path / "sub folder").mkdir()
    index = write_index(tmp_path, "PNet \t sub folder/p.dat\r\n\r\nONet ONet.dat \r\nRNet RNet.dat")
    (tmp_path / "PNet.dat").rename(tmp_path / "sub folder" / "p.dat")
    assert Model.load(index).hashes() == Model.default().hashes()


INDEX = {
    "unknown": ("PNet PNet.dat\nQNet QNet.dat\n", 2, r"found 'QNet QNet\.dat'"),
    "no file": ("PNet\n", 1, "found 'PNet'"),
    "twice": ("PNet PNet.dat\nRNet RNet.dat\nPNet PNet.dat\n", 3, "NAME FILE.* each once, found 'PNet PNet"),
    "one missing": (
        "PNet PNet.dat\nRNet RNet.dat\n",
        3,
        "expected a line for ONet, found the end of the file",
    ),
    "empty": ("", 1, "expected a line for PNet, found the end of the file"),
}


@pytest.mark.parametrize("case", INDEX)
def test_bad_index(tmp_path: Path, case: str) -> None:
    text, line, message = INDEX[case]
    with pytest.raises(ValueError, match=rf"MTCNN_detector\.txt: line {line}: .*{message}"):
        Model.load(write_index(tmp_path, text))


def test_index_that_is_no_text(tmp_path: Path) -> None:
    Model.default().save(tmp_path)
    with pytest.raises(ValueError, match=r"PNet\.dat: expected text with lines NAME FILE"):
        Model.load(tmp_path / "PNet.dat")


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere: expected a file, found nothing there"):
        Model.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"PNet\.dat: expected a file"):
        Model.load(tmp_path)
    Model.default().save(tmp_path)
    (tmp_path / "RNet.dat").unlink()
    with pytest.raises(FileNotFoundError, match=r"RNet\.dat: expected a file"):
        Model.load(tmp_path)
    (tmp_path / "RNet.dat").mkdir()
    with pytest.raises(ValueError, match=r"RNet\.dat: expected a file, found a folder"):
        Model.load(tmp_path)


def test_damaged_file_is_named(tmp_path: Path) -> None:
    Model.default().save(tmp_path)
    path = tmp_path / "ONet.dat"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(
        ValueError, match=r"ONet\.dat: byte 144: expected 4608 bytes of conv1 kernels, found 856 bytes"
    ):
        Model.load(tmp_path)


def test_repr_is_one_line() -> None:
    model = Model.default()
    assert repr(model) == "Model(pnet 22dfd0a96ec9…, rnet 95e9c4203ca0…, onet 4c853ae5b461…)"
    assert repr(model.pnet) == "Network(conv1, prelu1, pool1, conv2, prelu2, conv3, prelu3, fc1)"
    assert repr(model.pnet.layers[0]) == "Conv2d(kernel (10, 3, 3, 3), bias (10,))"
    assert repr(model.pnet.layers[2]) == "MaxPool(kernel_x 2, kernel_y 2, stride_x 2, stride_y 2)"


def test_copies_stay_frozen() -> None:
    for model in (copy.deepcopy(Model.default()), pickle.loads(pickle.dumps(Model.default()))):
        for network in model.networks.values():
            for layer in network.layers:
                arrays = [value for value in vars(layer).values() if isinstance(value, np.ndarray)]
                assert not any(array.flags.writeable for array in arrays)
        assert model.hashes() == Model.default().hashes()
