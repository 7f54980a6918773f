#!/usr/bin/env python3
"""Builds Linux wheels that run on old systems, by zig's C++ compiler (PyPI's ziglang), and tests them.

    .ci/wheels.py build --python python3.10 --python python3.13 -o dist
    .ci/wheels.py test dist/*.whl

The compiler brings the libraries of every target and links its C++ library statically, so a wheel needs
nothing but the C library, of version 2.17 (2012) or newer. `build` makes one for each Python and target and
lets auditwheel name it. `test` makes a fresh virtual environment for each x86-64 wheel and runs the tests; a
wheel for aarch64 runs under qemu-user, on Debian's arm64 Python unpacked into a folder, which needs apt and
root. A Python that is Debian's own builds for the processor of its headers only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("x86_64-linux-gnu.2.17", "aarch64-linux-gnu.2.17", "x86_64-linux-musl", "aarch64-linux-musl")
# The name of a Python in a wheel's name.
FREE = "('t' if sysconfig.get_config_var('Py_GIL_DISABLED') else '')"
TAG = f"'cp%d%d-cp%d%d' % (sys.version_info[:2] * 2) + {FREE}"
TESTS = ("tests/core", "tests/reference", "tests/detector", "tests/test_package.py")
# The last of these starts a Python of its own, which an emulated one cannot.
EMULATED_TESTS = (
    "tests/reference/test_gold.py",
    "tests/core/test_isa.py",
    "--deselect=tests/core/test_isa.py::test_the_environment_forces_a_variant",
)
# What a Python of Debian needs, for an emulator; its NumPy and OpenCV come from PyPI.
ARM64_PACKAGES = """
    libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libbz2-1.0 liblzma5 libffi8 libssl3 libuuid1 libsqlite3-0
    libncursesw6 libtinfo6 libreadline8 libcrypt1 libdb5.3 libpython3.11-minimal libpython3.11-stdlib
    python3.11-minimal
"""


def run(command: Sequence[str | Path], **more: object) -> None:
    print("$", shlex.join(map(str, command)), flush=True)
    subprocess.run(list(map(str, command)), check=True, **more)  # type: ignore[call-overload]


def fresh_venv(folder: Path, python: str) -> Path:
    """A new virtual environment of that Python; its interpreter."""
    run([python, "-m", "venv", folder])
    run([folder / "bin" / "python", "-m", "pip", "install", "-q", "-U", "pip"])
    return folder / "bin" / "python"


def ask(python: str | Path, expression: str) -> str:
    code = f"import sys, sysconfig; print({expression})"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def link_headers(folder: Path, python: Path, target: str) -> Path:
    """A folder of headers for the compiler.

    Debian's pyconfig.h includes another one, which lies beside the headers of the machine's own C library.
    Those must not be found.
    """
    name = ask(python, f"'{target.split('-')[0]}-linux-gnu/python%d.%d' % sys.version_info[:2]")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if Path("/usr/include", name).exists() and not (folder / name).exists():
        (folder / name).symlink_to(Path("/usr/include", name))
    return folder


def make_tools(folder: Path, python: Path, target: str) -> dict[str, Path]:
    """The compiler's commands as programs of their own, which is how CMake takes them."""
    headers = link_headers(folder / "headers", python, target)
    commands = {
        "c++": f"c++ -target {target} -I{shlex.quote(str(headers))}",
        "ar": "ar",
        "ranlib": "ranlib",
    }
    for name, command in commands.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} -m ziglang {command} "$@"\n')
        (folder / name).chmod(0o755)
    return {name: folder / name for name in commands}


def build_one(python: Path, target: str, out: Path, work: Path) -> None:
    """One wheel, for the Python of a virtual environment that has the tools."""
    processor, _, library = target.partition("-linux-")
    tools = work / f"tools-{target}"
    tools.mkdir(exist_ok=True)
    programs = make_tools(tools, python, target)
    suffix = ask(python, "sysconfig.get_config_var('SOABI')").split("-x86_64")[0]
    suffix = f".{suffix}-{processor}-linux-{'musl' if library == 'musl' else 'gnu'}.so"
    flags = {
        "CMAKE_AR": programs["ar"],
        "CMAKE_RANLIB": programs["ranlib"],
        "CMAKE_MODULE_LINKER_FLAGS": "-s",  # no names of functions, where the machine has no `strip` too
        "CMAKE_INTERPROCEDURAL_OPTIMIZATION": "OFF",  # it would compile the C++ library anew
        "PYTHON_MODULE_EXTENSION": suffix,
    }
    if processor != platform.machine():  # cross compilation: CMake finds no Python without the lock then
        flags |= {"CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": processor}
    environment = os.environ | {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "CXX": str(programs["c++"]),
        "CMAKE_GENERATOR": "Ninja",
        "CMAKE_ARGS": shlex.join(f"-D{name}={value}" for name, value in flags.items()),
        "SETUPTOOLS_EXT_SUFFIX": suffix,
        "_PYTHON_HOST_PLATFORM": f"linux-{processor}",
    }
    raw = work / f"raw-{target}-{python.parent.parent.name}"
    settings = {"build-dir": str(work / f"build-{target}-{python.parent.parent.name}")}
    backend = f"import scikit_build_core.build as b; b.build_wheel({str(raw)!r}, {settings!r})"
    run([python, "-c", backend], cwd=ROOT, env=environment)
    (wheel,) = raw.glob("*.whl")
    # It knows the platforms of its own machine by name only, so it is let find the oldest one that fits.
    path = {"PATH": environment["PATH"]}
    run([python, "-m", "auditwheel", "repair", "-w", out, wheel], env=os.environ | path)
    fits = f"musllinux_1_2_{processor}" if library == "musl" else f"manylinux_2_17_{processor}"
    if not list(out.glob(f"{'-'.join(wheel.name.split('-')[:4])}-*{fits}*.whl")):
        sys.exit(f"expected a wheel for {fits}, found {', '.join(file.name for file in out.iterdir())}")


