"""Multipart uploads: failed and killed uploads are not visible, and failed uploads leave no parts."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest
from faulty_server import faulty_server
from mtcnn_cpp.storage.folder import open_folder
from mtcnn_cpp.storage.inputs import list_files
from mtcnn_cpp.storage.remote import PART

SIZE = 2 * PART + 1000  # three parts


def parts_left(s3: Any, bucket: str) -> list[Any]:
    found: list[Any] = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return found


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def test_a_file_of_many_parts(bucket: str, s3: Any) -> None:
    folder = open_folder(f"s3://{bucket}/out")
    data = pattern(SIZE)
    with folder.open_for_writing("large.bin") as file:
        file.write(data)
    assert "-3" in s3.head_object(Bucket=bucket, Key="out/large.bin")["ETag"]
    assert folder.read("large.bin") == data
    with folder.open("large.bin") as file:
        file.seek(PART - 5)
        assert file.read(10) == data[PART - 5 : PART + 5]
    assert parts_left(s3, bucket) == []


@pytest.mark.parametrize("broken", ["partNumber=2", "uploadId="])
def test_a_part_that_fails(
    server: str, bucket: str, s3: Any, monkeypatch: pytest.MonkeyPatch, fresh: None, broken: str
) -> None:
    """`uploadId=` with POST: all parts arrive, and the request that completes the upload is rejected."""
    refused = []

    def fault(method: str, path: str) -> int | None:
        if broken in path and method == ("PUT" if broken == "partNumber=2" else "POST"):
            refused.append(path)
            return 403
        return None

    folder = open_folder(f"s3://{bucket}/out")
    with folder.open_for_writing("large.bin") as file:
        file.write(b"earlier")
    with faulty_server(server, fault) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        with (
            pytest.raises(PermissionError, match=rf"^s3://{bucket}/out/large.bin: access is denied"),
            folder.open_for_writing("large.bin") as file,
        ):
            file.write(bytes(SIZE))
    assert refused
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
    assert folder.names() == ["large.bin"]
    assert folder.read("large.bin") == b"earlier"
    assert parts_left(s3, bucket) == []


def test_temporary_name_during_an_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, as with sftp, the file has a temporary name; a failed upload is not visible."""
    memory = pytest.importorskip("fsspec.implementations.memory", reason="needs the extra remote")
    folder = open_folder(f"memory://{secrets.token_hex(6)}")
    with folder.open_for_writing("a") as file:
        file.write(b"earlier")

    def half(self: Any, _path: str, address: str) -> None:
        self.pipe_file(address, b"half")
        assert (folder.names(), folder.read("a")) == (["a"], b"earlier")
        raise OSError("broken")

    monkeypatch.setattr(memory.MemoryFileSystem, "put_file", half)
    with pytest.raises(OSError, match=r"/a: broken$"), folder.open_for_writing("a") as file:
        file.write(b"next")
    assert folder.read("a") == b"earlier"
    assert [*list_files(folder.name)] == [f"{folder.name}/a"]


@pytest.mark.parametrize(
    ("where", "ending"),
    [("written", "kill"), ("uploaded", "kill"), ("written", "interrupt"), ("uploaded", "interrupt")],
)
def test_killed_writer_of_an_upload(
    server: str, bucket: str, s3: Any, environment: dict[str, str], where: str, ending: str, fresh: None
) -> None:
    if ending == "interrupt" and os.name == "nt":
        pytest.skip("Windows sends no SIGINT to one process")
    begun, go_on = threading.Event(), threading.Event()

    def fault(method: str, path: str) -> int | None:
        if "partNumber=2" in path:
            begun.set()
            go_on.wait(60)
        return None

    code = f"""
        import signal, sys
        from mtcnn_cpp.storage.folder import open_folder
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a test in the background ignores it
        with open_folder("s3://{bucket}/out").open_for_writing("large.bin") as file:
            file.write(bytes({SIZE}))
            file.flush()
            if {where == "written"}:
                print("written", flush=True)
                sys.stdin.readline()
    """
    folder = open_folder(f"s3://{bucket}/out")
    with folder.open_for_writing("large.bin") as file:
        file.write(b"earlier")
    with faulty_server(server, fault) as url:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**environment, "AWS_ENDPOINT_URL_S3": url},
        )  # fmt: skip
        assert process.stdout
        if where == "written":
            assert process.stdout.readline() == b"written\n"
        else:
            assert begun.wait(60)
        if ending == "kill":
            process.kill()
        else:
            process.send_signal(signal.SIGINT)
        told = process.communicate()[1]
        go_on.set()
    if ending == "interrupt":
        assert b"KeyboardInterrupt" in told
        assert parts_left(s3, bucket) == []
    assert folder.names() == ["large.bin"]
    assert folder.read("large.bin") == b"earlier"
    folder.clean()
    with folder.open_for_writing("large.bin") as file:  # the next write succeeds
        file.write(b"next")
    assert folder.read("large.bin") == b"next"
    assert folder.names() == ["large.bin"]
