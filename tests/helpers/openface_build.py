"""Configuration of builds with OpenFace, for tests of what CMake finds and reports."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from images import ROOT


class Configuration:
    """Configures this project with one of the options that select an OpenFace.

    All calls use the same build folder, in which CMake has found the compiler and Python before. A call of
    CMake in a new folder takes ten times as long.
    """

    def __init__(self, folder: Path, option: str) -> None:
        self._option, self._build, self._prepared = option, folder / "build", folder / "prepared"
        fine, output = self._run("relative")
        assert not fine
        assert 'found "relative"' in output, output  # after everything else was found
        self._build.rename(self._prepared)

    def __call__(self, where: object, *options: str) -> tuple[bool, str]:
        """Return whether CMake succeeded, and its messages without line breaks."""
        shutil.rmtree(self._build, ignore_errors=True)
        shutil.copytree(self._prepared, self._build)
        return self._run(where, *options)

    def _run(self, where: object, *options: str) -> tuple[bool, str]:
        import pybind11

        command = [
            *("cmake", "-S", str(ROOT), "-B", str(self._build), "-DMTCNN_CPP_PYTHON=ON"),
            *(f"-D{self._option}={where}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"),
            *(f"-DPython_EXECUTABLE={sys.executable}", *options),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode == 0, " ".join((done.stdout + done.stderr).split())
