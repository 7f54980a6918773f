"""dump, diff, inspect, validate, compare, explain: output, files and exit codes."""

from __future__ import annotations

import dataclasses
import json
import re
from importlib.util import find_spec
from pathlib import Path

import mtcnn_cpp
import numpy as np
import png
import pytest
from images import BACKENDS, FAST, portrait
from mtcnn_cpp import Model
from mtcnn_cpp.cli import app
from mtcnn_cpp.model import Conv2d, Network
from mtcnn_cpp.trace import Trace
from typer.testing import CliRunner, Result


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image and its trace, a port whose RNet has a transposed kernel, and the port's trace."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "face.png").write_bytes(png.encode(portrait()))
    model = Model.default()
    number = model.rnet.names.index("conv2")
    conv = model.rnet.layers[number]
    assert isinstance(conv, Conv2d)
    transposed = Conv2d(conv.kernel.transpose(0, 1, 3, 2), conv.bias)
    layers = (*model.rnet.layers[:number], transposed, *model.rnet.layers[number + 1 :])
    dataclasses.replace(model, rnet=Network(layers)).save(folder / "port")
    for name, options in {"gold.npz": (), "port.npz": ("--model", folder / "port")}.items():
        made = run("dump", folder / "face.png", "-o", folder / name, "--backend", FAST, *options)
        assert made.exit_code == 0, made.output
    return folder


@pytest.mark.parametrize("backend", BACKENDS)
def test_dump_then_diff_between_backends(backend: str, folder: Path, tmp_path: Path) -> None:
    made = run("dump", folder / "face.png", "-o", tmp_path / "a.npz", "--backend", backend)
    assert made.exit_code == 0
    count = len(Trace.load(folder / "gold.npz"))
    assert re.search(rf"a.npz: {count} tensors, \d+\.\d\d MB, capture level full\n$", made.stdout)
    assert (
        "about 0.4 MB for the image and PNet, then 0.17 MB per crop in RNet and 0.94 MB per crop"
        in made.stderr
    )
    compared = run("diff", folder / "gold.npz", tmp_path / "a.npz")
    assert (compared.exit_code, compared.stdout) == (
        0,
        f"no divergence in {count} tensors ({count} identical)\n",
    )


def test_diff_names_the_planted_fault(folder: Path) -> None:
    result = run("diff", folder / "gold.npz", folder / "port.npz", "--rows", 3)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert re.match(
        r"first divergence: rnet/crop000/conv2 \(tensor \d+ of \d+; \d+ failed\): different: ", lines[0]
    )
    assert re.match(r"worst element at \(\d+, \d, \d\): a = .* \(-?0x1\.", lines[1])
    assert lines[2].startswith("it passes with ulp ")
    assert lines[3].startswith("note: different model: rnet is 95e9c4203ca0… in a,")
    rows = [line.split()[0] for line in lines if line.startswith("  rnet/")]
    assert rows == ["rnet/crop000/conv2", "rnet/crop000/prelu2", "rnet/crop000/pool2"]
    assert re.fullmatch(r"… and \d+ more failed tensors \(--rows 0 prints all tensors\)", lines[-3])
    assert lines[-2] == f"next: mtcnn-cpp doctor {folder / 'port.npz'} --against {folder / 'gold.npz'}"
    assert lines[-1].startswith(f"next: mtcnn-cpp explain {folder / 'gold.npz'} {folder / 'port.npz'} rnet/")


def test_diff_of_two_captured_layers(folder: Path, tmp_path: Path) -> None:
    port = Trace.load(folder / "port.npz")
    some = {name: port[name] for name in ("rnet/crop000/pool1", "rnet/crop000/conv2")}
    Trace.from_arrays(some).save(tmp_path / "two.npz")
    result = run("diff", folder / "gold.npz", tmp_path / "two.npz")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "first divergence: rnet/crop000/conv2 (tensor 2 of 2; 1 failed): different: "
    )
    count = len(Trace.load(folder / "gold.npz")) - 2
    assert len(re.findall(rf"^note: {count} tensors of a are missing in b: ", result.stdout, re.M)) == 1
    assert len([line for line in result.stdout.splitlines() if line.startswith("  rnet/")]) == 1
    result = run("diff", folder / "gold.npz", tmp_path / "two.npz", "--strict")
    assert "first divergence: pnet/level00/input" in result.stdout
    assert "missing: " in result.stdout


