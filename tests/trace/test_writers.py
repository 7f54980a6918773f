"""Traces from other programs: the examples of docs/trace-format.md run, and their files are read back."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from images import ROOT, portrait
from mtcnn_cpp import Detector, Model, sample_image
from mtcnn_cpp.trace import OnnxRecorder, TorchRecorder, Trace, TraceError, compare
from mtcnn_cpp.trace.recorders import TraceBuilder

PAGE = ROOT / "docs" / "trace-format.md"
COMPILER = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")


def example(title: str) -> str:
    section = PAGE.read_text("utf-8").partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    found = re.search(r"```(?:cpp|python)\n(.*?)```", section, flags=re.S)
    assert found is not None
    return found.group(1)


def compiled(folder: Path, text: str) -> Path:
    assert COMPILER is not None
    (folder / "main.cpp").write_text(text, encoding="utf-8")
    warnings = ["-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-O1"]
    command = [COMPILER, *warnings, "-I", str(ROOT / "cpp" / "trace"), "main.cpp", "-o", "main"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return folder / "main"


@needs_compiler
def test_the_cpp_example(tmp_path: Path) -> None:
    subprocess.run([compiled(tmp_path, example("C++"))], cwd=tmp_path, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main", "main.cpp", "mine.npz"]
    expected = Trace.from_arrays(
        {
            "pnet/level00/input": np.full((3, 12, 16), -0.00390625, np.float32),
            "pnet/level00/conv1": np.float32([0.5, -1.25]).reshape(2, 1, 1),
            "pnet/nms_keep": np.int32([2, 0]),
        },
        image=np.full((48, 64, 3), 127, np.uint8),
    )
    mine = Trace.load(tmp_path / "mine.npz")
    report = compare(expected, mine, strict=True)
    assert report.counts == {"identical": 3}
    assert np.array_equal(mine.image, expected.image)
    assert mine.manifest.options == {"min_face": 48}
    assert mine.manifest.made_by == {"package": "my port 1.0"}
    assert [entry.sha256 for entry in mine.manifest.tensors] == [e.sha256 for e in expected.manifest.tensors]
    with zipfile.ZipFile(tmp_path / "mine.npz") as archive:
        assert archive.testzip() is None
    with np.load(tmp_path / "mine.npz") as arrays:
        assert np.array_equal(arrays["pnet/nms_keep"], [2, 0])


@needs_compiler
def test_cpp_edge_cases_and_errors(tmp_path: Path) -> None:
    """Lengths near the block sizes of SHA-256 and of headers, a scalar, an unfinished file, errors."""
    program = """
        #include <iostream>
        #include "mtcnn_trace_writer.h"
        template <typename F> void print_error(F f) {
            std::string message = "accepted";
            try { f(); } catch (const std::exception& e) { message = e.what(); }
            std::cout << message << "\\n";
        }
        int main() {
            std::vector<float> v(200);
            for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i) / 7;
            const double wide[2] = {0.1, -1e300};
            {
                mtcnn_trace::Writer t("a.npz");
                for (std::size_t n = 0; n < 40; ++n) t.add("x" + std::string(n, 'y'), v.data(), {n});
                t.add("scalar", v.data(), {});
                t.add("double \\"\\\\ \\xc3\\xa9", wide, {2, 1});
                print_error([&] { t.add("scalar", v.data(), {1}); });
                print_error([&] { t.add("manifest", v.data(), {1}); });
                print_error([&] { t.add("a\\x1b[31m", v.data(), {1}); });
                t.finish();
                print_error([&] { t.finish(); });
            }
            { mtcnn_trace::Writer t("b.npz"); t.add("x", v.data(), {3}); }
            print_error([] { mtcnn_trace::Writer t("nowhere/c.npz"); });
        }"""
    ran = subprocess.run(
        [compiled(tmp_path, program)], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert ran.stdout.splitlines() == [
        "two tensors are named 'scalar'",
        "no tensor can be named 'manifest'",
        "a name or text has a control character",
        "a.npz is finished",
        "nowhere/c.npz.part: cannot be written",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "main", "main.cpp"]
    trace = Trace.load(tmp_path / "a.npz")
    values = np.arange(200, dtype=np.float32) / np.float32(7)
    for number in range(40):
        assert np.array_equal(trace["x" + "y" * number], values[:number])
    assert trace["scalar"] == 0
    assert trace['double "\\ é'].tolist() == [[0.1], [-1e300]]


def test_the_pytorch_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    monkeypatch.chdir(tmp_path)
    exec(compile(example("PyTorch"), str(PAGE), "exec"), {})
    mine, gold = Trace.load("mine.npz"), Detector().trace(sample_image())
    assert len(mine) == 6 * len(gold["rnet/boxes_in"])
    assert compare(gold, mine, tolerances={"*": {"share": 1e-5}}).ok
    assert list(mine) == [name for name in gold if name in mine]  # in the order of a detection


def test_the_onnx_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")
    monkeypatch.chdir(tmp_path)
    exec(compile(example("ONNX Runtime"), str(PAGE), "exec"), {})
    mine, gold = Trace.load("mine.npz"), Detector().trace(sample_image())
    assert len(mine) == 4 * len(gold["onet/boxes_in"])
    assert compare(gold, mine, tolerances={"*": {"share": 1e-5}}).ok
    assert list(mine) == [name for name in gold if name in mine]
    recorder = OnnxRecorder()
    feeds = {"input": np.zeros((1, 3, 48, 48), np.float32)}
    with pytest.raises(TraceError, match=r"the graph has no tensor 'covn1'; the nearest: conv1"):
        recorder.run("out/onet.onnx", feeds, {"covn1": "onet/crop*/conv1"})
    with pytest.raises(TraceError, match="ONNX Runtime cannot run the graph"):
        recorder.run("out/onet.onnx", {"input": np.zeros((1, 3, 4, 4), np.float32)}, {})


def test_hooks_are_removed_and_levels_are_counted() -> None:
    torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    from mtcnn_cpp.backends.torch_modules import TorchNetwork

    pnet = TorchNetwork(Model.default().pnet, None)
    gold = Detector(backend="reference").trace(portrait())
    recorder = TorchRecorder()
    with recorder.hook(pnet, {"conv1": "pnet/level*/conv1", "fc1": "pnet/level*/fc1"}):
        for name in [name for name in gold if name.startswith("pnet/level") and name.endswith("/input")]:
            pnet(torch.from_numpy(gold[name][None].copy()))
    pnet(torch.zeros(1, 3, 12, 12))
    mine = recorder.trace(image=portrait())
    assert set(mine) == {
        name for name in gold if name.startswith("pnet/") and name.endswith(("/conv1", "/fc1"))
    }
    assert compare(gold, mine, tolerances={"*": {"share": 1e-5}}).ok
    with pytest.raises(TraceError, match=r"no module 'cnov1'; the nearest: conv1"):
        recorder.hook(pnet, {"cnov1": "x"})


def test_batches() -> None:
    """Batches are split, numbered and put in execution order; invalid names are errors."""
    batches = TraceBuilder()
    items = np.arange(5 * 2, dtype=np.float32).reshape(5, 2)
    batches.add("onet/scores", items[:, 0])
    batches.add("rnet/crop*/fc2", items[:2])
    batches.add("rnet/crop*/fc2", items[2:])
    batches.add("rnet/crop*/input", items)
    trace = batches.trace()
    assert [name for name in trace if name.endswith("fc2")] == [f"rnet/crop{n:03d}/fc2" for n in range(5)]
    assert np.array_equal(trace["rnet/crop003/fc2"], items[3])
    assert list(trace)[:3] == ["rnet/crop000/fc2", "rnet/crop000/input", "rnet/crop001/fc2"]
    assert list(trace)[-1] == "onet/scores"
    with pytest.raises(TraceError, match="two tensors have the name 'onet/scores'"):
        batches.add("onet/scores", items)
    for name in ("rnet/*/fc1", "rnet/crop*/fc*"):
        with pytest.raises(TraceError, match=r"expected one \*"):
            batches.add(name, items)
