"""Files are written completely or not at all."""

from __future__ import annotations

import ast
import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from images import ROOT
from mtcnn_cpp import sample_image
from mtcnn_cpp._util.files import AtomicFile, atomic_file, remove_if_abandoned, write_file
from study import run

cv2 = pytest.importorskip("cv2")


def test_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_file(path, b"one")
    assert path.read_bytes() == b"one"
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_interrupt_keeps_the_earlier_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"earlier")

    def interrupted() -> None:
        with atomic_file(path) as file:
            file.write(b"half of i")
            assert path.read_bytes() == b"earlier"
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.skipif(os.name == "nt", reason="Windows: links need a privilege")
def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "precious", tmp_path / "link"
    target.write_bytes(b"precious")
    link.symlink_to(target)
    write_file(link, b"new")
    assert target.read_bytes() == b"precious"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_are_preserved(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"")
    path.chmod(0o640)
    write_file(path, b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_unwritable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a.bin: the folder .*nowhere does not exist"):
        write_file(tmp_path / "nowhere" / "a.bin", b"")
    with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file"):
        write_file(tmp_path, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file system that can be filled")
def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path) -> None:
    """A limit on the file size simulates a full disk."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"earlier")
    code = f"""
        import resource, signal
        from mtcnn_cpp._util.files import write_file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_file({str(path)!r}, bytes(100_000))
        except OSError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{path} could not be written (File too large); no incomplete file remains\n"
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a.bin"]


# Calls that write files, and the modules that may contain them.
WRITES = {"write_bytes", "write_text", "savez", "savez_compressed", "savefig", "save", "imwrite"}
ALLOWED = {
    "_util/files.py: OutputFile",
    "jobs/table_file.py: OutputFile",  # NAME.partial
    "backends/openface.py: save",  # Model.save, into a temporary folder
    "bench/report.py: savefig",  # into a file of `atomic_file`
    "bench/memory.py: save",  # into a temporary folder
    "bench/memory.py: write_text",  # to the kernel, in /proc
    "bench/peer_worker.py: open",  # its standard output, by number
    "bench/peer_worker.py: write_bytes",  # into the peer's model cache
    "bench/peers.py: save",  # into a temporary folder
    "storage/remote.py: OutputFile",  # in a temporary folder, to be uploaded
    "formats/arrays.py: open",  # an entry of the archive
    "trace/report/plots.py: savefig",  # into memory
    "jobs/annotation_writer.py: save",  # AnnotatedImageFolder.save
    "media/video/key_frames.py: savez_compressed",  # into memory
    "media/video_encoders.py: open",  # to the temporary name of an AtomicFile
    "jobs/face_images.py: save",  # AnnotatedImageFolder.save
    "cli/networks.py: save",  # Model.save, which writes files atomically
    "ports/conformance/cases.py: save",  # Trace.save, which writes files atomically
    "formats/state_dict.py: save",  # into memory
    "compat/facenet_pytorch.py: save",  # into memory
}


def test_nothing_else_writes_files() -> None:
    found = set()
    for file in (ROOT / "python" / "mtcnn_cpp").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            mode = [getattr(argument, "value", "") for argument in node.args[:2]]
            opens = name == "open" and any(isinstance(word, str) and set("wxa") & set(word) for word in mode)
            if opens or name in ("FileIO", "OutputFile") or (name in WRITES and node.args):
                found.add(f"{file.relative_to(ROOT / 'python' / 'mtcnn_cpp').as_posix()}: {name}")
    assert found == ALLOWED


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process can catch")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_terminated_command_leaves_no_incomplete_file(tmp_path: Path, ending: signal.Signals) -> None:
    """`dump` is paused, so that the signal arrives while its file is open."""
    path = tmp_path / "a.npz"
    path.write_bytes(b"earlier")
    code = f"""
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a test in the background ignores it
        from mtcnn_cpp import cli
        from mtcnn_cpp.trace.file import npz
        add = npz.NpzWriter.add
        def slow(self, name, array, **kind):
            add(self, name, array, **kind)
            print(name, flush=True)
            sys.stdin.readline()
        npz.NpzWriter.add = slow
        cli.app(["dump", "--sample", "-o", {str(path)!r}, "--backend", "reference"])
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "picture\n"
    assert len(os.listdir(tmp_path)) == 2
    process.send_signal(ending)
    process.communicate(timeout=60)
    assert process.returncode == 128 + ending
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "input.jpg"),
        PermissionError(errno.EACCES, "Permission denied", "input.jpg"),
        OSError(errno.ENOSPC, "No space left on device"),  # error of another file, without a file name
        OSError("a sentence"),
    ],
)
def test_an_error_of_another_file_passes_unchanged(tmp_path: Path, error: OSError) -> None:
    def failing() -> None:
        with atomic_file(tmp_path / "faces.csv") as file:
            file.write(b"row")
            raise error

    with pytest.raises(OSError) as caught:  # noqa: PT011 (the object itself is compared)
        failing()
    assert caught.value is error
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
@pytest.mark.parametrize("size", [100, 100_000])  # fails in the block, or when the buffer is flushed
def test_an_error_of_writing_keeps_its_number(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.bin"
    code = f"""
        import resource, signal
        from mtcnn_cpp._util.files import atomic_file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        try:
            with atomic_file({str(path)!r}) as file:
                file.write(bytes({size}))
        except OSError as error:
            print(repr(error.errno), error.strerror, error.filename, isinstance(error, OSError), sep="|")
            print(error, end="")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"{errno.EFBIG}|File too large|{path}|True",
        f"{path} could not be written (File too large); no incomplete file remains",
    ]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EACCES, PermissionError), (errno.ENOENT, FileNotFoundError), (errno.ENOSPC, OSError)],
)
def test_a_write_error_has_the_class_of_its_number(
    tmp_path: Path, number: int, kind: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(*_: object) -> None:
        raise OSError(number, os.strerror(number), "a.bin.part")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(kind) as caught:
        write_file(tmp_path / "a.bin", b"x")
    assert (caught.value.errno, caught.value.strerror) == (number, os.strerror(number))
    assert caught.value.filename == str(tmp_path / "a.bin")
    assert f"a.bin could not be written ({os.strerror(number)})" in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows: other devices")
def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a device or a special file; give the name of a file"):
        write_file(tmp_path / "pipe", b"x")
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that records the synced files."""
    found: list[str] = []
    sync = os.fsync

    def fsync(file: int) -> None:
        found.append(os.readlink(f"/proc/self/fd/{file}") if Path("/proc/self/fd").exists() else "")
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_only_durable_files_are_synced(tmp_path: Path, synced: list[str]) -> None:
    write_file(tmp_path / "a.bin", b"x")
    assert len(synced) == 1
    write_file(tmp_path / "b.bin", b"x", durable=False)
    with atomic_file(tmp_path / "c.bin", durable=False) as file:
        file.write(b"x")
    assert len(synced) == 1
    with atomic_file(tmp_path / "d.bin") as file:
        file.write(b"x")
    assert len(synced) == 2
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "b.bin", "c.bin", "d.bin"]


@pytest.mark.parametrize(("output", "expected"), [("faces.csv", 1), ("parts/", 3)])  # manifest, part, summary
def test_annotated_images_and_crops_are_not_synced(
    tmp_path: Path, synced: list[str], output: str, expected: int
) -> None:
    """The crowd has many faces, each with its own file."""
    crowd = tmp_path / "crowd.png"
    cv2.imwrite(str(crowd), np.tile(sample_image(), (2, 2, 1)))
    saved = "--save-dir", tmp_path / "seen", "--save-crops", tmp_path / "faces"
    assert run(crowd, "-o", f"{tmp_path}/{output}", *saved).exit_code == 0
    assert len(list((tmp_path / "faces").iterdir())) == 4
    assert len(synced) == expected, synced


def test_file_being_written_is_not_removed(tmp_path: Path) -> None:
    part = AtomicFile(tmp_path / "a.png")
    remove_if_abandoned(part.temporary)
    assert part.temporary.exists()
    part.file.write(b"x")
    part.commit()
    (tmp_path / ".b.png.0123abcd.part").write_bytes(b"half")
    remove_if_abandoned(tmp_path / ".b.png.0123abcd.part")
    remove_if_abandoned(tmp_path / ".none.png.0123abcd.part")
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list open files")
def test_no_file_remains_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return sum(os.path.lexists(f"/proc/self/fd/{number}") for number in range(200))

    before = open_files()
    parts = [AtomicFile(tmp_path / name) for name in ("committed", "discarded")]
    assert open_files() == before + 2
    for part in parts:
        remove_if_abandoned(part.temporary)
    assert open_files() == before + 2
    parts[0].commit()
    parts[1].discard()
    abandoned = tmp_path / ".c.0123abcd.part"
    abandoned.write_bytes(b"half")
    for _ in range(2):  # the second time it is missing
        remove_if_abandoned(abandoned)
    assert open_files() == before
    assert os.listdir(tmp_path) == ["committed"]