def test_diff_as_json(folder: Path) -> None:
    result = run("diff", folder / "gold.npz", folder / "port.npz", "--format", "json", "--fail-fast")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["ok"], found["first_divergence"]) == (False, "rnet/crop000/conv2")
    assert found["tensors"][-1]["name"] == "rnet/crop000/conv2"


def test_diff_with_only_and_tolerance(folder: Path) -> None:
    sides = (folder / "gold.npz", folder / "port.npz")
    assert run("diff", *sides, "--only", "pnet/*").exit_code == 0
    assert run("diff", *sides, "--only", "rnet/crop000/conv2", "--tolerance", "1e-5").exit_code == 1
    assert run("diff", *sides, "--only", "rnet/crop000/conv2", "--tolerance", "100").exit_code == 0
    assert run("diff", *sides, "--only", "rnet/crop000/conv2", "--tolerance", "1e-5share").exit_code == 1
    assert run("diff", *sides, "--only", "rnet/crop000/conv2", "--tolerance", "*=2share").exit_code == 0
    exact, loose = ("--tolerance", "*=0"), ("--tolerance", "rnet/*=9e9ulp")
    assert run("diff", *sides, "--only", "rnet/crop000/*", *exact, *loose).exit_code == 0
    assert run("diff", *sides, "--only", "rnet/crop000/*", *loose, *exact).exit_code == 1


@pytest.mark.skipif(
    find_spec("tomllib") is None and find_spec("tomli") is None, reason="TOML needs Python 3.11 or tomli"
)
def test_diff_with_tolerances_from_a_file(folder: Path, tmp_path: Path) -> None:
    sides = (folder / "gold.npz", folder / "port.npz")
    (tmp_path / "t.toml").write_text('"rnet/*" = 100\n')
    passed = run("diff", *sides, "--only", "rnet/crop000/*", "--tolerance", tmp_path / "t.toml", "--rows", 0)
    assert passed.exit_code == 0
    assert "close" in passed.stdout


