"""The gallery: each script of `docs/gallery` is run in `docs/generated/gallery`, and its page shows the text,
what it printed, and the images that it wrote.

A script begins with a docstring: a title, an empty line, and a text. It writes images into the folder in
which it is run, named after itself: `first_faces.png`, `first_faces_2.png`.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1] / "gallery"


def scripts() -> list[Path]:
    return sorted(SCRIPTS.glob("*.py"))


def run(script: Path, folder: Path) -> tuple[str, list[str]]:
    """Return the output of the script and the names of its images. RuntimeError if it fails."""
    for old in _images(script, folder):
        old.unlink()
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise RuntimeError(f"{script}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout, sorted(file.name for file in _images(script, folder))


def _images(script: Path, folder: Path) -> list[Path]:
    return [file for file in folder.glob(f"{script.stem}*") if file.suffix in (".png", ".jpg")]


def page(script: Path, printed: str, images: list[str]) -> str:
    source = script.read_text(encoding="utf-8")
    tree = ast.parse(source)
    title, _, text = (ast.get_docstring(tree) or "").partition("\n")
    code = "\n".join(source.splitlines()[tree.body[0].end_lineno :]).strip()
    lines = [f"# {title.rstrip('.')}", "", text.strip(), ""]
    for image in images:
        lines += [f"![{title.rstrip('.')}]({image})", ""]
    lines += ["```python", code, "```", ""]
    if printed.strip():
        lines += ["It prints:", "", "```text", printed.rstrip(), "```", ""]
    return "\n".join(lines)


def write(app: Any) -> None:
    folder = Path(app.srcdir) / "generated" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    lines = ["# Gallery", "", "Each page is a script of `docs/gallery`, run when this site was built.", ""]
    for script in scripts():
        printed, images = run(script, folder)
        text = page(script, printed, images)
        (folder / f"{script.stem}.md").write_text(text, encoding="utf-8")
        lines += [f"## [{text.partition(chr(10))[0][2:]}]({script.stem}.md)", ""]
        lines += [f"[![]({images[0]}){{.gallery-image}}]({script.stem}.md)", ""] if images else []
    lines += ["```{toctree}", ":hidden:", "", *(script.stem for script in scripts()), "```", ""]
    (folder / "index.md").write_text("\n".join(lines), encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
