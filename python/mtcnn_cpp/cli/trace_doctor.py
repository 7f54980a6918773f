"""`mtcnn-cpp doctor THEIRS --against GOLD`: which step of a whole trace is wrong, and what was done there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..trace.judge.plain import plain
from .errors import file_named
from .reports import Format, console, print_json, say

if TYPE_CHECKING:
    from ..doctor.whole.diagnosis import TraceDiagnosis
    from ..doctor.whole.guilty import Guilty
    from ..doctor.whole.unseen import Unseen

FEW = 8  # of the steps whose faults a trace cannot show


def examine_trace(file: Path | None, gold: Path, names: Path | None, model: Path | None) -> TraceDiagnosis:
    """The diagnosis of a trace, an .npz or a folder against a gold trace."""
    from ..doctor.whole.diagnosis import diagnose_trace
    from ..doctor.whole.theirs import read_theirs
    from ..model import Model
    from ..trace import Trace

    if file is None:
        raise ValueError("--against is for a trace: an .npz, or a folder of .npy files; name it first")
    networks = None if model is None else Model.load(model)
    with file_named(file, gold), read_theirs(file, names) as theirs, Trace.load(gold) as right:
        return diagnose_trace(theirs, right, networks)


def show_trace(found: TraceDiagnosis, format: Format) -> None:
    if format is Format.json:
        print_json(plain(found.to_dict()))
        return
    say(found.headline, "green" if found.ok else "bold red")
    for one in found.guilty:
        show_guilty(one)
    if found.guilty and found.right:
        say(f"right by themselves: {found.right:,} tensors ({found.values:,} values)")
    for line in unseen_lines(found.unseen or ()):
        say(line, "dim")
    for note in found.notes:
        say(f"note: {note}", "dim")


def unseen_lines(unseen: Sequence[Unseen]) -> Iterator[str]:
    """What a trace could not show, a line for each sort; the first few of many."""
    knobs: dict[str, dict[str, None]] = {}
    for one in unseen:
        if one.knob:
            knobs.setdefault(one.kind, {})[one.knob] = None
    sorts = {
        "would not show in this trace": [f"{kind} ({', '.join(names)})" for kind, names in knobs.items()],
        "not in this trace": [one.kind for one in unseen if not one.knob],
    }
    for title, told in sorts.items():
        if told:
            more = f"; and {len(told) - FEW} more (--format json)" if len(told) > FEW else ""
            yield f"{title}: {'; '.join(told[:FEW])}{more}"


def show_guilty(one: Guilty) -> None:
    """A step that is wrong, a line a fact."""
    from rich.text import Text

    from ..escape import printable

    places = f"{one.places} of {one.of}, first {one.first}" if one.of > 1 else one.first
    out = console()
    out.print()
    out.print(Text.assemble((printable(one.kind), "bold"), f"  ({printable(places)})"), soft_wrap=True)
    facts = {
        "found": one.text,
        "change": one.advice,
        "effect": "" if one.effect is None else f"alone, it {one.effect}",
    }
    facts["or"] = "; ".join(one.others) + " (these values cannot tell)" if one.others else ""
    for title, words in facts.items():
        if words:
            out.print(Text.assemble((f"  {title}: ", "dim"), printable(words)), soft_wrap=True)
