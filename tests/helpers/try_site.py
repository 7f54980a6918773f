"""Serves the page "Try it" as the documentation site contains it, and records the requests."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

from images import ROOT


def site_part() -> ModuleType:
    """Return the part of the site that writes the page."""
    path = ROOT / "docs" / "site_parts" / "try_page.py"
    found = importlib.util.spec_from_file_location("try_page", path)
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@dataclass
class TrySite:
    """A running server. `requests` contains the method and path of each request, in order."""

    address: str
    folder: Path
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[TrySite]:
    """Serve a folder that contains `web/try`."""
    site = TrySite("", folder)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def parse_request(self) -> bool:
            parsed = super().parse_request()
            if parsed:
                site.requests.append(f"{self.command} {self.path}")
            return parsed

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a closed page does not wait for its files

    server = Server(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    site.address = f"http://127.0.0.1:{server.server_address[1]}/web/try/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def choose(page: Any, *files: Path) -> None:
    """Choose an image file, and wait until its faces are shown."""
    before = shown(page)
    page.set_input_files("#file", *files)
    wait_until_shown(page, before + 1)


def shown(page: Any) -> int:
    """Return the number of results that the page has shown."""
    return int(page.evaluate("document.body.dataset.shown ?? 0"))


def wait_until_shown(page: Any, count: int) -> None:
    page.wait_for_selector(f"body[data-shown='{count}']", timeout=60_000)


def set_option(page: Any, name: str, value: float) -> None:
    """Move a slider, and wait until the faces are shown again."""
    before = shown(page)
    page.locator(f"#{name}").fill(str(value))
    wait_until_shown(page, before + 1)


def downloaded(page: Any, button: str) -> tuple[str, bytes]:
    """Return the name and the content of the file that a button saves."""
    with page.expect_download() as found:
        page.click(f"#{button}")
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()
