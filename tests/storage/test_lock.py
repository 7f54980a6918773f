"""The lock of a folder on this machine, between processes."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from mtcnn_cpp.storage import local
from mtcnn_cpp.storage.errors import FolderInUseError
from mtcnn_cpp.storage.folder import open_folder
from mtcnn_cpp.storage.local import LOCK

HOLD = """
    import sys
    from mtcnn_cpp.storage.folder import open_folder
    with open_folder(sys.argv[1]).lock():
        print("locked", flush=True)
        sys.stdin.readline()
"""
# Each process with the lock creates a file that must not exist yet, and removes it.
RACE = """
    import os, sys
    from mtcnn_cpp.storage.errors import FolderInUseError
    from mtcnn_cpp.storage.folder import open_folder
    folder, mark, got = sys.argv[1], sys.argv[1] + "/mark", 0
    print("ready", flush=True)
    sys.stdin.readline()
    while got < 150:
        try:
            with open_folder(folder).lock():
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                os.unlink(mark)
                got += 1
        except FolderInUseError as error:
            assert folder in str(error)
    print(got)
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def test_lock_held_by_another_process(tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path)
    assert line_of(holder) == "locked\n"
    message = (
        f"{tmp_path} is in use by process {holder.pid}, which writes to it; wait until it has ended, "
        "or give another folder"
    )
    with pytest.raises(FolderInUseError) as caught, open_folder(tmp_path).lock():
        pass
    assert str(caught.value) == message
    holder.communicate("\n")
    with open_folder(tmp_path).lock():
        pass
    assert os.listdir(tmp_path) == []


def test_killed_holder_releases_the_lock(tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path)
    assert line_of(holder) == "locked\n"
    holder.kill()
    holder.communicate()
    assert os.listdir(tmp_path) == [LOCK]
    assert open_folder(tmp_path).names() == []
    with open_folder(tmp_path).lock():
        assert (tmp_path / LOCK).read_text().split()[0] == str(os.getpid())
    assert os.listdir(tmp_path) == []


def test_processes_compete_for_the_lock(tmp_path: Path) -> None:
    racers = [start(RACE, tmp_path) for _ in range(3)]
    assert [line_of(racer) for racer in racers] == ["ready\n"] * 3
    for racer in racers:  # all at once
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert [racer.communicate(timeout=120)[0] for racer in racers] == ["150\n"] * 3
    assert os.listdir(tmp_path) == []


def test_threads_compete_for_the_lock(tmp_path: Path) -> None:
    inside, most, got = 0, 0, []

    def race() -> None:
        nonlocal inside, most
        count = 0
        while count < 50:
            try:
                with open_folder(tmp_path).lock():
                    inside += 1
                    most = max(most, inside)
                    inside -= 1
                    count += 1
            except FolderInUseError:
                continue
        got.append(count)

    threads = [threading.Thread(target=race) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [50, 50, 50]
    assert most == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows: a file that is open cannot be removed")
def test_lock_file_removed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is removed after opening and before locking, so that its lock has no effect."""
    try_lock, removed = local._try_lock, []

    def late(file: int) -> None:
        if not removed:
            removed.append((tmp_path / LOCK).unlink())
        try_lock(file)

    monkeypatch.setattr(local, "_try_lock", late)
    with open_folder(tmp_path).lock():
        with (
            pytest.raises(FolderInUseError, match=f"in use by process {os.getpid()},"),
            open_folder(tmp_path).lock(),
        ):
            pass
        assert os.listdir(tmp_path) == [LOCK]
    assert removed


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(local, "_try_lock", refuse)
    with (
        pytest.warns(
            RuntimeWarning, match=f"^{re.escape(str(tmp_path))} is on a file system without locks"
        ) as told,
        open_folder(tmp_path).lock(),
    ):
        assert os.listdir(tmp_path) == [LOCK]
    assert told[0].filename == __file__
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_missing_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    for path in (tmp_path / "missing", file):
        with pytest.raises(OSError, match=r"is not a folder"), open_folder(path).lock():
            pass


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_must_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(PermissionError, match=f"^{tmp_path} cannot be locked: "),
        open_folder(tmp_path).lock(),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows: links need a privilege")
def test_a_link_in_the_place_of_its_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / LOCK).symlink_to(precious)
    with pytest.raises(OSError, match="cannot be locked"), open_folder(folder).lock():
        pass
    assert precious.read_bytes() == b"precious"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list open files")
def test_no_lock_file_remains_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return sum(os.path.lexists(f"/proc/self/fd/{number}") for number in range(200))

    before = open_files()
    with open_folder(tmp_path).lock():
        assert open_files() == before + 1
        with pytest.raises(FolderInUseError), open_folder(tmp_path).lock():
            pass
        assert open_files() == before + 1
    assert open_files() == before
