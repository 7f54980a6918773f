"""export, verify and doctor on the command line: output, files and exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import mtcnn_cpp
import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Model
from mtcnn_cpp.cli import app
from typer.testing import CliRunner, Result

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

OFFICIAL = Model.default().hashes()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    assert run("export", "onnx", folder).exit_code == 0
    return folder


def test_export_and_check(tmp_path: Path) -> None:
    result = run("export", "onnx", tmp_path / "out", "--check")
    assert result.exit_code == 0, result.stderr
    assert "correct: every layer within 1e-05 of its greatest magnitude" in result.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "onet.onnx",
        "pnet.onnx",
        "rnet.onnx",
    ]


@pytest.mark.parametrize("kind", ["onnx", "torch", "npz"])
def test_export_roundtrip(tmp_path: Path, kind: str) -> None:
    """An export and an import restore the exact bytes of OpenFace's files."""
    pytest.importorskip({"torch": "torch"}.get(kind, "onnx"), reason="needs an extra")
    assert run("export", kind, tmp_path / kind).exit_code == 0
    result = run("export", "dat", tmp_path / "dat", "--model", tmp_path / kind)
    assert result.exit_code == 0, result.stderr
    assert Model.load(tmp_path / "dat").hashes() == OFFICIAL
    assert result.stdout.split() == [
        str(tmp_path / "dat" / f"{name}.dat") for name in ("PNet", "RNet", "ONet")
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows: links need a privilege")
@pytest.mark.parametrize(
    ("kind", "name"), [("onnx", "onet.onnx"), ("torch", "onet.pt"), ("npz", "mtcnn.npz"), ("dat", "ONet.dat")]
)
def test_a_link_is_replaced_not_followed(tmp_path: Path, kind: str, name: str) -> None:
    pytest.importorskip({"torch": "torch"}.get(kind, "onnx"), reason="needs an extra")
    precious, link = tmp_path / "precious", tmp_path / "out" / name
    precious.write_bytes(b"precious")
    link.parent.mkdir()
    link.symlink_to(precious)
    assert run("export", kind, tmp_path / "out").exit_code == 0
    assert precious.read_bytes() == b"precious"
    assert not link.is_symlink()
    assert not list(link.parent.glob(".*"))


def test_verify(exported: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "portrait.png"), portrait())
    result = run("verify", exported, tmp_path / "portrait.png", "--format", "json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["ok"] is True
    assert len(found["layers"]) == 8 + 11 + 14
    assert found["faces"] == [1, 1]


def test_verify_of_an_image_without_faces_is_inconclusive(exported: Path, tmp_path: Path) -> None:
    """Black pixels reach only PNet. A layer without input is not verified."""
    image = tmp_path / "black.png"
    cv2.imwrite(str(image), np.zeros((90, 100, 3), np.uint8))
    result = run("verify", exported, image)
    assert result.exit_code == 1
    assert "not verified: no input reached rnet, onet; use an image with a face" in result.stdout
    assert "right" not in result.stdout
    result = run("verify", exported, image, "--format", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert found["unreached"][0] == "rnet/conv1"
    assert len(found["unreached"]) == 25


def test_verify_finds_a_fault(exported: Path, tmp_path: Path) -> None:
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    model = onnx.load(tmp_path / "rnet.onnx")
    kernel = next(one for one in model.graph.initializer if one.name == "conv2.kernel")
    turned = onnx.numpy_helper.to_array(kernel).swapaxes(2, 3)
    kernel.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(turned), kernel.name))
    onnx.save(model, tmp_path / "rnet.onnx")
    result = run("verify", tmp_path)
    assert result.exit_code == 1
    assert "the first layer that is wrong when it runs alone: rnet conv2" in result.stdout
    result = run("doctor", tmp_path / "rnet.onnx", "--fix", tmp_path / "fixed.onnx")
    assert result.exit_code == 1
    assert "kernels transposed (x and y swapped)" in result.stdout
    assert "1 mistake in 1 layer; all its numbers are OpenFace's" in result.stdout
    assert run("doctor", tmp_path / "fixed.onnx").exit_code == 0


def test_doctor_of_a_folder(exported: Path) -> None:
    result = run("doctor", exported)
    assert result.exit_code == 0
    assert result.stdout.count("this is OpenFace's model, exactly") == 3
    found = json.loads(run("doctor", exported, "--format", "json").stdout)
    assert [one["exact"] for one in found] == [True, True, True]


