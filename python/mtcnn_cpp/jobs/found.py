"""Files of folders, patterns and object stores that are pictures or videos."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterable, Iterator

from ..image import HEAD, kind_of
from ..marks import bears_mark
from ..stores import list_files, mask_address
from ..stores.patterns import literal_part, matcher
from ..user_files import kind_of_special
from .names import kind_by_name, name_is_motion_jpeg
from .source import Kind, Source

_SIGNS = re.compile(r"[*?\[]")
SHOWN = 5  # names of what is passed over


def is_pattern(name: str) -> bool:
    """Whether there are signs of a pattern in the name."""
    return bool(_SIGNS.search(name))


def look_at_file(path: str) -> tuple[Kind | None, bool]:
    """What a file is by its first bytes, by its name where these tell nothing or it cannot be read; and
    whether it is a drawing of this program."""
    kind, drawn = kind_by_name(path), False
    with contextlib.suppress(OSError, ValueError):  # ValueError: no name of a file
        if os.path.isfile(path):  # not a pipe, which would wait
            with open(path, "rb") as file:
                head = file.read(HEAD)
                if not name_is_motion_jpeg(path):  # it begins like an image
                    kind = kind_of(head) or kind
                drawn = bears_mark(file, head)
    return kind, drawn


def files_of_folder(name: str, passed_over: list[str], linked: list[str]) -> list[Source]:
    """The pictures and videos below a folder, in the order of their paths; a source with an error if there
    are none. Folders that cannot be read are sources with an error, too; links to folders are added to
    `linked`."""
    files: list[str] = []
    hidden: list[str] = []
    errors: list[OSError] = []
    for folder, folders, names in os.walk(name, onerror=errors.append):
        hidden += [os.path.join(folder, inside) for inside in (*folders, *names) if inside.startswith(".")]
        folders[:] = [inside for inside in folders if not inside.startswith(".")]
        inside_here = (os.path.join(folder, inside) for inside in folders)
        linked += filter(os.path.islink, inside_here)
        files += [os.path.join(folder, inside) for inside in names if not inside.startswith(".")]
    files.sort(key=lambda path: path.split(os.sep))
    sources = _chosen(files, name, passed_over)
    _tell(passed_over, name, hidden, "hidden")
    sources += [
        Source(
            str(error.filename), "picture", "", error=f"{error.filename} cannot be read ({error.strerror})"
        )
        for error in errors
    ]
    if not sources:
        sources = [Source(name, "picture", "", error=f"{name} is a folder without pictures and videos")]
    return sources


def files_of_pattern(name: str, passed_over: list[str], linked: list[str]) -> tuple[str, list[Source]]:
    """The files that fit a pattern (`**` any folders), and the folder before its first sign. Folders that fit
    count as if they were named."""
    recursive = "**" in name.replace(os.sep, "/").split(
        "/"
    )  # files below a folder that fits fit by themselves
    fitting = sorted(_fitting_at_any_depth(name) if recursive else glob.glob(name))
    start = name[: _SIGNS.search(name).start()]  # type: ignore[union-attr]  # there is one
    base = os.path.dirname(os.path.abspath(start + "x"))
    if not fitting:
        return base, [Source(name, "picture", "", error=f"{name}: no file fits this pattern")]
    sources = _chosen([path for path in fitting if not os.path.isdir(path)], name, passed_over)
    for path in fitting:
        if os.path.isdir(path) and not recursive:
            sources += files_of_folder(path, passed_over, linked)
    return base, sources


def _fitting_at_any_depth(pattern: str) -> Iterator[str]:
    """What fits a pattern with `**`. As `glob` finds it, but a link to a folder is followed once, and never
    to a folder that it lies in: `glob` goes through every path of links, and loops make too many to end."""
    fits = matcher(os.path.normcase(pattern).replace(os.sep, "/"))
    assert fits is not None
    root = literal_part(pattern.replace(os.sep, "/")) or ("/" if pattern.startswith("/") else "")
    with_hidden = any(part.startswith(".") for part in pattern[len(root) :].replace(os.sep, "/").split("/"))
    followed: set[str] = set()
    for folder, folders, names in os.walk(root or ".", followlinks=True):
        here = os.path.join(os.path.realpath(folder), "")
        if not with_hidden:
            folders[:] = [inside for inside in folders if not inside.startswith(".")]
            names = [inside for inside in names if not inside.startswith(".")]
        for inside in (*folders, *names):
            path = os.path.join(folder, inside) if root else os.path.normpath(os.path.join(folder, inside))
            if fits(os.path.normcase(path).replace(os.sep, "/")):
                yield path
        for inside in list(folders):
            path = os.path.join(folder, inside)
            if os.path.islink(path):
                target = os.path.realpath(path)
                if target in followed or here.startswith(os.path.join(target, "")):
                    folders.remove(inside)
                followed.add(target)


def files_in_store(name: str, passed_over: list[str]) -> tuple[str, list[Source]]:
    """The pictures and videos at an address. Their kinds are told by their names, since each look at the
    bytes would be a request."""
    try:
        found = list_files(name)
    except (OSError, ValueError) as error:
        return "", [Source(mask_address(name), "picture", "store", error=str(error))]
    root = name.rstrip("/")
    sources, others = [], []
    for address in found:
        kind = kind_by_name(address)
        if kind is None and address != root:
            others.append(address)
            continue
        below = "" if is_pattern(name) else address.removeprefix(root).removeprefix("/")
        shown = mask_address(address)
        place = _place_of_key(below or address.rpartition("/")[2])
        source = Source(shown, kind or "picture", place, address if shown != address else "")
        sources.append(source)
    _tell(passed_over, name, others, "not named as pictures or videos")
    if not sources:
        shown = mask_address(name)
        sources = [Source(shown, "picture", "store", error=f"{shown}: there are no pictures and videos")]
    return "", sources


def _place_of_key(key: str) -> str:
    """A path on this machine for a key, whose parts may be empty, `.` and `..`."""
    return "/".join(
        re.sub(r"^\.{0,2}$", lambda found: "_" * (1 + len(found[0])), part) for part in key.split("/")
    )


def _chosen(paths: Iterable[str], name: str, passed_over: list[str]) -> list[Source]:
    """Sources of the paths that are named as pictures or videos and are not drawings of this program. Broken
    links, pipes and the like of such a name are sources, too: reading them is an error that says what they
    are."""
    sources, drawn = [], []
    others: dict[str, list[str]] = {}
    for path in paths:
        if kind_by_name(path) is None:
            others.setdefault(_what_else(path), []).append(path)
            continue
        kind, is_drawing = look_at_file(path)
        if is_drawing:
            drawn.append(path)
        else:
            sources.append(Source(path, kind or "picture", ""))
    for why, some in sorted(others.items()):
        _tell(passed_over, name, some, why)
    _tell(passed_over, name, drawn, "drawings of this program")
    return sources


def _what_else(path: str) -> str:
    """What a file that is not named as a picture or video is, for several of its kind."""
    if not os.path.exists(path) and os.path.islink(path):
        return "links to nothing"
    special = kind_of_special(path)
    return f"{special.split()[-1]}s" if special else "not named as pictures or videos"


def _tell(passed_over: list[str], name: str, paths: list[str], why: str) -> None:
    if paths:
        shown = ", ".join(os.path.basename(path) for path in paths[:SHOWN])
        shown += ", …" if len(paths) > SHOWN else ""
        passed_over.append(f"passed over in {mask_address(name)}, {len(paths):,} {why}: {shown}")