def build(pythons: Sequence[str], targets: Sequence[str], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for number, python in enumerate(pythons):
            inner = fresh_venv(work / f"python{number}", python)
            run([inner, "-m", "pip", "install", "-q", "--group", f"{ROOT / 'pyproject.toml'}:wheels"])
            for target in targets:
                build_one(inner, target, out.resolve(), work)
            for wheel in sorted(out.glob(f"*-{ask(inner, TAG)}-*.whl")):
                print(f"{wheel.name}: {wheel.stat().st_size:,} bytes")
                run([inner, "-m", "auditwheel", "show", wheel])


def test_here(wheel: Path, work: Path, tests: Sequence[str]) -> None:
    tag = wheel.name.split("-")[2]
    python = fresh_venv(work / wheel.stem, f"python{tag[2]}.{tag[3:]}")
    run([python, "-m", "pip", "install", "-q", f"{wheel}[test]"])
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], cwd=ROOT)


def arm64_python(root: Path) -> Path:
    """Debian's Python for arm64, unpacked and not installed: the machine's own packages stay as they are."""
    apt = root / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    options = (
        f'Dir::State::lists "{apt}/lists"; Dir::Cache "{apt}/cache"; Dir::State::status "{apt}/status"; '
        'APT::Architecture "arm64"; APT::Architectures {"arm64";}; APT::Sandbox::User "root";'
    )
    (apt / "apt.conf").write_text(options)
    environment = os.environ | {"APT_CONFIG": str(apt / "apt.conf")}
    run(["apt-get", "-qq", "update"], env=environment)
    run(["apt-get", "-qq", "download", *ARM64_PACKAGES.split()], cwd=apt / "debs", env=environment)
    for package in sorted((apt / "debs").glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    return root / "usr/bin/python3.11"


def test_emulated(wheel: Path, work: Path, tests: Sequence[str]) -> None:
    root, site = work / "arm64", work / "site"
    python = arm64_python(root) if not root.exists() else root / "usr/bin/python3.11"
    tools = fresh_venv(work / "installer", sys.executable)
    foreign = ["--python-version", "3.11", "--implementation", "cp", "--only-binary", ":all:"]
    for name in ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"):
        foreign += ["--platform", name]
    install = [tools, "-m", "pip", "install", "-q", "--target", site, *foreign]
    run([*install, "numpy", "opencv-python-headless", "typer", "rich", "pytest", "hypothesis", "pillow"])
    run([*install, "--no-deps", wheel])
    emulator = ["qemu-aarch64", "-L", root, "-E", f"PYTHONPATH={site}", python]
    run([*emulator, "-m", "mtcnn_cpp", "info"], cwd=work)
    run([*emulator, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], cwd=ROOT)


def test(wheels: Sequence[Path], tests: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        for wheel in wheels:
            if "musllinux" in wheel.name:
                print(f"skipped: {wheel.name} (no Python for musl here)")
            elif wheel.stem.endswith("aarch64"):
                test_emulated(wheel.resolve(), Path(name), tests or EMULATED_TESTS)
            else:
                test_here(wheel.resolve(), Path(name), tests or TESTS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build wheels")
    builder.add_argument("--python", action="append", metavar="COMMAND", help="may be given several times")
    builder.add_argument("--target", action="append", choices=TARGETS, help="may be given several times")
    builder.add_argument("-o", "--out", type=Path, default=Path("dist"))
    tester = commands.add_parser("test", help="test wheels")
    tester.add_argument("wheels", type=Path, nargs="+")
    tester.add_argument(
        "--tests", action="append", default=[], help="a path for pytest; may be given several times"
    )
    arguments = parser.parse_args()
    if arguments.command == "build":
        build(arguments.python or [sys.executable], arguments.target or TARGETS[:2], arguments.out)
    else:
        test(arguments.wheels, arguments.tests)


if __name__ == "__main__":
    main()
