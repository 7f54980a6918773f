"""Find the sources of a job, and read their content. A source is an image, a video or a live source."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, TypeAlias

from .._util.errors import MtcnnError
from .._util.user_files import read_limited, special_file_kind
from ..media.image.formats import HEAD, IMAGE_EXTENSIONS, kind_of
from ..media.image.read import MAX_IMAGE_FILE_SIZE, read_bytes
from ..media.markers import file_has_marker, has_marker
from ..storage.address import is_address, is_web, mask_address, mask_text, masked
from ..storage.inputs import list_files, literal_part, matcher, read_file
from ..storage.web import SILENCE, Fetched, fetch

SourceKind: TypeAlias = Literal["image", "video", "live"]

VIDEO_EXTENSIONS = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mj2", ".mjpeg"),
        *(".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm"),
        ".wmv",
    )
)
# Errors that affect only one source. The source gets a row with an error, and the job continues.
SOURCE_ERRORS = (OSError, ValueError, TypeError, ImportError, MemoryError)
MAX_NAMES_SHOWN = 5  # maximum number of names of skipped files in a message

_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Source:
    """An image, a video or a live source.

    Attributes:
        name: Path or address that tables contain. It has no credentials.
        kind: Kind of the source.
        place: Path of the annotated files, relative to the output folder. It contains slashes on every
            system.
        address: Path or address to read, or "" if it is `name`. It can contain credentials.
        error: Error message if the source cannot be read, otherwise "".
    """

    name: str
    kind: SourceKind
    place: str
    address: str = ""
    error: str = ""


# Kinds


def kind_by_name(name: str) -> SourceKind | None:
    """Return the kind of source for the extension of a file name, or None if the extension is unknown."""
    extension = PurePath(name).suffix.lower()
    return "image" if extension in IMAGE_EXTENSIONS else "video" if extension in VIDEO_EXTENSIONS else None


def inspect_file(path: str) -> tuple[SourceKind | None, bool]:
    """Return the kind of a file, and whether it is an annotated file of this program.

    The first bytes of the file determine the kind. If they are unknown or unreadable, or if the extension is
    .mjpeg or .mjpg, the extension determines the kind.
    """
    kind, is_annotated = kind_by_name(path), False
    with contextlib.suppress(OSError, ValueError):  # ValueError: not a valid file name
        if os.path.isfile(path):  # a pipe is not opened, because this would block
            with open(path, "rb") as file:
                head = file.read(HEAD)
                # a Motion JPEG video begins like a JPEG image
                is_motion_jpeg = PurePath(path).suffix.lower() in (".mjpeg", ".mjpg")
                if not is_motion_jpeg and (found := kind_of(head)):
                    kind = "video" if found == "video" else "image"
                is_annotated = file_has_marker(file, head)
    return kind, is_annotated


def is_pattern(name: str) -> bool:
    """Return whether the name contains a wildcard."""
    return bool(_WILDCARD.search(name))


# Search


def find_in_folder(name: str, skipped: list[str], links: list[str]) -> list[Source]:
    """Find the images and videos below a folder, in the order of their paths.

    If a folder is unreadable, or if the folder `name` contains no images and videos, the result contains a
    source with an error.

    Args:
        name: Path of the folder.
        skipped: List to which messages about skipped files are added.
        links: List to which the links to folders are added. This function does not follow these links.
    """
    files: list[str] = []
    hidden: list[str] = []
    errors: list[OSError] = []
    for folder, folders, names in os.walk(name, onerror=errors.append):
        hidden += [os.path.join(folder, entry) for entry in (*folders, *names) if entry.startswith(".")]
        folders[:] = [entry for entry in folders if not entry.startswith(".")]
        links += filter(os.path.islink, (os.path.join(folder, entry) for entry in folders))
        files += [os.path.join(folder, entry) for entry in names if not entry.startswith(".")]
    files.sort(key=lambda path: path.split(os.sep))
    sources = _select_sources(files, name, skipped)
    _report_skipped(skipped, name, hidden, "hidden")
    sources += [
        Source(str(error.filename), "image", "", error=f"{error.filename} cannot be read ({error.strerror})")
        for error in errors
    ]
    if not sources:
        sources = [Source(name, "image", "", error=f"{name} is a folder without images and videos")]
    return sources


def find_by_pattern(name: str, skipped: list[str], links: list[str]) -> tuple[str, list[Source]]:
    """Find the files that match a pattern. `**` matches any number of folders.

    Return the folder before the first wildcard, and the sources. If the pattern does not contain `**`, each
    matching folder is searched with `find_in_folder`. If the pattern contains `**`, matching folders are not
    searched.
    """
    base, matches = _find_matches(name)
    if not matches:
        return base, [Source(name, "image", "", error=f"{name}: no file matches this pattern")]
    sources = _select_sources([path for path in matches if not os.path.isdir(path)], name, skipped)
    for path in matches:
        # a folder that matches a pattern with `**` is not searched; for `folder/**`, its files also match
        if os.path.isdir(path) and not _is_recursive(name):
            sources += find_in_folder(path, skipped, links)
    if not sources:
        sources = [Source(name, "image", "", error=f"{name}: no image or video matches this pattern")]
    return base, sources


def _find_matches(pattern: str) -> tuple[str, list[str]]:
    """Return the folder before the first wildcard of a pattern, and the sorted paths that match it."""
    prefix = pattern[: _WILDCARD.search(pattern).start()]  # type: ignore[union-attr]  # it has a wildcard
    matches = _match_recursively(pattern) if _is_recursive(pattern) else glob.glob(pattern)
    return os.path.dirname(os.path.abspath(prefix + "x")), sorted(matches)


def _is_recursive(pattern: str) -> bool:
    return "**" in pattern.replace(os.sep, "/").split("/")


def _match_recursively(pattern: str) -> Iterator[str]:
    """Find the paths that match a pattern with `**`.

    The result is that of `glob`, except for links to folders. The target of a link is searched only once,
    even if several links lead to it. The target is not searched if it contains the link. `glob` searches the
    target again for each link, so that loops of links can make its search practically endless.
    """
    is_match = matcher(os.path.normcase(pattern).replace(os.sep, "/"))
    assert is_match is not None
    root = literal_part(pattern.replace(os.sep, "/")) or ("/" if pattern.startswith("/") else "")
    with_hidden = any(part.startswith(".") for part in pattern[len(root) :].replace(os.sep, "/").split("/"))
    followed: set[str] = set()
    for folder, folders, names in os.walk(root or ".", followlinks=True):
        real_folder = os.path.join(os.path.realpath(folder), "")
        if not with_hidden:
            folders[:] = [entry for entry in folders if not entry.startswith(".")]
            names = [entry for entry in names if not entry.startswith(".")]
        for entry in (*folders, *names):
            path = os.path.join(folder, entry) if root else os.path.normpath(os.path.join(folder, entry))
            if is_match(os.path.normcase(path).replace(os.sep, "/")):
                yield path
        for entry in list(folders):
            path = os.path.join(folder, entry)
            if os.path.islink(path):
                target = os.path.realpath(path)
                if target in followed or real_folder.startswith(os.path.join(target, "")):
                    folders.remove(entry)
                followed.add(target)


def find_sequences(name: str, skipped: list[str], links: list[str]) -> list[Source]:
    """Find the folders that contain images: the folder `name`, and all folders below it that are not hidden.

    Each of them is one source, a sequence of images. Files with another extension, and annotated files of
    this program, are not part of a sequence. If a folder is unreadable, the result contains a source with an
    error. The arguments are as for `find_in_folder`.
    """
    sources: list[Source] = []
    hidden: list[str] = []
    others: list[str] = []
    folders = [name.rstrip("/" + os.sep) or name]
    while folders:
        folder = folders.pop()
        contains_images = False
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        hidden.append(entry.path)
                    elif entry.is_dir():
                        (links if entry.is_symlink() else folders).append(entry.path)
                    elif kind_by_name(entry.name) != "image":
                        others.append(entry.path)
                    elif not contains_images:
                        contains_images = not has_marker(entry.path)
        except OSError as error:
            reason = f"{folder} cannot be read ({error.strerror})"
            sources.append(Source(folder, "video", "", error=reason))
        if contains_images:
            sources.append(Source(folder, "video", ""))
    _report_skipped(skipped, name, sorted(others), "without the extension of an image")
    _report_skipped(skipped, name, sorted(hidden), "hidden")
    return sorted(sources, key=lambda source: source.name.split(os.sep))


def find_sequences_by_pattern(name: str, skipped: list[str], links: list[str]) -> tuple[str, list[Source]]:
    """Find the sequences in the folders that match a pattern, as `find_by_pattern` finds files."""
    base, matches = _find_matches(name)
    found = [
        source for path in matches if os.path.isdir(path) for source in find_sequences(path, skipped, links)
    ]
    if not found:
        found = [Source(name, "video", "", error=f"{name}: no folder with images matches this pattern")]
    return base, list({source.name: source for source in found}.values())


def find_in_store(name: str, skipped: list[str]) -> list[Source]:
    """Find the images and videos at an address.

    The kind of a file depends only on its name, because reading the first bytes would need one request per
    file.
    """
    try:
        addresses = list_files(name)
    except (OSError, ValueError) as error:
        return [Source(mask_address(name), "image", "store", error=str(error))]
    root = name.rstrip("/")
    sources, others = [], []
    for address in addresses:
        kind = kind_by_name(address)
        if kind is None and address != root:
            others.append(address)
            continue
        below = "" if is_pattern(name) else address.removeprefix(root).removeprefix("/")
        public = mask_address(address)
        place = _path_of_key(below or address.rpartition("/")[2])
        sources.append(Source(public, kind or "image", place, address if public != address else ""))
    _report_skipped(skipped, name, others, "without the extension of an image or video")
    if not sources:
        public = mask_address(name)
        sources = [Source(public, "image", "store", error=f"{public}: no images and videos found")]
    return sources


def _path_of_key(key: str) -> str:
    """Return a relative local path for a key in an object store.

    Parts of the key that are empty, `.` or `..` are replaced by underscores.
    """
    return "/".join(
        re.sub(r"^\.{0,2}$", lambda match: "_" * (1 + len(match[0])), part) for part in key.split("/")
    )


def _select_sources(paths: Iterable[str], name: str, skipped: list[str]) -> list[Source]:
    """Return a source for each path of an image or video.

    Annotated files of this program are not sources. A broken link or a pipe is also a source if it has the
    extension of an image or video. Reading such a source gives an error.
    """
    sources, annotated = [], []
    others: dict[str, list[str]] = {}
    for path in paths:
        if kind_by_name(path) is None:
            others.setdefault(_reason_to_skip(path), []).append(path)
            continue
        kind, is_annotated = inspect_file(path)
        if is_annotated:
            annotated.append(path)
        else:
            sources.append(Source(path, kind or "image", ""))
    for reason, skipped_paths in sorted(others.items()):
        _report_skipped(skipped, name, skipped_paths, reason)
    _report_skipped(skipped, name, annotated, "annotated files of this program")
    return sources


def _reason_to_skip(path: str) -> str:
    if not os.path.exists(path) and os.path.islink(path):
        return "broken links"
    special = special_file_kind(path)
    return f"{special.split()[-1]}s" if special else "without the extension of an image or video"


def _report_skipped(skipped: list[str], name: str, paths: list[str], reason: str) -> None:
    if paths:
        shown = ", ".join(os.path.basename(path) for path in paths[:MAX_NAMES_SHOWN])
        shown += ", …" if len(paths) > MAX_NAMES_SHOWN else ""
        skipped.append(f"skipped in {mask_address(name)}: {len(paths):,} {reason}: {shown}")


# Content


class StreamFound(MtcnnError, ValueError):
    """A web address leads to a video or a stream instead of an image."""


def read_content(name: str, cancelled: threading.Event | None = None) -> bytes:
    """Read an image file from a path, an address or `-` (standard input).

    Args:
        name: Path, address or `-`.
        cancelled: Event. When it is set, the function no longer waits for a web server.

    Raises:
        StreamFound: A web address leads to a video or a stream.
    """
    if name == "-":
        return _read_standard_input()
    if is_web(name):
        return _read_web_image(name, cancelled)
    return read_file(name) if is_address(name) else read_bytes(name)


def is_web_image(address: str) -> bool:
    """Return whether the first bytes at a web address are those of an image.

    Also return True if the address does not exist or the server does not answer. In this case, reading the
    address as an image gives the error.
    """
    try:
        kind = kind_of(fetch(address, accept=lambda _: False, seconds=SILENCE).data)
        return kind is not None and kind != "video"
    except PermissionError:  # FFmpeg supports more kinds of logins, so it can perhaps read the address
        return False
    except (FileNotFoundError, TimeoutError, ConnectionError):
        return True
    except (OSError, ValueError):
        return False


def error_message(error: BaseException) -> str:
    """Return the message of an error without credentials.

    If the message is empty, return the name of the class.
    """
    return mask_text(str(error)) or type(error).__name__


def _read_standard_input() -> bytes:
    data = read_limited(sys.stdin.buffer, MAX_IMAGE_FILE_SIZE, "standard input")
    if kind_of(data) == "video":
        raise ValueError(
            "standard input contains a video, expected an image; save the video to a file, and give its name"
        )
    return data


def _read_web_image(address: str, cancelled: threading.Event | None) -> bytes:
    answer = fetch(address, stop=cancelled, accept=lambda head: not _is_stream(head))
    name = masked(address)
    if _is_stream(answer):
        raise StreamFound(f"{name} is a video or a stream, expected an image")
    if answer.is_page and kind_of(answer.data) is None:
        raise ValueError(f"{name} is not an image: the server sends {answer.content_type}")
    return answer.data


def _is_stream(answer: Fetched) -> bool:
    kind = kind_of(answer.data)
    return kind == "video" or (kind is None and answer.is_stream)