def test_doctor_of_outputs(tmp_path: Path) -> None:
    from mtcnn_cpp.reference.layers import conv2d
    from mtcnn_cpp.reference.model import Conv2d

    cv2.imwrite(str(tmp_path / "portrait.png"), portrait())
    layer = Model.default().pnet.layers[0]
    assert isinstance(layer, Conv2d)
    swapped = np.ascontiguousarray(((portrait().astype(np.float32) - 127.5) / 128).transpose(2, 0, 1))
    np.savez(tmp_path / "theirs.npz", **{"pnet/conv1": conv2d(swapped, layer.kernel, layer.bias)})
    result = run("doctor", "--outputs", tmp_path / "theirs.npz", "--image", tmp_path / "portrait.png")
    assert result.exit_code == 1
    assert "the image was given as BGR, expected RGB" in result.stdout


def test_doctor_explanation() -> None:
    result = run("doctor", "--demo")
    assert result.exit_code == 0
    for figure in ("8.81", "0.390", "-0.88", "4.0058", "64·3·3 = 576; floored 64·2·2 = 256", "1152"):
        assert figure in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor"], "expected a network file, or --outputs with --image, or --demo"),
        (["doctor", "nowhere.onnx"], "nowhere.onnx: expected a file, found nothing there"),
        (["doctor", "--outputs", "x.npz"], "--outputs needs one --image"),
        (["verify", "nowhere"], "nowhere: expected a folder with exported networks, found none"),
        (["export", "dat", "out", "--all-layers"], "--all-layers is only possible for onnx, found dat"),
        (["export", "npz", "out", "--check"], "--check is only possible for onnx and torch, found npz"),
        (
            ["export", "dat", "out", "--model", "nowhere.pt"],
            "nowhere.pt: expected a file, found nothing there",
        ),
    ],
)
def test_errors(arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ending", ["onnx", "dat", "npz", "pt", "DAT"])
def test_fix_format_follows_the_suffix(tmp_path: Path, ending: str) -> None:
    """Any reader finds in the file what the report claims."""
    from planted import MISTAKES, correct, to_onnx

    pytest.importorskip({"pt": "torch"}.get(ending, "onnx"), reason="needs mtcnn-cpp[torch]")
    mistake = next(mistake for mistake in MISTAKES if mistake.name == "dense yxc")
    onnx.save(to_onnx(mistake.plant(correct("rnet"), "rnet"), "rnet"), tmp_path / "theirs.onnx")
    fixed = tmp_path / f"fixed.{ending}"
    result = run("doctor", tmp_path / "theirs.onnx", "--fix", fixed)
    assert result.exit_code == 1, result.stderr
    assert f"the repaired network is in {fixed}" in result.stderr
    assert run("doctor", fixed).exit_code == 0
    assert [path.name for path in tmp_path.glob("*fixed*")] == [fixed.name]
    if ending == "dat":
        official = Path(mtcnn_cpp.__file__).parent / "weights" / "RNet.dat"
        assert fixed.read_bytes() == official.read_bytes()


@pytest.mark.parametrize("name", ["fixed", "fixed.npy", "fixed.tflite"])
def test_fix_with_unknown_suffix(exported: Path, tmp_path: Path, name: str) -> None:
    result = run("doctor", exported / "rnet.onnx", "--fix", tmp_path / name)
    assert result.exit_code == 2
    assert "expected a name ending in .onnx, .dat, .npz, .pt, found" in result.stderr
    assert not list(tmp_path.iterdir())


def test_fix_is_read_back(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report does not claim a fix that the written file does not contain."""
    from mtcnn_cpp.ports.doctor import repair

    def wrong(network: object, stage: str, path: Path) -> None:
        path.write_bytes((exported / "pnet.onnx").read_bytes())

    monkeypatch.setitem(repair.WRITERS, ".onnx", wrong)
    result = run("doctor", exported / "rnet.onnx", "--fix", tmp_path / "fixed.onnx")
    assert result.exit_code == 2
    assert "the network that was read back differs" in result.stderr
    assert "the repaired network is in" not in result.stderr


def test_unrepairable_network_is_not_written(tmp_path: Path) -> None:
    from planted import MISTAKES, correct, to_onnx

    mistake = next(mistake for mistake in MISTAKES if mistake.name == "LeakyReLU")
    onnx.save(to_onnx(mistake.plant(correct("pnet"), "pnet"), "pnet"), tmp_path / "theirs.onnx")
    result = run("doctor", tmp_path / "theirs.onnx", "--fix", tmp_path / "fixed.onnx")
    assert result.exit_code == 2
    assert "cannot be repaired by rearranging its numbers: prelu1: LeakyReLU" in result.stderr
    assert not (tmp_path / "fixed.onnx").exists()
