"""The version of OpenCV, which changes pixels of the same file, stands beside every result."""

from __future__ import annotations

import json
from pathlib import Path

import mtcnn_cpp
import pytest
from images import portrait
from mtcnn_cpp import Detector, sample_image
from mtcnn_cpp.cli import app
from mtcnn_cpp.media.image.opencv import opencv_version
from typer.testing import CliRunner, Result

cv2 = pytest.importorskip("cv2")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})


def test_it_names_opencv_and_its_ffmpeg() -> None:
    assert opencv_version().startswith(f"{cv2.__version__} (libavcodec ")


def test_resuming_with_another_one_is_refused(tmp_path: Path) -> None:
    picture, folder = tmp_path / "a.png", tmp_path / "parts"
    cv2.imwrite(str(picture), portrait())
    command = ["detect", str(picture), "-o", str(folder), "--format", "csv"]
    assert run(*command).exit_code == 0
    manifest = folder / "_job.json"
    job = json.loads(manifest.read_text())
    assert job["settings"]["opencv"] == opencv_version()
    assert run(*command, "--resume").exit_code == 0

    job["settings"]["opencv"] = "4.12.0 (libavcodec 59.37.100)"
    manifest.write_text(json.dumps(job))
    result = run(*command, "--resume")
    assert result.exit_code == 2
    text = " ".join(result.stderr.split())
    assert f'opencv was "4.12.0 (libavcodec 59.37.100)", now "{opencv_version()}"' in text

    del job["settings"][
        "opencv"
    ]  # a job of an earlier release: the OpenCV version that decoded its files is unknown
    manifest.write_text(json.dumps(job))
    result = run(*command, "--resume")
    assert result.exit_code == 2
    assert f'opencv was not recorded, now "{opencv_version()}"' in " ".join(result.stderr.split())


def test_tables_in_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    picture, table = tmp_path / "a.png", tmp_path / "t.parquet"
    cv2.imwrite(str(picture), portrait())
    assert run("detect", str(picture), "-o", str(table)).exit_code == 0
    found = parquet.read_schema(table).metadata
    assert found[b"opencv"].decode() == opencv_version()
    assert found[b"mtcnn_cpp"].decode() == mtcnn_cpp.__version__


def test_traces_and_info() -> None:
    trace = Detector().trace(sample_image(), only=["final/*"])
    assert trace.manifest.made_by["opencv"] == opencv_version()
    assert json.loads(run("info", "--format", "json").stdout)["opencv"] == opencv_version()
    assert opencv_version() in " ".join(run("info").stdout.split())
