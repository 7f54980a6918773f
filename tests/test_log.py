"""The logger "mtcnn_cpp": silent by default, and a few records for programs that add a handler."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector, FaceDetectorMTCNN
from mtcnn_cpp._util.cpus import usable_cpus

PROGRAM = """
import numpy as np
from mtcnn_cpp import Detector, FaceDetectorMTCNN, sample_image
{before}
detector = Detector()
detector.detect(sample_image())
detector.detect_batch([None, np.zeros((9, 9, 3), np.uint8)], on_error="skip")
FaceDetectorMTCNN().detect_faces(sample_image())
"""


def run_program(before: str = "") -> tuple[str, str]:
    code = PROGRAM.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_nothing_is_printed_by_default() -> None:
    assert run_program() == ("", "")
    assert run_program("import logging") == ("", "")


def test_modules_that_a_detection_does_not_need() -> None:
    names = ["difflib", "hashlib", "html", "logging", "lzma", "shutil"]
    code = "import sys; from mtcnn_cpp import Detector, sample_image; Detector().detect(sample_image())"
    code += f"\nfor name in {names}: print(name, name in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [word for name in names for word in (name, "False")]


def test_a_handler_gets_the_records() -> None:
    output, errors = run_program("import logging; logging.basicConfig(level=logging.INFO)")
    assert output == ""
    lines = errors.splitlines()
    assert all(line.startswith(("INFO:mtcnn_cpp:", "WARNING:mtcnn_cpp:")) for line in lines)
    assert sum("default number of threads: " in line for line in lines) == 2
    assert sum("backend core: the networks run in " in line for line in lines) == 2
    assert sum("image 0 is skipped: image must be " in line for line in lines) == 1
    assert len(lines) == 5  # nothing for each detection


@pytest.mark.parametrize(
    ("variable", "value"), [("MTCNN_CPP_THREADS", "1"), ("OMP_NUM_THREADS", "1"), ("", "")]
)
def test_the_record_of_threads_names_the_cause(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("MTCNN_CPP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable or "UNUSED", value)
    with caplog.at_level(logging.INFO, "mtcnn_cpp"):
        Detector(backend="reference")
    threads, backend = [record.getMessage() for record in caplog.records]
    count = 1 if variable else usable_cpus()
    reason = f"set by {variable}" if variable else "all CPUs that are available to this process"
    cpus = f"available: {usable_cpus()} of {os.cpu_count()} CPUs"
    assert threads == f"default number of threads: {count} ({reason}); {cpus}"
    assert backend == "backend reference: the networks run in reference"


def test_given_threads_and_returned_errors_have_no_record(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mtcnn_cpp"):
        detector = Detector(backend="core", threads=1)
        detector.detect_batch([portrait(), np.zeros((3, 9, 9), np.uint8)], on_error="return")
        detector.replace(min_face=30).detect(portrait())  # the same networks
        del caplog.records[0]
        assert caplog.records == []
        FaceDetectorMTCNN()
    assert len(caplog.records) == 2


def test_the_process_for_graphs_has_a_record() -> None:
    pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")
    code = """
import logging, tempfile
from mtcnn_cpp import Model
from mtcnn_cpp.backends import OnnxRunner
from mtcnn_cpp.formats import export_onnx
logging.basicConfig(level=logging.INFO)
with tempfile.TemporaryDirectory() as folder:
    OnnxRunner(export_onnx(Model.default(), folder)["pnet"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if ":mtcnn_cpp:" in line]
    assert len(lines) == 1
    assert re.fullmatch(
        r"INFO:mtcnn_cpp:process \d+ was started; it runs ONNX graphs in onnxruntime", lines[0]
    )
