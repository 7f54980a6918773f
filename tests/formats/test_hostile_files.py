"""Malicious files cause one clear error each: huge sizes, devices and pipes, invalid headers."""

from __future__ import annotations

import io
import os
import socket
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.formats import arrays
from mtcnn_cpp.formats.arrays import read_arrays
from mtcnn_cpp.formats.errors import PortError, safe_text
from mtcnn_cpp.formats.importer import READERS, read_found
from separate_process import all_refused

MAGIC = b"\x93NUMPY\x01\x00"


def npy(header: str, values: bytes = b"") -> bytes:
    return MAGIC + struct.pack("<H", len(header)) + header.encode() + values


def archive(**entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name, data in entries.items():
            written.writestr(f"{name}.npy", data)
    return file.getvalue()


def stating(data: bytes, size: int) -> bytes:
    """Return the archive with another size of its first entry in the directory."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


def packed_otherwise() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as written:
        written.writestr("pnet/conv1/bias.npy", npy("{'descr': '<f4'}"))
    return file.getvalue()


def twice() -> bytes:
    data = archive(**{"pnet/conv1/a": b"x", "pnet/conv1/b": b"x"})
    return data.replace(b"conv1/b", b"conv1/a")


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
HEADERS = {
    "a token that does not end": "{'descr': '''",
    "unlimited brackets": "(" * 5000,
    "unlimited signs": "-" * 9000 + "1",
    "a type of much": PLAIN.replace("<f4", "|V2147483647") % "1,",
    "a type of objects": PLAIN.replace("<f4", "|O") % "1,",
    "a structured type": PLAIN.replace("'<f4'", "[('a', '<f4')]") % "1,",
    "a shape of much": PLAIN % "1099511627775, 1099511627775",
    "a size of many digits": PLAIN % ("9" * 5000 + ","),
    "more axes than NumPy has": PLAIN % ("1," * 70),
    "a field twice": PLAIN.replace("{", "{'descr': '<f4', ") % "1,",
    "a field too few": "{'descr': '<f4'}",
    "nothing": "",
    "too few values": PLAIN % "2,",
    "control characters": "\x1b[31m\x07",
}


def test_headers(tmp_path: Path) -> None:
    paths = []
    for name, header in HEADERS.items():
        for ending, data in (
            ("npy", npy(header, bytes(4))),
            ("npz", archive(**{"pnet/conv1/bias": npy(header, bytes(4))})),
        ):
            if (name, ending) != ("a type of objects", "npy"):  # facenet's tables have that type
                paths.append(tmp_path / f"{name}.{ending}")
                paths[-1].write_bytes(data)
    for path, (_, _, peak) in zip(paths, all_refused(paths), strict=True):
        assert peak < 10e6, (path.name, peak)


def test_archives(tmp_path: Path) -> None:
    honest = archive(**{"pnet/conv1/bias": npy(PLAIN % "1,", bytes(4))})
    files = {
        "states 2 GiB": stating(honest, 1 << 31),
        "states less": stating(honest, 16),
        "packed otherwise": packed_otherwise(),
        "two of one name": twice(),
        "damaged values": honest.replace(bytes(4) + b"PK\x01", b"\1\1\1\1PK\x01"),
        "no array": archive(**{"pnet/conv1/bias": b"no array"}),
        "a name with control characters": archive(**{"\x1b[31mred\x07": npy(PLAIN % "1,", bytes(4))}),
    }
    paths = [tmp_path / f"{name}.npz" for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.write_bytes(data)
    for path, (_, _, peak) in zip(paths, all_refused(paths), strict=True):
        assert peak < 10e6, (path.name, peak)


def test_valid_headers(tmp_path: Path) -> None:
    """Headers of other programs, and all types of outputs."""
    values = np.arange(6, dtype=np.float32)
    fortran = "{'shape': (2, 3), 'fortran_order': True, 'descr': '<f4'}"
    data = archive(
        a=npy(fortran, values.tobytes()),
        b=npy('{"descr":"<f4","fortran_order":False,"shape":(6)}', values.tobytes()),
    )
    (tmp_path / "theirs.npz").write_bytes(data)
    found = read_arrays(tmp_path / "theirs.npz")
    np.testing.assert_array_equal(found["a"], values.reshape(3, 2).T)
    np.testing.assert_array_equal(found["b"], values)
    kinds: dict[str, Any] = {
        name: np.array([[1, 0, 3]]).astype(name) for name in ("f2", ">f8", "i1", "u8", "?", "c8", "U3", "S3")
    }
    np.savez_compressed(tmp_path / "ours.npz", **kinds, scalar=np.float32(3), empty=np.zeros((0, 2)))
    found = read_arrays(tmp_path / "ours.npz")
    for name, array in kinds.items():
        np.testing.assert_array_equal(found[name], array)
    assert found["scalar"].shape == ()
    assert found["empty"].shape == (0, 2)


class TestLimit:
    """Tests with a limit of 1 MiB, which the files exceed."""

    @pytest.fixture(autouse=True)
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(arrays, "NETWORK_LIMIT", 1 << 20)

    def test_npz(self, tmp_path: Path) -> None:
        np.savez_compressed(tmp_path / "bomb.npz", **{"pnet/conv1/bias": np.zeros(1 << 20, np.float32)})
        with pytest.raises(PortError, match=r"bomb.npz: .*at most 1048576 bytes in a network's file"):
            read_found(tmp_path / "bomb.npz")

    def test_lz4(self, tmp_path: Path) -> None:
        frame = pytest.importorskip("lz4.frame", reason="needs lz4")
        (tmp_path / "bomb.lz4").write_bytes(frame.compress(bytes(1 << 25)))
        with pytest.raises(PortError, match=r"bomb.lz4: .*at most 1048576 bytes in a network's file"):
            read_found(tmp_path / "bomb.lz4")

    @pytest.mark.parametrize("archived", [True, False])
    def test_torch(self, tmp_path: Path, archived: bool) -> None:
        """Views of one value, and a file with all its values."""
        torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
        for name, tensor in (
            ("view", torch.zeros(1).expand(1 << 10, 1 << 10)),
            ("values", torch.zeros(1 << 20)),
        ):
            path = tmp_path / f"{name}.pt"
            torch.save({"conv1.weight": tensor}, path, _use_new_zipfile_serialization=archived)
            with pytest.raises(PortError, match=rf"{name}.pt: "):
                read_found(path)


def test_torch_states_more_than_it_has(tmp_path: Path) -> None:
    """A file of an old PyTorch whose pickle states 2^40 values."""
    torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    file = io.BytesIO()
    torch.save({"conv1.weight": torch.zeros(77777)}, file, _use_new_zipfile_serialization=False)
    stated = struct.pack("<i", 77777)
    data = file.getvalue().replace(b"J" + stated, b"\x8a\x06" + struct.pack("<Q", 1 << 40)[:6])
    (tmp_path / "pnet.pt").write_bytes(data)
    with pytest.raises(PortError, match=r"the size of the file, found 1099511627776"):
        read_found(tmp_path / "pnet.pt")


def test_parameters_are_read(tmp_path: Path) -> None:
    """Tensors that require a gradient are read."""
    torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    from mtcnn_cpp.formats.state_dict import to_state_dict

    arrays = to_state_dict(Model.default().pnet, "pnet")
    torch.save(
        {name: torch.nn.Parameter(torch.from_numpy(array.copy())) for name, array in arrays.items()},
        tmp_path / "pnet.pt",
    )
    assert list(read_found(tmp_path / "pnet.pt")) == ["pnet"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
def test_special_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The readers do not wait for a pipe or read a device forever."""
    monkeypatch.chdir(tmp_path)  # the length of a socket's name is limited
    paths = []
    for ending in READERS:
        os.mkfifo(f"pipe{ending}")
        os.symlink("/dev/zero", f"device{ending}")
        os.mkdir(f"folder{ending}")
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"socket{ending}")
        paths += [tmp_path / f"{kind}{ending}" for kind in ("pipe", "device", "socket", "folder")]
    for path, (_, message, _) in zip(paths, all_refused(paths), strict=True):
        expected = "expected files of one format" if path.stem == "folder" else "found a special file"
        assert expected in message, message


def test_names_are_escaped(tmp_path: Path) -> None:
    """Names of layers in the doctor's output, and names of files."""
    arrays = {
        key.replace("conv1", "\x1b[31mred\x07"): array for key, array in Model.default().arrays().items()
    }
    path = tmp_path / "\x1b[32mgreen.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    for found in read_found(path).values():
        assert found.layers[0].name == r"\x1b[31mred\x07"
        assert r"\x1b[32mgreen.npz" in found.source
    assert safe_text("a\u202eb\ud800\n→ü") == r"a\u202eb\ud800\n→ü"
    assert len(safe_text("x" * 10**6)) < 3000


def test_a_name_with_a_zero_byte(tmp_path: Path) -> None:
    Model.default().save(tmp_path)
    index = tmp_path / "MTCNN_detector.txt"
    index.write_bytes(index.read_bytes().replace(b"PNet.dat", b"PN\0t.dat"))
    with pytest.raises(ValueError, match="found a name with a null byte"):
        read_found(index)
