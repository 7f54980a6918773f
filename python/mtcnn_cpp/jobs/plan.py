"""The plan of a job. It contains the sources to which the names on a command line refer."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from .._util.user_files import describe_read_error, detect_encoding, read_file
from ..media.video import Sampling, Video
from ..media.video.video import is_live
from ..storage.address import is_address, is_web, mask_address
from ..storage.web import path_of
from .sources import (
    MAX_NAMES_SHOWN,
    Source,
    SourceKind,
    find_by_pattern,
    find_in_folder,
    find_in_store,
    find_sequences,
    find_sequences_by_pattern,
    inspect_file,
    is_pattern,
    is_web_image,
    kind_by_name,
)

NOUNS: dict[SourceKind, str] = {"image": "image", "video": "video", "live": "live source"}
MAX_LIST_SIZE = 1 << 30  # maximum size of a list, in bytes; this is enough for about ten million names
MAX_VIDEOS_OPENED = 100  # maximum number of videos that `estimate_frame_count` opens
_QUOTES = ('"', "'")


@dataclass
class Plan:
    """The sources of a job.

    Attributes:
        sources: Sources in order, without duplicates.
        skipped: Messages about the files that were found but are not sources.
        names: The names that were passed to `make_plan`, and the names in lists. Credentials in these names
            are masked.
    """

    sources: list[Source] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the number of sources of each kind as text, such as `3 images, 1 video`."""
        counts = Counter(source.kind for source in self.sources)
        items = [
            f"{counts[kind]:,} {noun}{'s' * (counts[kind] != 1)}"
            for kind, noun in NOUNS.items()
            if counts[kind]
        ]
        return ", ".join(items) or "nothing"


def make_plan(names: Iterable[str], *, sequences: bool = False) -> Plan:
    """Find the sources to which names refer.

    Args:
        names: The names. A name can be a file, a folder, or a pattern with `*`, `?`, `[…]` or `**`. A folder
            means all images and videos below it, except hidden files. `@list.txt` is a list with one name per
            line, and `-` is an image on standard input. A name can also be `camera:0`, a stream, or an image
            at a web address. In an object store, a name can be the address of a file, folder or pattern.
        sequences: Whether each folder with images is one video. In this case, a name must be a folder, a
            pattern that matches folders, or a list of such names.

    Returns:
        The plan. If nothing is found for a name, the plan contains a source with an error. If several names
        refer to the same file, the plan contains it only once.

    Example:
        plan = make_plan(["study/", "more/*.jpg"])
        print(plan, plan.skipped)
    """
    plan = Plan()
    links: list[str] = []
    find = _find_sequences if sequences else _find_sources
    groups = [(name, find(name, plan, links)) for name in _expand_lists(names, plan)]
    groups += [(link, ("", [source])) for link, source in _unfollowed_links(links, groups, plan.skipped)]
    common = _common_folder([base for _, (base, _) in groups if base])
    identities: set[str] = set()
    used_names: set[str] = set()
    duplicates = 0
    for _, (base, sources) in groups:
        for source in sources:
            address = source.address or source.name
            is_path = source.kind != "live" and not is_address(address) and not is_web(address)
            identity = _file_identity(address) if is_path else address
            if identity in identities:
                duplicates += 1
                continue
            identities.add(identity)
            plan.sources.append(_with_place(_with_unique_name(source, used_names), base, common))
    if duplicates:
        plan.skipped.append(f"skipped {duplicates:,} duplicates: sources that are named more than once")
    return plan


def _find_sources(name: str, plan: Plan, links: list[str]) -> tuple[str, list[Source]]:
    """Return the folder of a name, and its sources.

    The places of the sources are relative to this folder. The folder is "" if the sources are not local
    files.
    """
    if name == "-":
        return "", [Source("-", "image", "stdin")]
    if is_live(name):
        public = mask_address(name)
        live_kind: SourceKind = "image" if is_web(name) and _is_image_address(name) else "live"
        return "", [Source(public, live_kind, _file_name_of(public), address=name if public != name else "")]
    if is_address(name):
        return "", find_in_store(name, plan.skipped)
    if os.path.isdir(name):
        return os.path.abspath(name), find_in_folder(name, plan.skipped, links)
    if is_pattern(name) and not os.path.lexists(name):
        return find_by_pattern(name, plan.skipped, links)
    kind, _ = inspect_file(name)
    return os.path.dirname(os.path.abspath(name)), [Source(name, kind or "image", "")]


def _find_sequences(name: str, plan: Plan, links: list[str]) -> tuple[str, list[Source]]:
    """Return the folder of a name, and the sequences of images that it means, as `_find_sources`."""
    is_local = name != "-" and not is_live(name) and not is_address(name)
    if is_local and os.path.isdir(name):
        sources = find_sequences(name, plan.skipped, links)
        if not sources:
            sources = [Source(name, "video", "", error=f"{name} is a folder without images")]
        path = os.path.abspath(name)
        is_sequence = any(os.path.abspath(source.name) == path for source in sources)
        return os.path.dirname(path) if is_sequence else path, sources
    if is_local and is_pattern(name) and not os.path.lexists(name):
        return find_sequences_by_pattern(name, plan.skipped, links)
    public = mask_address(name)
    found = "is not a folder on this machine" if not is_local or os.path.lexists(name) else "does not exist"
    reason = f"{public} {found}; --sequence expects folders of numbered images"
    return "", [Source(public, "video", _file_name_of(public), error=reason)]


def _is_image_address(address: str) -> bool:
    """Return whether a web address leads to an image.

    This depends on the extension of the name. If the extension is unknown, it depends on the first bytes. A
    stream can have the name of an image. In this case, the stream is recognised only when it is read.
    """
    kind = kind_by_name(path_of(address))
    return is_web_image(address) if kind is None else kind == "image"


