"""Options of `mtcnn-cpp detect`: the table, the frames of videos, drawings."""

from __future__ import annotations

import enum
import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..jobs import Source
    from ..table import Format
    from ..video import Sampling


class TableFormat(str, enum.Enum):
    table = "table"
    csv = "csv"
    jsonl = "jsonl"
    json = "json"
    parquet = "parquet"


class SaveFormat(str, enum.Enum):
    png = "png"
    jpg = "jpg"


@dataclass(frozen=True)
class TableOptions:
    """Where the table goes, and how it is written."""

    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the table here: a file (.csv, .jsonl, .json, .parquet), or a folder, which gets "
            "parts and can be resumed.",
            show_default="printed",
        ),
    ] = None
    format_name: Annotated[
        TableFormat | None,
        typer.Option(
            "--format", help="How the table is written.", show_default="table, or by the ending of --output"
        ),
    ] = None
    csv_safe: Annotated[
        bool,
        typer.Option(
            "--csv-safe",
            help="CSV for spreadsheets: put an apostrophe before each text (columns source and error) that a "
            "spreadsheet could take for a formula.",
        ),
    ] = False
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the job in the folder of --output; retry what failed."),
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors only.")] = False

    @property
    def is_folder(self) -> bool:
        """Whether the output is a folder of parts: it ends with a slash, is a folder, or has no ending."""
        if self.output is None:
            return False
        name = self.output
        return name.endswith(("/", os.sep)) or os.path.isdir(name) or "." not in os.path.basename(name)

    @property
    def format(self) -> Format | None:
        """The format that was asked for by name, None for none and for `table`."""
        from ..table import Format

        name = self.format_name
        return None if name in (None, TableFormat.table) else Format(name.value)

    def chosen(self) -> Format:
        """The format of the rows that are written."""
        from ..table import Format

        if self.format:
            return self.format
        if self.is_folder:
            return Format.parquet if importlib.util.find_spec("pyarrow") else Format.csv
        return Format.of(self.output or "") or Format.csv

    def check(self) -> None:
        """ValueError for options that do not go together."""
        from ..table import Format

        if self.resume and not self.is_folder:
            raise ValueError("--resume goes on with a job in a folder; give the folder by --output")
        if self.csv_safe and (self.chosen() is not Format.csv or (self.output is None and not self.format)):
            given = self.chosen().value if self.output or self.format else "table"
            raise ValueError(f"--csv-safe is for CSV, and the format is {given}; choose --format csv")
        if self.output is None:
            return
        if self.output == "-":
            raise ValueError("without --output the table goes to standard output; give a file or a folder")
        if self.format_name is TableFormat.table:
            raise ValueError("--format table is for people and cannot be written by --output; choose another")
        if not self.is_folder and self.format is None and Format.of(self.output) is None:
            raise ValueError(
                f"{self.output}: the ending of --output must be .csv, .jsonl, .json or .parquet, or choose a "
                "--format; a folder of parts ends with a slash"
            )


@dataclass(frozen=True)
class FrameOptions:
    """Which frames of videos are looked at."""

    every: Annotated[int, typer.Option(help="Videos: look at each n-th frame.")] = 1
    start: Annotated[
        float | None, typer.Option(help="Videos: seconds to begin at.", show_default="first frame")
    ] = None
    end: Annotated[
        float | None, typer.Option(help="Videos: seconds to end at.", show_default="last frame")
    ] = None
    track: Annotated[
        bool,
        typer.Option(
            "--track",
            help="Videos: number faces so that a number follows a face from frame to frame, by its place "
            "(people are not recognised). Needs the extra 'track'.",
        ),
    ] = False

    def idle(self, sources: Iterable[Source]) -> str:
        """What to say if there is no video for `--track`; empty if there is one, or nothing was found."""
        found = [source.kind for source in sources if not source.error]
        if not self.track or not found or {"video", "live"} & set(found):
            return ""
        return (
            "--track follows faces from frame to frame of a video, but there is no video or live source "
            "here: face_id is the rank in each image. Give a video, or leave out --track"
        )

    def sampling(self) -> Sampling:
        """The same, checked."""
        from ..video import Sampling

        return Sampling(self.every, self.start, self.end)


@dataclass(frozen=True)
class SaveOptions:
    """Drawings and crops."""

    save_dir: Annotated[
        str | None,
        typer.Option(
            help="Write pictures and videos with the faces drawn in, NAME_faces, below this folder."
        ),
    ] = None
    save_crops: Annotated[
        str | None, typer.Option(help="Write each face that is found as a picture below this folder.")
    ] = None
    save_format: Annotated[SaveFormat, typer.Option(help="Of drawn pictures and crops.")] = SaveFormat.png
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let drawings replace other files (never the sources).")
    ] = False


@dataclass(frozen=True)
class RayOptions:
    """Where the units of a job run."""

    address: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Run the job on a Ray cluster: auto (the one of this machine), host:port, or local (Ray is "
            "started here for the run). --output is a folder that all machines share. --threads are the CPUs "
            "of each worker, 0 for 1. Needs the extra 'ray'.",
            show_default="this process",
        ),
    ] = None

    def check(self, table: TableOptions, save: SaveOptions, sources: Iterable[Source]) -> None:
        """ValueError for what a cluster cannot do."""
        if self.address is None:
            return
        if not table.is_folder:
            given = f", not the file {table.output}" if table.output else ""
            raise ValueError(
                "--ray writes a folder of parts, which all machines share; give one by --output, with a "
                f"slash at its end{given}"
            )
        if save.save_dir is not None or save.save_crops is not None:
            raise ValueError("--save-dir and --save-crops do not go with --ray; draw in a run without it")
        for source in sources:
            if source.kind == "live" or source.name == "-":
                name = "standard input" if source.name == "-" else source.name
                raise ValueError(f"{name} is there for this process only; look at it without --ray")
