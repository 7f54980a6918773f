"""Errors of a store are one line: the address, the problem, and a remedy."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from faulty_server import faulty_server
from mtcnn_cpp.storage import remote
from mtcnn_cpp.storage.folder import Folder, open_folder
from mtcnn_cpp.storage.inputs import list_files, local_copy, read_file

pytestmark = pytest.mark.usefixtures("fresh")


def copy(address: str) -> None:
    with local_copy(address):
        pass


def write(folder: Folder) -> None:
    with folder.open_for_writing("a") as file:
        file.write(b"a")


def read_open(folder: Folder) -> None:
    with folder.open("a") as file:
        file.read()


# All functions that access a store.
CALLS: dict[str, Callable[[str], Any]] = {
    "make": lambda where: open_folder(where).make(),
    "names": lambda where: open_folder(where).names(),
    "read": lambda where: open_folder(where).read("a"),
    "open": lambda where: read_open(open_folder(where)),
    "writing": lambda where: write(open_folder(where)),
    "remove": lambda where: open_folder(where).remove("a"),
    "list_files": list_files,
    "read_file": read_file,
    "local_copy": copy,
}
CHECKED = pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))


def error_text(call: Callable[[str], Any], where: str, kind: type[OSError]) -> str:
    """Return the error message. Asserts the exception type, one line, and the address at the start."""
    with pytest.raises(OSError, match=f"^{where}") as caught:
        call(where)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 800
    printed = "".join(traceback.format_exception(caught.value))
    assert printed.count("\n") < 40
    assert "botocore" not in printed
    return message


@CHECKED
def test_connection_refused(call: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    message = error_text(call, "s3://bucket/out", ConnectionError)
    assert "no connection to the store" in message
    assert "check the network, and AWS_ENDPOINT_URL_S3" in message


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Yield the URL of a server that does not respond for 20 s, except to the start of a multipart upload."""
    end = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            line = self.rfile.readline()
            while self.rfile.readline().strip():
                continue
            if line.startswith(b"POST") and b"?uploads" in line:
                page = (
                    b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
                )
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
            else:
                end.wait(20)
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        end.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("name", ["names", "read", "writing", "writing much"])
def test_store_without_response(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    content = bytes(10_000_000 if name == "writing" else 20_000_000)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 0.2}})
    monkeypatch.setattr(remote, "UPLOAD_TIMEOUT", 1)

    def call(where: str) -> None:
        if "writing" in name:
            with open_folder(where).open_for_writing("a") as file:
                file.write(content)
        else:
            CALLS[name](where)

    with silent_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        message = error_text(call, "s3://bucket/out", TimeoutError)
    assert "the store stopped responding" in message
    assert "read_timeout" in message


def test_time_limit_in_the_environment(environment: dict[str, str]) -> None:
    """Runs in a separate process, because fsspec reads its variables once. Nothing else is printed."""
    code = """
        from mtcnn_cpp.storage.folder import open_folder
        try:
            open_folder("s3://bucket/out").names()
        except TimeoutError as error:
            print(error)
    """
    with silent_server() as url:
        settings = {"AWS_ENDPOINT_URL_S3": url, "FSSPEC_S3_CONFIG_KWARGS": '{"read_timeout": 0.2}'}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env=environment | settings, capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
    assert done.stdout.startswith("s3://bucket/out: the store stopped responding")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@CHECKED
def test_no_credentials(call: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    message = error_text(call, "s3://bucket/out", PermissionError)
    assert "no credentials were found" in message
    assert "AWS_ACCESS_KEY_ID" in message


def test_incomplete_credentials_and_unknown_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "AWS_PROFILE" in error_text(list_files, "s3://bucket/out", PermissionError)
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    s3fs.S3FileSystem.clear_instance_cache()
    assert "the credentials are incomplete" in error_text(list_files, "s3://bucket/out", PermissionError)


@pytest.mark.parametrize("name", sorted({*CALLS} - {"names", "remove"}))
def test_no_such_bucket(name: str) -> None:
    where = "s3://there-is-no-such-bucket/out"
    message = error_text(CALLS[name], where, FileNotFoundError)
    assert "there is no such bucket" in message or "there is nothing at this address" in message


def test_no_such_bucket_has_no_names() -> None:
    assert open_folder("s3://there-is-no-such-bucket/out").names() == []
    open_folder("s3://there-is-no-such-bucket/out").remove("a")


@CHECKED
def test_an_impossible_bucket(call: Callable[[str], Any]) -> None:
    assert "check the bucket's name" in error_text(call, "s3://No_Bucket!/out", OSError)


@CHECKED
@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [(403, PermissionError, "access is denied"), (503, OSError, "the store is too busy"), (500, OSError, "")],
)
def test_refused(
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[str], Any],
    status: int,
    kind: type[OSError],
    what: str,
) -> None:
    with faulty_server(server, lambda _method, _path: status) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        assert what in error_text(call, "s3://bucket/out", kind)


@CHECKED
def test_server_is_not_a_store(call: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = b"<html><body>Welcome<br></body></html>"
            self.send_response_only(418)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page)

        do_PUT = do_HEAD = do_DELETE = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        error_text(call, "s3://bucket/out", OSError)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not a url")
    assert "Invalid endpoint" in error_text(list_files, "s3://bucket/out", OSError)


def test_connection_fails_during_reading(server: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(f"s3://{bucket}/out")
    write(folder)
    broken = False

    def fault(method: str, path: str) -> int | None:
        return 403 if broken and method == "GET" else None

    import s3fs

    with faulty_server(server, fault) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        s3fs.S3FileSystem.clear_instance_cache()
        with folder.open("a") as file:
            broken = True
            with pytest.raises(PermissionError, match=f"^s3://{bucket}/out/a: access is denied"):
                file.read(1)
            broken = False
            assert file.read() == b"a"


@pytest.mark.parametrize("secret", ["user:the-pass-word@127.0.0.1:9", "127.0.0.1:9/the-secret-key"])
def test_messages_contain_no_secret(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """The secrets are in the URL of the server, which the libraries show."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{secret}")
    for name in ("list_files", "writing"):
        message = error_text(CALLS[name], "s3://bucket/out", ConnectionError)
        assert "the-pass-word" not in message
        assert "the-secret-key" not in message
        assert "127.0.0.1:9/***/bucket" in message or "user" in secret


@pytest.mark.skipif(not hasattr(os, "setsid"), reason="Windows has no limit on the size of files")
def test_no_space_for_a_copy(bucket: str, environment: dict[str, str], tmp_path: Path) -> None:
    """A limit on the file size simulates a full disk."""
    folder = open_folder(f"s3://{bucket}/out")
    with folder.open_for_writing("large") as file:
        file.write(bytes(100_000))
    code = f"""
        import resource, signal
        from mtcnn_cpp.storage.folder import open_folder
        from mtcnn_cpp.storage.inputs import local_copy
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            with open_folder("s3://{bucket}/out").open_for_writing("new") as file:
                file.write(bytes(100_000))
        except OSError as error:
            print(error)
        try:
            with local_copy("s3://{bucket}/out/large"):
                pass
        except OSError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = f"there is no space for a copy in {tmp_path} ({os.strerror(errno.EFBIG)}); set TMPDIR"
    new, large = done.stdout.splitlines()
    assert new.startswith(f"s3://{bucket}/out/new: {expected}")
    assert large.startswith(f"s3://{bucket}/out/large: {expected}")
    assert folder.names() == ["large"]
    assert os.listdir(tmp_path) == []
