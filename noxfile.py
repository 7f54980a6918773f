"""Checks for contributors: `nox -s quick`, or another session of `nox -l`.

Each session has its own virtual environment, which is kept. With `--no-venv`, the sessions use the current
environment and install nothing.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["quick"]
nox.options.reuse_venv = "yes"

PROJECT = nox.project.load_toml("pyproject.toml")
BUILD = nox.project.dependency_groups(PROJECT, "build")
QUICK = (
    "tests/core tests/reference tests/detector tests/jobs/table tests/test_model.py tests/test_floors.py "
    "tests/docs/test_language.py"
)
SPELLING = ("*.py", "*.pyi", "*.md", "*.h", "*.cpp", "*.toml", "*.js", "*.html", ".ci/*")


def install(session: nox.Session, extras: str, *packages: str) -> None:
    """Install the package, editable, with extras. It is built again if `cpp/` has changed."""
    if session.venv_backend != "none":
        session.install(*BUILD, *packages)
        session.install(
            "--no-build-isolation", "--config-settings=cmake.define.MTCNN_CPP_WERROR=ON", "-e", f".[{extras}]"
        )


def tracked(session: nox.Session, *patterns: str) -> list[str]:
    """Return the files that git tracks, by patterns."""
    files = session.run("git", "ls-files", *patterns, silent=True, log=False, external=True)
    return str(files).split()


@nox.session
def quick(session: nox.Session) -> None:
    """Run what most changes need: style, core, reference, detector, tables. A minute after the build."""
    install(session, "test", "ruff")
    session.run("ruff", "check", ".")
    session.run("pytest", "-q", "-n", "auto", *QUICK.split(), *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests that need no extra."""
    install(session, "test")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling and types of Python, the stub of the core, and the style of C++."""
    install(session, "dev")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell", *tracked(session, *SPELLING), log=False)
    session.run("mypy")
    session.run("python", "-m", "mypy.stubtest", "mtcnn_cpp._core")
    session.run("pytest", "-q", "tests/test_typing.py")
    session.run("clang-format", "--dry-run", "--Werror", *tracked(session, "*.h", "*.cpp"), log=False)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site in build/site, and run the examples of all pages."""
    install(session, "docs,report,track,test")
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-q", "docs", "build/site")
    session.run("pytest", "-q", "-n", "auto", "--slow", "tests/docs", *session.posargs)


@nox.session
def cpp(session: nox.Session) -> None:
    """Run the C++ tests: a release build, then with the sanitizers."""
    if session.venv_backend != "none":
        session.install("cmake", "ninja")
    for preset in ("default", "asan-ubsan", "tsan"):
        session.run("cmake", "--preset", preset)
        session.run("cmake", "--build", "--preset", preset)
        session.run("ctest", "--preset", preset, "-j", "2")


@nox.session(venv_backend="none")
def all(session: nox.Session) -> None:
    """Run everything, as .ci/run does: more than half an hour on two cores."""
    session.run(".ci/run", external=True)
