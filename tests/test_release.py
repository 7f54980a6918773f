"""What is said in several places agrees, and the check before a release finds what does not."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from images import ROOT


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parts = load(ROOT / ".ci" / "parts.py")
release = load(ROOT / ".ci" / "release.py")
VERSION = release.found(ROOT / "pyproject.toml", r'^version = "([^"]+)"$')


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that is ready to be released."""
    for name in ("pyproject.toml", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n## {VERSION} (2026-01-31)\n\n* One.\n\n## 0.0.1\n")
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_this_tree_agrees_with_itself() -> None:
    assert release.problems(ROOT, None) == []


def test_a_tree_that_is_ready(tree: Path) -> None:
    assert release.problems(tree, f"v{VERSION}") == []


@pytest.mark.parametrize("tag", [VERSION, f"v{VERSION}.1", "v9.9.9", "", "main"])
def test_another_tag(tree: Path, tag: str) -> None:
    (problem,) = release.problems(tree, tag)
    assert problem == f"tag: expected v{VERSION}, as pyproject.toml has it, found {tag}"


@pytest.mark.parametrize("heading", ["Unreleased", "0.0.1", f"{VERSION}1"])
def test_another_heading(tree: Path, heading: str) -> None:
    change(tree / "CHANGELOG.md", f"## {VERSION} (2026-01-31)", f"## {heading}")
    (problem,) = release.problems(tree, f"v{VERSION}")
    assert problem == f"CHANGELOG.md: expected the first heading to be {VERSION}, found {heading}"


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("CITATION.cff", f"version: {VERSION}\n", "version: 9.9.9\n", "CITATION.cff: expected version"),
        ("CITATION.cff", f"version: {VERSION}\n", "", "found nothing"),
        ("pyproject.toml", '">=3.10"', '">=3.11"', "the first classifier of a Python version to be 3.11"),
        (
            "pyproject.toml",
            '    "Programming Language :: Python :: 3.12",\n',
            "",
            "expected classifiers 3.10, 3.11",
        ),
    ],
)
def test_other_things_that_differ(tree: Path, file: str, old: str, new: str, expected: str) -> None:
    change(tree / file, old, new)
    problems = release.problems(tree, f"v{VERSION}")
    assert problems
    assert expected in problems[0]


def test_the_command_ends_with_1() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "release.py"), "v9.9.9"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "found v9.9.9" in done.stdout


def test_actions_are_pinned() -> None:
    """By the whole commit, with the version beside it; and one action has one version."""
    pins: dict[str, set[str]] = {}
    for workflow in (ROOT / ".github" / "workflows").iterdir():
        for use in re.findall(r"uses: (.+)", workflow.read_text(encoding="utf-8")):
            if use.startswith("./"):
                continue
            pin = re.fullmatch(r"([\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", use)
            assert pin, f"{workflow.name}: {use}"
            pins.setdefault(pin[1], set()).add(pin[2])
    assert len(pins) >= 5
    assert {name: pin for name, pin in pins.items() if len(pin) > 1} == {}


def test_build_requirements_agree() -> None:
    """What builds in isolation is what the group for builds without it has."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    isolated = re.search(r"^requires = \[(.+?)\]", project, re.MULTILINE)
    group = re.search(r"^build = \[(.+?)\]", project, re.MULTILINE)
    assert isolated
    assert group
    assert set(re.findall(r'"[^"]+"', isolated[1])) < set(re.findall(r'"[^"]+"', group[1]))


def test_parts_of_the_checks() -> None:
    """Files decide which parts of .ci/run a workflow runs; an unknown commit or file needs all of them."""
    everything = parts.all_parts()
    assert {"tests", "lint", "cpp", "dist"} < {*everything}
    assert parts.choose_parts([]) == []
    assert parts.choose_parts(["docs/faq.md", "README.md"]) == ["tests", "docs", "lint"]
    assert parts.choose_parts([".github/workflows/checks.yml"]) == ["tests", "lint"]
    chosen = parts.choose_parts(["docs/gallery/stages.py", "python/mtcnn_cpp/model.py"])
    assert {*everything} - {*chosen} == {"cpp", "arm"}
    for path in ("cpp/mtcnn/boxes.cpp", "pyproject.toml", "cmake/x.md", "noxfile.py", ".ci/run", "new.file"):
        assert parts.choose_parts([path, "README.md"]) == everything
    assert {*everything} >= set().union(*parts.PARTS.values())
    assert parts.changed_paths("0" * 40) is None
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    for part in everything:
        assert f"in_part {part}" in script


def test_wheels_and_the_source_distribution_have_the_same_tests() -> None:
    config = release.found(ROOT / "pyproject.toml", r'^test-command = "pytest (.*)"$')
    workflow = (ROOT / ".github" / "workflows" / "wheels.yml").read_text("utf-8")
    assert f"pytest -q {config.replace('{project}/', '')}" in workflow
    for path in config.replace("{project}/", "").split():
        assert (ROOT / path).exists()
