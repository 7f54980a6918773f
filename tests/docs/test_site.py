"""The site: built without a warning, with every public name and every option; the gallery's scripts run."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from images import ROOT
from mtcnn_cpp.cli import app
from typer.testing import CliRunner

DOCS = ROOT / "docs"
NEEDED = "needs the extra docs: pip install 'mtcnn-cpp[docs]'"


@pytest.fixture(scope="module")
def parts() -> Iterator[None]:
    """`site_parts` can be imported."""
    sys.path.insert(0, str(DOCS))
    yield
    sys.path.remove(str(DOCS))


def build(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", str(source), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The site. The workers of pytest-xdist build it once: two builds would use the same `docs/generated`."""
    fcntl = pytest.importorskip("fcntl", reason="locks of POSIX systems")
    for module in ("sphinx", "myst_parser", "furo", "sphinx_copybutton"):
        pytest.importorskip(module, reason=NEEDED)
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "site"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            done = build(DOCS, folder)
            if done.returncode != 0:
                shutil.rmtree(folder, ignore_errors=True)
            assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("script", sorted((DOCS / "gallery").glob("*.py")), ids=lambda script: script.stem)
def test_the_gallery(script: Path, tmp_path: Path) -> None:
    for module in set(re.findall(r"^(?:import|from) (\w+)", script.read_text("utf-8"), flags=re.M)):
        pytest.importorskip(module, reason=f"needs {module}: see docs/gallery/README.md")
    if script.stem == "table_in_r" and shutil.which("Rscript") is None:
        pytest.skip("needs R: apt-get install r-base-core")
    gallery = importlib.import_module("site_parts.gallery")
    printed, pictures = gallery.run(script, tmp_path)
    assert printed
    assert pictures
    page = gallery.page(script, printed, pictures)
    assert page.startswith("# ")
    assert all(f"]({picture})" in page for picture in pictures)
    assert all(path.name.startswith(script.stem) for path in tmp_path.iterdir())


@pytest.mark.usefixtures("parts")
def test_a_script_that_fails_is_named(tmp_path: Path) -> None:
    gallery = importlib.import_module("site_parts.gallery")
    (tmp_path / "bad.py").write_text("1 / 0", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"bad\.py: exit code 1\n(.|\n)*ZeroDivisionError"):
        gallery.run(tmp_path / "bad.py", tmp_path)


@pytest.mark.usefixtures("parts")
def test_every_option_of_every_command_has_a_row() -> None:
    commands = importlib.import_module("site_parts.commands")
    pages = commands.pages()
    words = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    names = re.findall(r"^│ ([a-z][a-z-]*) ", words, flags=re.M)
    assert len(names) >= 14
    assert set(names) == set(pages) - {"index"}
    for name in names:
        text = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "400", "TERM": "dumb"}).output
        options = set(
            re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", "\n".join(re.findall(r"^│ .{60}", text, flags=re.M)))
        )
        rows = re.findall(r"^\| `([^`]*)`", pages[name], flags=re.M)
        shown = {option for row in rows for option in re.findall(r"--[a-z][a-z0-9-]+", row)}
        assert options == shown | {"--help"}, name
        assert f"]({name}.md)" in pages["index"]


@pytest.mark.usefixtures("parts")
def test_every_public_name_is_there(site: Path) -> None:
    """Once, in the first module that has it; the others have a link."""
    from sphinx.util.inventory import InventoryFile

    reference = importlib.import_module("site_parts.reference")

    with (site / "objects.inv").open("rb") as file:
        found = InventoryFile.load(file, "", lambda base, name: name)
    inventory = found.data if hasattr(found, "data") else found
    names = {name for kind, objects in inventory.items() if kind.startswith("py:") for name in objects}
    first: dict[tuple[str, int], str] = {}
    for module, name, value in reference.names():
        home = first.setdefault((name, id(value)), f"{module}.{name}")
        assert home in names, f"{module}.{name}"
    assert len(first) > 60
    assert first["Trace", id(importlib.import_module("mtcnn_cpp").Trace)] == "mtcnn_cpp.Trace"
    assert "mtcnn_cpp.Detector.detect_batch" in names


@pytest.mark.usefixtures("parts")
def test_only_modules_of_the_reference_have_public_names() -> None:
    modules = importlib.import_module("site_parts.reference").MODULES
    package = ROOT / "python" / "mtcnn_cpp"
    found = set()
    for file in package.rglob("*.py"):
        if re.search(r"^__all__ = ", file.read_text(encoding="utf-8"), flags=re.M):
            parts = file.relative_to(package.parent).with_suffix("").parts
            found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    assert found == set(modules)


def test_a_fault_is_found_in_five_clicks(site: Path) -> None:
    """The way is on the front page; the first click is on this site, the others are in the report."""
    steps = re.findall(r"^\d\. (.*)$", (DOCS / "index.md").read_text("utf-8"), flags=re.M)
    assert len(steps) <= 5
    assert steps[0].startswith("Click [Finding a fault](finding-a-fault.md)")
    front = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="finding-a-fault.html"' in front.partition("traced-fault")[2]
    template = (ROOT / "python" / "mtcnn_cpp" / "trace" / "report" / "report.html.j2").read_text(
        encoding="utf-8"
    )
    assert "Computation of the worst value" in steps[3]
    assert "Computation of the worst value" in template


def test_links_to_code_are_links_to_pages(site: Path) -> None:
    page = (site / "tutorial.html").read_text(encoding="utf-8")
    assert 'href="generated/gallery/smaller_faces.html"' in page
    assert "Not run by the tests: needs a camera." in (site / "command-line.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "fault", ["[x](gone.md)", "[x](#nowhere)", "```{eval-rst}\n:py:class:`mtcnn_cpp.Gone`\n```"]
)
def test_a_planted_fault_ends_the_build(fault: str, tmp_path: Path) -> None:
    pytest.importorskip("myst_parser", reason=NEEDED)
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_parser', 'sphinx.ext.autodoc']\nmyst_heading_anchors = 4\n", encoding="utf-8"
    )
    (tmp_path / "index.md").write_text(f"# Title\n\n{fault}\n", encoding="utf-8")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert "WARNING" in done.stderr