def test_diff_writes_html(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'mtcnn-cpp[report]'")
    pytest.importorskip("jinja2", reason="needs the extra: pip install 'mtcnn-cpp[report]'")
    sides = (folder / "gold.npz", folder / "port.npz")
    result = run("diff", *sides, "--only", "rnet/crop000/conv2", "--html", tmp_path / "r.html")
    assert result.exit_code == 1
    assert result.stderr == f"report written to {tmp_path / 'r.html'}\n"
    assert "<h1>rnet/crop000/conv2</h1>" in (tmp_path / "r.html").read_text("utf-8")


def test_inspect_lists_and_shows(folder: Path) -> None:
    gold = folder / "gold.npz"
    listed = run("inspect", gold)
    assert listed.exit_code == 0
    trace = Trace.load(gold)
    found = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ") and "/" in line]
    assert [name for name in found if name in trace] == list(trace)
    some = run("inspect", gold, "pnet/*/heat_map", "--format", "json")
    assert [entry["name"] for entry in json.loads(some.stdout)["tensors"]] == [
        name for name in trace if name.endswith("heat_map")
    ]
    one = run("inspect", gold, "pnet/level00/heat_map")
    assert "'maximum': " in one.stdout
    assert "[[" in one.stdout
    result = json.loads(run("inspect", gold, "pnet/level00/heat_map", "--format", "json").stdout)
    assert np.array_equal(np.float32(result["values"]), trace["pnet/level00/heat_map"])
    element = run("inspect", gold, "pnet/level00/heat_map", "--at", "1,2")
    value = np.float32(trace["pnet/level00/heat_map"][1, 2])
    assert f"'value': '{value!s}', 'hex': '{float(value).hex()}'" in element.stdout


@pytest.mark.parametrize("backend", BACKENDS)
def test_validate(backend: str, folder: Path) -> None:
    assert run("validate", folder / "gold.npz", "--backend", backend).exit_code == 0
    failed = run("validate", folder / "port.npz", "--backend", backend)
    assert failed.exit_code == 1
    assert failed.stdout.startswith("first divergence: rnet/crop000/conv2")
    assert (
        run("validate", folder / "port.npz", "--backend", backend, "--model", folder / "port").exit_code == 0
    )
    isolated = run("validate", folder / "port.npz", "--backend", backend, "--isolated", "--format", "json")
    assert isolated.exit_code == 1
    guilty = {row["name"] for row in json.loads(isolated.stdout)["tensors"] if not row["ok"]}
    assert {name.rpartition("/")[2] for name in guilty} == {"conv2"}
    assert all(name.startswith("rnet/") for name in guilty)


def test_validate_a_hash_trace_needs_the_image(folder: Path, tmp_path: Path) -> None:
    run("dump", folder / "face.png", "-o", tmp_path / "h.npz", "--capture", "hash", "--backend", FAST)
    without = run("validate", tmp_path / "h.npz", "--backend", FAST)
    assert (without.exit_code, without.stdout) == (2, "")
    assert "contains no pixels (level hash); pass the image as well" in without.stderr
    image = ("--image", folder / "face.png")
    assert run("validate", tmp_path / "h.npz", "--backend", FAST, *image).exit_code == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_compare_runs_both_and_annotates(backend: str, folder: Path, tmp_path: Path) -> None:
    drawing = tmp_path / "both.png"
    sides = ("--a", backend, "--b", FAST, "--annotated", drawing)
    result = run("compare", folder / "face.png", *sides, "--format", "json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["ok"]
    assert [(face["a"], face["b"], face["iou"], face["apart"]) for face in found["faces"]] == [
        (0, 0, 1.0, [0.0] * 4)
    ]
    assert png.decode(drawing.read_bytes()).shape == portrait().shape
    assert result.stderr == f"annotated image written to {drawing}\n"


def test_compare_two_models(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sides = ("--a", FAST, "--b", FAST, "--model-b", folder / "port")
    result = run("compare", folder / "face.png", *sides, "--rows", 2)
    assert result.exit_code == 1
    assert "first divergence: rnet/crop000/conv2" in result.stdout
    assert "IoU" in result.stdout
    assert (tmp_path / f"face_{FAST}_{FAST}.png").exists()
    isolated = run("compare", folder / "face.png", *sides, "--isolated", "--no-annotated", "--format", "json")
    found = json.loads(isolated.stdout)
    assert found["mode"] == "isolated"
    assert {row["name"].split("/")[2] for row in found["tensors"] if not row["ok"]} == {"conv2"}


def test_explain(folder: Path) -> None:
    result = run("explain", folder / "gold.npz", "pnet/level01/conv1", "--at", "0,0,1")
    assert result.exit_code == 0
    assert "Conv2d of pnet/level01/input" in result.stdout
    value = Trace.load(folder / "gold.npz")["pnet/level01/conv1"][0, 0, 1]
    assert f"recorded: {value!s} ({float(value).hex()})" in result.stdout
    assert "float32, fused (the specification's): " in result.stdout
    found = json.loads(
        run("explain", folder / "gold.npz", "pnet/level01/conv1", "--at", "0,0,1", "--format", "json").stdout
    )
    assert len(found["steps"]) == 27
    assert found["results"]["fma"] == found["recorded"] == float(value).hex()
    port = folder / "port.npz"
    assert run("explain", port, "rnet/crop000/conv2", "--at", "0,0,1").exit_code == 2
    official = Path(mtcnn_cpp.__file__).parent / "weights"
    assert run("explain", port, "rnet/crop000/conv2", "--at", "0,0,1", "--model", official).exit_code == 1
    assert (
        run("explain", port, "rnet/crop000/conv2", "--at", "0,0,1", "--model", folder / "port").exit_code == 0
    )


def test_explain_two_traces(folder: Path) -> None:
    sides = (folder / "gold.npz", folder / "port.npz", "rnet/crop000/conv2", "--at", "0,0,1")
    result = run("explain", *sides, "--model-b", folder / "port")
    assert result.exit_code == 1
    assert "the first step that differs is step 2 of 252: the weight is " in result.stdout
    assert len(re.findall(r"^ +→ 2 ", result.stdout, re.M)) == 1
    assert result.stdout.count("recorded in ") == 2
    found = json.loads(run("explain", *sides, "--model-b", folder / "port", "--format", "json").stdout)
    assert (found["ok"], found["parting"], len(found["b"]["steps"])) == (False, 1, 252)
    same = run("explain", folder / "gold.npz", folder / "gold.npz", "pnet/level01/conv1", "--at", "0,0,1")
    assert same.exit_code == 0
    assert "all steps and both values are equal" in same.stdout
    many = run("explain", folder / "gold.npz", "a", "b", "c", "--at", "0,0,1")
    assert (many.exit_code, "expected one or two traces and one name" in many.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diff", "{}/gold.npz", "{}/none.npz"], "none.npz: no such file"),
        (["diff", "{}/face.png", "{}/gold.npz"], "face.png is not a trace"),
        (
            ["diff", "{}/gold.npz", "{}/port.npz", "--tolerance", "x"],
            "--tolerance must be a value such as 1e-5, 4ulp",
        ),
        (
            ["diff", "{}/gold.npz", "{}/port.npz", "--tolerance", "fnord/*=1"],
            "pattern 'fnord/*' matches no tensor",
        ),
        (
            ["diff", "{}/gold.npz", "{}/port.npz", "--only", "fnord/*"],
            "pattern 'fnord/*' matches no tensor name",
        ),
        (["inspect", "{}/gold.npz", "pnet/conv1"], "has no tensor 'pnet/conv1'; the nearest: "),
        (["inspect", "{}/gold.npz", "pnet/*/conv9"], "matches no tensor name; the nearest: pnet/level*/conv"),
        (
            ["inspect", "{}/gold.npz", "pnet/boxes", "--at", "1,x"],
            "--at must be whole numbers separated by commas",
        ),
        (["inspect", "{}/gold.npz", "pnet/boxes", "--at", "1,9"], "--at 1,9 is outside"),
        (["validate", "{}/face.png"], "face.png is not a trace"),
        (
            ["explain", "{}/gold.npz", "pnet/level00/conv1", "--at", "99,0,0"],
            "the index 99,0,0 is outside this shape",
        ),
        (["explain", "{}/gold.npz", "final/boxes", "--at", "0,0"], "does not belong to a network"),
        (["dump", "{}/none.png", "-o", "{}/x.npz"], "none.png: there is no such image file"),
        (["dump", "--sample", "-o", "{}/no/x.npz"], "the folder {}/no does not exist"),
        (
            ["dump", "--sample", "-o", "{}/x.npz", "--only", "rnet/conv1"],
            "matches no tensor name; the nearest: ",
        ),
        (["dump", "-o", "{}/x.npz"], "give one image: an image file, or --sample"),
        (["compare", "--sample", "--a", "fnord"], "backend must be one of "),
    ],
)
def test_errors_have_exit_code_2(arguments: list[str], message: str, folder: Path) -> None:
    if arguments[0] in ("dump", "validate"):
        arguments = [*arguments, "--backend", FAST]
    result = run(*(argument.replace("{}", str(folder)) for argument in arguments))
    assert result.exit_code == 2
    assert message.replace("{}", str(folder)) in re.sub(r"\s*│\n│\s*", " ", result.stderr)
    assert result.stdout == ""
    assert not (folder / "x.npz").exists()


def test_two_images_cannot_be_compared(folder: Path, tmp_path: Path) -> None:
    run("dump", "--sample", "-o", tmp_path / "other.npz", "--capture", "hash", "--backend", FAST)
    result = run("diff", folder / "gold.npz", tmp_path / "other.npz")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: the traces are of different images: ")
