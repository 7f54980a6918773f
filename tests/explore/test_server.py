"""Access to the explorer: token, host name, origin, only GET."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from explorers import explorer, request, token

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")


def test_request_with_token(trace_url: str) -> None:
    status, headers, text = request(trace_url)
    assert status == 200
    assert "<title>mtcnn-cpp explore</title>" in text
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers
    assert request(trace_url, f"/{token(trace_url)}/api/about")[0] == 200
    assert request(trace_url, Host=f"localhost:{urlsplit(trace_url).port}")[0] == 200


def test_request_without_token(trace_url: str) -> None:
    right = token(trace_url)
    wrong = ["/", f"/{right}", "//", "/api/about", f"/{right[:-1]}/", f"/{right}x/", f"/{right.swapcase()}/"]
    wrong += [
        f"/x/{right}/",
        f"/?token={right}",
        "/%00/",
        "/%C3%A9/",
        "/" + "a" * 5000 + "/",
    ]
    for path in wrong:
        status, headers, text = request(trace_url, path)
        assert status == 403, path
        assert text.startswith("refused: "), path
        assert right not in text
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1",
        "localhost",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.2:{port}",
        "",
    ],
)
def test_other_host_names_are_refused(trace_url: str, host: str) -> None:
    """DNS rebinding: a page whose own name resolves to 127.0.0.1."""
    status, _, text = request(trace_url, Host=host.format(port=urlsplit(trace_url).port))
    assert status in (400, 403)
    assert "<title>" not in text


def test_two_hosts_are_refused(trace_url: str) -> None:
    parts = urlsplit(trace_url)
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        lines = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Host: evil.example",
            "Connection: close",
        ]
        connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        answer = connection.makefile("rb").read()
    assert b" 403 " in answer.splitlines()[0] or b" 400 " in answer.splitlines()[0]


def test_requests_of_other_pages_are_refused(trace_url: str) -> None:
    for origin in (
        "http://evil.example",
        "null",
        f"https://{urlsplit(trace_url).netloc}",
        "http://127.0.0.1:1",
    ):
        assert request(trace_url, f"/{token(trace_url)}/api/about", Origin=origin)[0] == 403, origin
    assert (
        request(trace_url, f"/{token(trace_url)}/api/about", Origin=f"http://{urlsplit(trace_url).netloc}")[0]
        == 200
    )
    for site in ("cross-site", "same-site"):
        assert request(trace_url, f"/{token(trace_url)}/api/about", Sec_Fetch_Site=site)[0] == 403, site
        image = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "no-cors"}
        assert request(trace_url, f"/{token(trace_url)}/", **image)[0] == 403
    # a link on another page may open the page, but nothing else
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert request(trace_url, **link)[0] == 200
    assert request(trace_url, f"/{token(trace_url)}/api/about", **link)[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"])
def test_other_methods_are_refused(trace_url: str, method: str) -> None:
    for path in ("", "api/about", "main.js", "api/values"):
        assert request(trace_url, f"/{token(trace_url)}/{path}", method)[0] in (400, 405), path


def test_no_path_reaches_the_disk(trace_url: str) -> None:
    for path in (
        *("server.py", "../server.py", "..%2fserver.py", "%2e%2e/%2e%2e/pyproject.toml", "/etc/passwd"),
        *(
            "....//server.py",
            "page/main.js",
            "main.js/",
            "main.js%00",
            "MAIN.JS",
            ".",
            "..",
            "api",
            "api/",
            "api/nothing",
        ),
    ):
        status, _, text = request(trace_url, f"/{token(trace_url)}/{path}")
        assert status in (403, 404), path
        assert "import" not in text


def test_web_socket_is_refused(trace_url: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Key": "x" * 16,
        "Sec_WebSocket_Version": "13",
    }
    assert request(trace_url, f"/{token(trace_url)}/api/nothing", **upgrade)[0] in (403, 404, 426)


def test_each_explorer_has_a_new_token(files: dict[str, Path], trace_url: str) -> None:
    with explorer(files["correct.npz"]) as other:
        assert token(other) != token(trace_url)
        assert len(token(other)) >= 32
        assert request(other, f"/{token(trace_url)}/")[0] == 403