def _unfollowed_links(
    links: list[str], groups: list[tuple[str, tuple[str, list[Source]]]], skipped: list[str]
) -> Iterator[tuple[str, Source]]:
    """Yield a source with an error for each link to a folder that is not searched.

    A folder is searched if it is also named, or if it is below a folder that is named. Links to such a folder
    are only reported in `skipped`.
    """
    searched = {os.path.realpath(name) for name, _ in groups if os.path.isdir(name)}
    covered = []
    for link in links:
        target = os.path.realpath(link)
        if any(target == root or target.startswith(os.path.join(root, "")) for root in searched):
            covered.append(link)
            continue
        reason = (
            f"{link} is a symbolic link to the folder {target}, which is not searched; to search it, "
            "name it as a source"
        )
        yield link, Source(link, "image", "", error=reason)
    if covered:
        shown = ", ".join(covered[:MAX_NAMES_SHOWN]) + (", …" if len(covered) > MAX_NAMES_SHOWN else "")
        skipped.append(f"skipped {len(covered):,} links to folders that are searched anyway: {shown}")


def _file_name_of(address: str) -> str:
    return "".join(character if character.isalnum() or character in "-." else "_" for character in address)


def _common_folder(bases: list[str]) -> str:
    """Return the deepest folder that contains all these folders, or "" if there is no such folder."""
    try:
        return os.path.commonpath(sorted(set(bases)))
    except ValueError:  # the list is empty, or the folders are on different drives
        return ""


def _with_unique_name(source: Source, used_names: set[str]) -> Source:
    """Add a number to the name of a source if another source already has this name.

    This happens if two addresses differ only in the parts that are masked in their names.
    """
    name = source.name
    for number in count(2):
        if name not in used_names:
            break
        name = f"{source.name}#{number}"
    used_names.add(name)
    return replace(source, name=name)


def _with_place(source: Source, base: str, common: str) -> Source:
    """Set `place` to the path of the source, relative to the folder that contains all sources."""
    if source.place:
        return source
    place = os.path.relpath(os.path.abspath(source.name), common or base)
    return replace(source, place=place.replace(os.sep, "/"))


def _file_identity(name: str) -> str:
    """Return a text that is the same for all names of a file.

    If several broken links have the same target, the texts differ, because each of these links is an error.
    """
    try:
        return os.path.realpath(name) if os.path.exists(name) else os.path.abspath(name)
    except (OSError, ValueError):
        return name


# Lists of names


def _expand_lists(names: Iterable[str], plan: Plan) -> Iterator[str]:
    """Yield the names. Instead of a list, yield the names in the list."""
    for name in names:
        plan.names.append(mask_address(name))
        if not name.startswith("@"):
            yield name
            continue
        try:
            listed = read_list(name[1:])
        except (OSError, ValueError) as error:
            plan.sources.append(Source(name, "image", name, error=str(error)))
            continue
        plan.names += map(mask_address, listed)
        yield from listed


def read_list(path: str) -> list[str]:
    """Read the names in a list.

    The encoding is UTF-8, or UTF-16 with a byte order mark, as Windows PowerShell writes it. Bytes that are
    not valid UTF-8 are kept, because file names may contain any bytes. Blank lines, lines that begin with
    `#`, and white space around a name are ignored. If quotes enclose a complete line, they are removed. There
    is one exception. If a line that begins with `#` or a quote is the name of an existing file, the line
    refers to this file. Relative names are relative to the current folder.

    Raises:
        OSError: The list cannot be read.
        ValueError: The list is not a text file, is too large, or contains no name.
    """
    try:
        data = read_file(path, limit=MAX_LIST_SIZE, pipes=True)
    except OSError as error:
        reason = describe_read_error(path, error)
        raise type(error)(f"{path}: this list of names cannot be read ({reason})") from error
    encoding = detect_encoding(data)
    try:
        text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")) if "8" in encoding else data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: this list of names is damaged: not valid {encoding.upper()} ({error})"
        ) from error
    if "\0" in text:
        raise ValueError(
            f"{path}: this list of names contains zero bytes; expected one name per line, in UTF-8, or in "
            "UTF-16 with a byte order mark"
        )
    names = [name for line in text.split("\n") if (name := _name_in_line(line.strip(" \t\r")))]
    if not names:
        raise ValueError(f"{path}: this list of names is empty; expected one name per line")
    return names


def _name_in_line(line: str) -> str:
    """Return the name in a line, or "" for a comment."""
    if not line.startswith(("#", *_QUOTES)) or os.path.lexists(line):
        return line
    if line.startswith("#"):
        return ""
    is_quoted = len(line) > 1 and line[0] == line[-1]
    return line[1:-1] if is_quoted else line


def estimate_frame_count(
    sources: Iterable[Source], sampling: Sampling, *, sequence_fps: float | None = None
) -> int | None:
    """Estimate the number of images and video frames for a progress bar.

    The estimate uses the headers of the video files. It is None if there are live sources, remote videos, or
    more than 100 videos. It is also None if the header of a video does not contain its length or frame rate.
    `sequence_fps` is the frame rate if the videos are sequences of images.
    """
    total = videos = 0
    for source in sources:
        if source.kind == "image" or source.error:
            total += 1
            continue
        videos += 1
        if source.kind == "live" or is_address(source.name) or videos > MAX_VIDEOS_OPENED:
            return None
        with (
            contextlib.suppress(OSError, ValueError, ImportError),
            Video(source.name, fps=sequence_fps) as video,
        ):
            if (expected := video.expected_count(sampling)) is None:
                return None
            total += max(1, expected)
    return total
