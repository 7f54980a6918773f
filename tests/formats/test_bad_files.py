"""Invalid files cause one clear error each, and no code from them runs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import MissingExtra, Model
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.importer import import_model, read_found
from mtcnn_cpp.reference.plan import STAGES


def write_onnx(folder: Path) -> Path:
    pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    from mtcnn_cpp.formats import export_onnx

    return export_onnx(Model.default(), folder)["rnet"]


class Evil:
    """A class whose pickle creates a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "the code has run"


def test_the_pickle_runs_code(mark: Path) -> None:
    """An ordinary unpickler runs the code."""
    pickle.loads(pickle.dumps(Evil(mark)))
    assert mark.exists()


def test_state_dict_with_code(tmp_path: Path, mark: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    path = tmp_path / "pnet.pt"
    torch.save({"conv1.weight": Evil(mark)}, path)
    with pytest.raises(PortError, match=r"pnet.pt: refused: expected a file of tensors only"):
        read_found(path)
    assert not mark.exists()


def test_table_with_code(tmp_path: Path, mark: Path) -> None:
    path = tmp_path / "det1.npy"
    np.save(path, np.array({"conv1": Evil(mark)}, dtype=object), allow_pickle=True)
    with pytest.raises(
        PortError, match=r"det1.npy: refused: not a plain pickle of arrays \(the pickle uses pathlib"
    ):
        read_found(path)
    assert not mark.exists()


def test_list_with_code(tmp_path: Path, mark: Path) -> None:
    path = tmp_path / "pnet.joblib"
    path.write_bytes(pickle.dumps([np.zeros(3), Evil(mark)]))
    with pytest.raises(PortError, match=r"refused: not a plain pickle of arrays \(the pickle uses pathlib"):
        read_found(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["builtins.eval", "os.system", "builtins.getattr", "numpy.load", "copyreg._reconstructor"]
)
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    module, _, function = name.rpartition(".")
    path = tmp_path / "pnet.joblib"
    path.write_bytes(f"c{module}\n{function}\n.".encode())
    with pytest.raises(PortError, match=f"the pickle uses {name}"):
        read_found(path)


def test_archive_with_pickles(tmp_path: Path, mark: Path) -> None:
    path = tmp_path / "mtcnn.npz"
    np.savez(path, **{"pnet/conv1/kernel": np.array([Evil(mark)], dtype=object)})  # type: ignore[arg-type]
    with pytest.raises(PortError, match=r"mtcnn.npz: expected an .npz file of plain arrays"):
        read_found(path)
    assert not mark.exists()


@pytest.mark.parametrize("ending", ["onnx", "pt", "npz", "npy", "lz4", "joblib"])
@pytest.mark.parametrize(
    "data", [b"", b"no network\n", b"\x04\x22\x4d\x18broken", b"\x80\x04", b"PK\x03\x04"]
)
def test_content_of_another_format(tmp_path: Path, ending: str, data: bytes) -> None:
    lz4 = ending in ("lz4", "joblib") and data.startswith(b"\x04\x22\x4d\x18")
    pytest.importorskip(
        {"onnx": "onnx", "pt": "torch"}.get(ending, "lz4" if lz4 or ending == "lz4" else "numpy")
    )
    path = tmp_path / f"pnet.{ending}"
    path.write_bytes(data)
    with pytest.raises(PortError, match=f"pnet.{ending}: "):
        read_found(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path: Path, share: float) -> None:
    whole = write_onnx(tmp_path / "whole").read_bytes()
    path = tmp_path / "rnet.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PortError):
        read_found(path)


def test_external_data_missing(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    model = onnx.load(write_onnx(tmp_path))
    path = tmp_path / "outside.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert list(read_found(path)) == ["rnet"]
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(
        PortError, match=r"outside.onnx: its weights are in a separate file, which cannot be read"
    ):
        read_found(path)


def test_another_architecture(tmp_path: Path) -> None:
    arrays = {
        "conv1.weight": np.zeros((64, 3, 7, 7), np.float32),
        "fc.weight": np.zeros((1000, 512), np.float32),
    }
    np.savez(tmp_path / "resnet.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(
        PortError, match=r"resnet.npz: another architecture: .*PNet 10 → 16 → 32 → 6.*found 64 → 1000"
    ):
        read_found(tmp_path / "resnet.npz")


@pytest.mark.parametrize(("ending", "module"), [("onnx", "onnx"), ("pt", "torch"), ("lz4", "lz4")])
def test_missing_file_where_the_extra_is_missing_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, module: str
) -> None:
    """The error is about the missing file, which no package can provide."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(FileNotFoundError, match=f"nowhere.{ending}: expected a file, found nothing there"):
        read_found(tmp_path / f"nowhere.{ending}")


def test_two_networks_of_one_stage(tmp_path: Path) -> None:
    """An index names one file twice, or an archive has PNet as RNet."""
    Model.default().save(tmp_path)
    index = tmp_path / "MTCNN_detector.txt"
    index.write_text(index.read_text().replace("RNet.dat", "PNet.dat"))
    with pytest.raises(
        PortError, match=r"PNet.dat: expected one pnet, found a second pnet; the first is in .*PNet.dat"
    ):
        read_found(index)
    arrays = Model.default().arrays()
    twice = {key.replace("pnet", "rnet"): array for key, array in arrays.items() if key.startswith("pnet")}
    pnet = {key: array for key, array in arrays.items() if key.startswith("pnet")}
    np.savez(tmp_path / "twice.npz", **pnet, **twice)  # type: ignore[arg-type]
    with pytest.raises(
        PortError,
        match=r"twice.npz: rnet: expected one pnet, found a second pnet; the first is in .*twice.npz: pnet",
    ):
        read_found(tmp_path / "twice.npz")


def test_names_of_files(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    with pytest.raises(FileNotFoundError, match=r"nowhere.onnx: expected a file, found nothing there"):
        read_found(tmp_path / "nowhere.onnx")
    with pytest.raises(FileNotFoundError, match=r"nowhere.pt"):
        read_found(tmp_path / "nowhere.pt")
    with pytest.raises(FileNotFoundError, match=r"nowhere.npz"):
        read_found(tmp_path / "nowhere.npz")
    with pytest.raises(PortError, match=r"expected one of the file extensions .onnx, .*found .tflite"):
        read_found(tmp_path / "net.tflite")
    with pytest.raises(PortError, match=r"expected files of one format .*, found none"):
        read_found(tmp_path)
    write_onnx(tmp_path)
    (tmp_path / "rnet.onnx").unlink()
    with pytest.raises(PortError, match=r"expected the three networks, found no rnet"):
        import_model(tmp_path)
    (tmp_path / "again.onnx").write_bytes((tmp_path / "pnet.onnx").read_bytes())
    with pytest.raises(
        PortError, match=r"pnet.onnx: expected one pnet, found a second pnet; the first is in .*again.onnx"
    ):
        read_found(tmp_path)


def test_networks_that_a_dat_cannot_represent(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    from dataclasses import replace

    from planted import change, correct, to_onnx

    for stage, layer, edit, message in (
        (
            "pnet",
            "conv2",
            {"pads": (1, 1, 1, 1)},
            "conv2: a .dat file has only convolutions with stride 1 and no padding",
        ),
        (
            "rnet",
            "pool1",
            {"mode": "floor"},
            "pool1: a .dat file pools 22 values along y into 11 without padding, found a pooling into 10",
        ),
    ):
        for other in STAGES:
            network = correct(other)
            if other == stage:
                network = change(network, layer, lambda found, edit=edit: replace(found, **edit))  # type: ignore[misc]
            onnx.save(to_onnx(network, other), tmp_path / f"{other}.onnx")
        with pytest.raises(PortError, match=message):
            import_model(tmp_path)


@pytest.mark.parametrize(
    ("module", "code", "message"),
    [
        (
            "onnx",
            "export_onnx(Model.default(), 'x')",
            "writing ONNX needs the package 'onnx'.*pip install 'mtcnn-cpp.onnx.'",
        ),
        (
            "onnxruntime",
            "Detector(backend='onnx')",
            "running ONNX needs the package 'onnxruntime'.*mtcnn-cpp.onnx.",
        ),
        (
            "torch",
            "export_torch(Model.default(), 'x')",
            "writing PyTorch files needs the package 'torch'.*mtcnn-cpp.torch.",
        ),
        ("torch", "Detector(backend='torch')", "running PyTorch needs the package 'torch'"),
        ("lz4", "import_model('x.lz4')", "reading an LZ4 file needs the package 'lz4'.*pip install lz4"),
    ],
)
def test_missing_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, code: str, message: str
) -> None:
    from mtcnn_cpp import Detector
    from mtcnn_cpp.formats import export_onnx, export_torch

    if module == "onnxruntime":
        pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    Path("x.lz4").write_bytes(b"\x04\x22\x4d\x18")
    names = {"export_onnx": export_onnx, "export_torch": export_torch, "Detector": Detector, "Model": Model}
    with pytest.raises(MissingExtra, match=message):
        eval(code, names | {"import_model": import_model})
    assert not Path("x").exists() or not list(Path("x").iterdir())


def test_importing_ports_imports_no_extra() -> None:
    code = (
        "import sys, mtcnn_cpp.formats, mtcnn_cpp.formats.importer;"
        "import mtcnn_cpp.ports.doctor, mtcnn_cpp.ports.verify;"
        "print([n for n in ('onnx', 'onnxruntime', 'torch', 'lz4', 'joblib', 'cv2') if n in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
