"""What a job looks at: from names on a command line to sources."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from ..stores import is_address, is_web, mask_address, path_of
from ..video import is_live
from .content import is_image_on_the_web
from .found import SHOWN, files_in_store, files_of_folder, files_of_pattern, is_pattern, look_at_file
from .lists import read_list
from .names import kind_by_name
from .source import Kind, Source

NOUNS: dict[Kind, str] = {"picture": "picture", "video": "video", "live": "live source"}


@dataclass
class Plan:
    """sources: what is looked at, in order, each once. passed_over: in words, what was found and left out.
    names: those that the sources were found by, without passwords."""

    sources: list[Source] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """How many of what: `3 pictures, 1 video`."""
        counts = Counter(source.kind for source in self.sources)
        told = [
            f"{counts[kind]:,} {noun}{'s' * (counts[kind] != 1)}"
            for kind, noun in NOUNS.items()
            if counts[kind]
        ]
        return ", ".join(told) or "nothing"


def make_plan(names: Iterable[str]) -> Plan:
    """The sources that these names stand for.

    A name is a file, a folder (all pictures and videos below it, hidden ones left out), a pattern (`*`, `?`,
    `[…]`, `**`), `@list.txt` (one name per line), `-` (a picture on standard input), `camera:0`, a stream, an
    image at a web address, or an address of a file, folder or pattern in an object store. A name of nothing
    becomes a source with an error, so that the others are done. What is named twice is looked at once.
    """
    plan = Plan()
    linked: list[str] = []
    found = [(name, _find(name, plan, linked)) for name in _with_lists(names, plan)]
    found += [(link, ("", [source])) for link, source in _not_followed(linked, found, plan.passed_over)]
    common = _common_folder([base for _, (base, _) in found if base])
    seen: set[str] = set()
    taken: set[str] = set()
    twice = 0
    for _, (base, sources) in found:
        for source in sources:
            address = source.address or source.name
            is_path = source.kind != "live" and not is_address(address) and not is_web(address)
            key = _identity(address) if is_path else address
            if key in seen:
                twice += 1
                continue
            seen.add(key)
            plan.sources.append(_placed(_named(source, taken), base, common))
    if twice:
        plan.passed_over.append(f"named more than once, looked at once: {twice:,}")
    return plan


def _with_lists(names: Iterable[str], plan: Plan) -> Iterator[str]:
    """The names, with those of each list in its place."""
    for name in names:
        plan.names.append(mask_address(name))
        if not name.startswith("@"):
            yield name
            continue
        try:
            listed = read_list(name[1:])
        except (OSError, ValueError) as error:
            plan.sources.append(Source(name, "picture", name, error=str(error)))
            continue
        plan.names += map(mask_address, listed)
        yield from listed


def _find(name: str, plan: Plan, linked: list[str]) -> tuple[str, list[Source]]:
    """The folder below which places are counted ("" for none), and the sources of one name."""
    if name == "-":
        return "", [Source("-", "picture", "stdin")]
    if is_live(name):
        public = mask_address(name)
        found: Kind = "picture" if is_web(name) and _is_web_image(name) else "live"
        return "", [Source(public, found, _plain(public), address=name if public != name else "")]
    if is_address(name):
        return files_in_store(name, plan.passed_over)
    if os.path.isdir(name):
        return os.path.abspath(name), files_of_folder(name, plan.passed_over, linked)
    if is_pattern(name) and not os.path.lexists(name):
        return files_of_pattern(name, plan.passed_over, linked)
    kind, _ = look_at_file(name)
    return os.path.dirname(os.path.abspath(name)), [Source(name, kind or "picture", "")]


def _is_web_image(address: str) -> bool:
    """Whether a web address is one of an image: by its name, or by its first bytes if the name says nothing.
    (An image by its name that is a stream is found when it is read.)"""
    kind = kind_by_name(path_of(address))
    return is_image_on_the_web(address) if kind is None else kind == "picture"


def _not_followed(
    linked: list[str], found: list[tuple[str, tuple[str, list[Source]]]], passed_over: list[str]
) -> Iterator[tuple[str, Source]]:
    """Sources with an error for links to folders, which are not followed, unless the folder is searched as
    well: then a note."""
    searched = {os.path.realpath(name) for name, _ in found if os.path.isdir(name)}
    covered = []
    for link in linked:
        target = os.path.realpath(link)
        if any(target == root or target.startswith(os.path.join(root, "")) for root in searched):
            covered.append(link)
            continue
        reason = f"{link} is a link to the folder {target}, which is not searched; name it as a source, too"
        yield link, Source(link, "picture", "", error=reason)
    if covered:
        shown = ", ".join(covered[:SHOWN]) + (", …" if len(covered) > SHOWN else "")
        passed_over.append(f"links to folders that are searched anyway, {len(covered):,}: {shown}")


def _plain(address: str) -> str:
    """A name for drawings of an address."""
    return "".join(sign if sign.isalnum() or sign in "-." else "_" for sign in address)


def _common_folder(bases: list[str]) -> str:
    """The folder that all of these lie in; "" where there is none."""
    try:
        return os.path.commonpath(sorted(set(bases)))
    except ValueError:  # none, or on different drives
        return ""


def _named(source: Source, taken: set[str]) -> Source:
    """The source with a name of its own: addresses that differ only in what is masked are numbered."""
    name = source.name
    for number in count(2):
        if name not in taken:
            break
        name = f"{source.name}#{number}"
    taken.add(name)
    return replace(source, name=name)


def _placed(source: Source, base: str, common: str) -> Source:
    """The source with its path below the folder that it has in common with all others."""
    if source.place:
        return source
    whole = os.path.abspath(source.name)
    place = os.path.relpath(whole, common or base)
    return Source(source.name, source.kind, place.replace(os.sep, "/"), source.address, source.error)


def _identity(name: str) -> str:
    """Equal for names of one file. Broken links to one target are not one: each is an error."""
    try:
        return os.path.realpath(name) if os.path.exists(name) else os.path.abspath(name)
    except (OSError, ValueError):
        return name
