"""The page "Try it": the files of `web`, the core compiled to WebAssembly, the networks, the explorer.

The compiled core is `build/wasm/mtcnn_cpp.wasm`, or the file that the environment variable MTCNN_CPP_WASM
names. Without it, the site is built without the page, and pages have no link to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "mtcnn_cpp"
NETWORKS = ("PNet.dat", "RNet.dat", "ONet.dat")
LINK = re.compile(r"\[([^]]+)\]\(\.\./web/try/index\.html\)")


def compiled_core() -> Path | None:
    """Return the path of the core compiled to WebAssembly, or None if it does not exist."""
    path = Path(os.environ.get("MTCNN_CPP_WASM") or ROOT / "build" / "wasm" / "mtcnn_cpp.wasm")
    return path if path.is_file() else None


def write(folder: Path, core: Path) -> None:
    """Write all files of the page into a folder; `try/index.html` is the page."""
    page, explorer = folder / "try", folder / "try" / "explore"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "web" / "try", page, ignore=shutil.ignore_patterns("*.d.ts", "tsconfig.json"))
    shutil.copytree(PACKAGE / "explore" / "page", explorer)
    (page / "transport.js").replace(explorer / "transport.js")
    (folder / "weights").mkdir()
    for name in NETWORKS:
        shutil.copy(ROOT / "third_party" / "weights" / name, folder / "weights" / name)
    shutil.copy(PACKAGE / "media" / "sample" / "astronaut.png", page)
    shutil.copy(ROOT / "web" / "mtcnn_cpp.js", folder)
    shutil.copy(core, folder / "mtcnn_cpp.wasm")
    _write_file_list(folder, page)


def _write_file_list(folder: Path, page: Path) -> None:
    """Write `files.js`, by which the service worker knows the addresses and the version of all files."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "service_worker.js")
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    addresses = ["./", *(Path(os.path.relpath(file, page)).as_posix() for file in files)]
    version = f"self.VERSION = {json.dumps(digest.hexdigest()[:16])};\n"
    (page / "files.js").write_text(f"{version}self.FILES = {json.dumps(addresses, indent=1)};\n", "utf-8")


def link(app: Any, name: str, source: list[str]) -> None:
    """Let links to the page lead to it, or remove them if the site is built without it."""
    replacement = (
        r'<a href="web/try/index.html">\1</a>'
        if compiled_core()
        else r"\1 (not part of this build of the site)"
    )
    source[0] = LINK.sub(replacement, source[0])


def finish(app: Any, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    core = compiled_core()
    if core is None:
        shutil.rmtree(Path(app.outdir) / "web", ignore_errors=True)
        print(
            'The site is built without the page "Try it": build/wasm/mtcnn_cpp.wasm does not exist. Build it '
            "with `cmake --preset wasm && cmake --build --preset wasm`, or set MTCNN_CPP_WASM to the file.",
            file=sys.stderr,
        )
    else:
        write(Path(app.outdir) / "web", core)


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", link)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True}
