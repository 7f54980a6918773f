"""The image stays in the tab: no requests after loading, a strict policy, and the page works offline."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clicks import until
from try_site import TrySite, choose, downloaded, serve, set_option, shown, wait_until_shown

# The browser itself asks for these two, without data, to find a newer version of the page.
UPDATE_CHECK = {"GET /web/try/service_worker.js", "GET /web/try/files.js"}


def use_everything(page: Any, collage: Path) -> None:
    """Detect in the sample and in a file, change an option, save both files, and look inside a face."""
    before = shown(page)
    page.click("#sample")
    wait_until_shown(page, before + 1)
    choose(page, collage)
    set_option(page, "min-face", 50)
    downloaded(page, "csv")
    downloaded(page, "png")
    page.locator(".face").first.click()
    explorer = page.frame_locator("#explorer")
    explorer.locator("body[data-ready]").wait_for()
    explorer.locator(".card").nth(1).click()
    explorer.locator("#maps[data-shown]").wait_for(state="attached")
    page.click("#back")


def test_no_request_after_loading(visit: Callable[..., Any], site: TrySite, collage: Path) -> None:
    page = visit(site.address)
    page.wait_for_selector("body[data-offline]")
    until(page, "() => navigator.serviceWorker.controller !== null")
    before = len(site.requests)
    use_everything(page, collage)
    page.wait_for_timeout(500)
    assert set(site.requests[before:]) <= UPDATE_CHECK


def test_every_request_is_for_a_file_of_the_page(
    visit: Callable[..., Any], site: TrySite, collage: Path
) -> None:
    """In a whole session, the browser requests nothing else, and never sends data."""
    before = len(site.requests)
    page = visit(site.address)
    sent = []
    page.context.on("request", lambda request: sent.append((request.url, request.post_data_buffer)))
    page.wait_for_selector("body[data-offline]")
    use_everything(page, collage)
    files = {f"GET /{file.relative_to(site.folder).as_posix()}" for file in site.folder.rglob("*")}
    assert set(site.requests[before:]) <= files | {"GET /web/try/"}
    assert sent
    for url, data in sent:
        assert url.startswith((site.address.removesuffix("try/"), "blob:"))
        assert data is None


def test_offline(visit: Callable[..., Any], site: TrySite, collage: Path) -> None:
    """After the first visit, the page works without a server."""
    with serve(site.folder) as temporary:
        page = visit(temporary.address)
        page.wait_for_selector("body[data-offline]")
        address = temporary.address
    for _ in range(2):
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        use_everything(page, collage)
    page.goto(f"{address}index.html")
    page.wait_for_selector("body[data-ready]")


def test_a_new_version_replaces_the_old_one(visit: Callable[..., Any], site: TrySite, tmp_path: Path) -> None:
    """The old version stays whole until the page is closed; then the files of the new one are used."""
    shutil.copytree(site.folder, tmp_path / "site")
    for file in (tmp_path / "site").rglob("*"):
        os.utime(file, (1e9, 1e9))  # the browser keeps old files in its cache without asking again
    with serve(tmp_path / "site") as changing:
        page = visit(changing.address)
        page.wait_for_selector("body[data-offline]")
        folder = changing.folder / "web" / "try"
        for name, old, new in (
            ("index.html", "<h1>Try it</h1>", "<h1>Try it 2</h1>"),
            ("files.js", 'VERSION = "', 'VERSION = "2'),
        ):
            text = (folder / name).read_text("utf-8")
            assert old in text
            (folder / name).write_text(text.replace(old, new), "utf-8")
        page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update())")
        until(page, "() => navigator.serviceWorker.getRegistration().then((found) => found.waiting !== null)")
        page.reload()
        assert page.inner_text("h1") == "Try it"
        other = page.context.new_page()
        other.goto(f"{changing.address}../../index.html")
        page.close()
        until(other, ONE_VERSION, changing.address)
        other.goto(changing.address)
        assert other.inner_text("h1") == "Try it 2"
        names = other.evaluate("caches.keys()")
        assert len(names) == 1
        assert names[0].startswith("mtcnn_cpp try 2")


ONE_VERSION = """address => navigator.serviceWorker.getRegistration(address).then(
    (found) => found.waiting === null && found.active.state === "activated")"""


def test_the_browser_stops_the_service_worker_while_it_loads_the_page(
    visit: Callable[..., Any], site: TrySite, tmp_path: Path
) -> None:
    """A browser stops a service worker when it wants to, for example to start a newer version."""
    shutil.copytree(site.folder, tmp_path / "site")
    index = tmp_path / "site" / "web" / "try" / "index.html"
    long = index.read_text("utf-8").replace("</body>", f"<!-- {'x' * 3_000_000} --></body>")
    index.write_text(long, "utf-8")
    with serve(tmp_path / "site") as large:
        page = visit(large.address)
        page.wait_for_selector("body[data-offline]")
        browser = page.context.new_cdp_session(page)
        browser.send("ServiceWorker.enable")
        other = page.context.new_page()
        before = len(large.requests)
        response = other.goto(large.address, wait_until="commit")
        browser.send("ServiceWorker.stopAllWorkers")
        other.wait_for_selector("body[data-ready]")
        assert "GET /web/try/" not in large.requests[before:]
        assert "last-modified" in response.headers  # the server's headers are kept


def test_an_unknown_address_is_answered_by_the_server(visit: Callable[..., Any], site: TrySite) -> None:
    page = visit(site.address)
    until(page, "() => navigator.serviceWorker.controller !== null")
    assert page.goto(f"{site.address}unknown.html").status == 404
    visit.page_errors.clear()  # type: ignore[attr-defined]


@pytest.fixture
def other_server() -> Iterator[tuple[str, list[str]]]:
    """The address of another server, which allows every request, and the requests that it received."""
    received: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", received
    server.shutdown()
    server.server_close()
    thread.join(10)


SEND = """address => {
    const attempts = [
        () => fetch(address, { method: "POST", body: "pixels", mode: "no-cors" }),
        () => new Promise((resolve, reject) => {
            const request = new XMLHttpRequest();
            request.onload = resolve;
            request.onerror = reject;
            request.open("GET", address);
            request.send();
        }),
        () => import(address),
        () => new Promise((resolve, reject) => {
            const socket = new WebSocket(address.replace("http", "ws"));
            socket.onopen = resolve;
            socket.onerror = reject;
        }),
    ];
    return Promise.all(attempts.map((attempt) => attempt().then(() => "sent", () => "refused")));
}"""


SEND_IMAGE = """address => new Promise((done) => {
    const image = new Image();
    image.onload = () => done("sent");
    image.onerror = () => done("refused");
    image.src = address;
})"""


def test_the_policy_refuses_requests_to_other_servers(
    visit: Callable[..., Any], site: TrySite, other_server: tuple[str, list[str]], collage: Path
) -> None:
    """Neither the page nor its worker nor the explorer can send anything to another server."""
    address, received = other_server
    page = visit(site.address)
    choose(page, collage)
    page.locator(".face").first.click()
    page.frame_locator("#explorer").locator("body[data-ready]").wait_for()
    explorer = next(frame for frame in page.frames if "/explore/" in frame.url)
    assert len(page.workers) == 1
    for place in (page, page.workers[0], explorer):
        assert place.evaluate(SEND, address) == ["refused"] * 4
    for place in (page, explorer):
        assert place.evaluate(SEND_IMAGE, f"{address}?pixels") == "refused"
    page.evaluate("address => navigator.sendBeacon(address, 'pixels')", address)
    page.wait_for_timeout(500)
    assert received == []
    assert any("Content Security Policy" in text for text in visit.page_errors)  # type: ignore[attr-defined]
    visit.page_errors.clear()  # type: ignore[attr-defined]


def test_the_page_says_so(page: Any) -> None:
    text = " ".join(page.inner_text(".lead").split())
    assert "Your image stays in this tab: after it has loaded, the page makes no request" in text
    assert "policy forbids requests to other servers" in text
