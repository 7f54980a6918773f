"""Options of `mtcnn-cpp detect` for the table, the frames of videos, annotated files and Ray."""

from __future__ import annotations

import enum
import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..jobs.sources import Source
    from ..jobs.table import TableFormat
    from ..media.video import Sampling
    from ..media.video.reader import ReaderOptions


class DetectFormat(str, enum.Enum):
    table = "table"
    csv = "csv"
    jsonl = "jsonl"
    json = "json"
    parquet = "parquet"


EXTENSIONS = ", ".join(f".{one.value}" for one in DetectFormat if one is not DetectFormat.table)


class TemplateName(str, enum.Enum):
    arcface = "arcface"
    facenet = "facenet"


class VideoReader(str, enum.Enum):
    opencv = "opencv"
    pyav = "pyav"


class ImageFormat(str, enum.Enum):
    png = "png"
    jpg = "jpg"


@dataclass(frozen=True)
class TableOptions:
    """Destination and format of the table."""

    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help=f"File ({EXTENSIONS}) or folder for the table. In a folder, the table "
            "consists of part files, and the job can be resumed.",
            show_default="printed",
        ),
    ] = None
    format_name: Annotated[
        DetectFormat | None,
        typer.Option(
            "--format",
            help="Format of the table.",
            show_default="by the name of --output; without --output: table",
        ),
    ] = None
    csv_safe: Annotated[
        bool,
        typer.Option(
            "--csv-safe",
            help="CSV for spreadsheets: put an apostrophe before each text, such as a name, that a "
            "spreadsheet could read as a formula.",
        ),
    ] = False
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the job in the folder of --output, and retry failed sources."
        ),
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only errors.")] = False

    @property
    def is_folder(self) -> bool:
        """Whether the output is a folder.

        The output is a folder if its name ends with a slash, if its name has no extension, or if a folder
        with this name exists.
        """
        if self.output is None:
            return False
        name = self.output
        return name.endswith(("/", os.sep)) or os.path.isdir(name) or "." not in os.path.basename(name)

    @property
    def format(self) -> TableFormat | None:
        """The format that --format names. None if --format is missing or is `table`."""
        from ..jobs.table import TableFormat

        name = self.format_name
        return None if name in (None, DetectFormat.table) else TableFormat(name.value)

    def row_format(self) -> TableFormat:
        """Return the format in which the rows are written."""
        from ..jobs.table import TableFormat

        if self.format:
            return self.format
        if self.is_folder:
            return TableFormat.parquet if importlib.util.find_spec("pyarrow") else TableFormat.csv
        return TableFormat.from_name(self.output or "") or TableFormat.csv

    def check(self) -> None:
        """Raise ValueError if options exclude each other."""
        from ..jobs.table import TableFormat

        if self.resume and not self.is_folder:
            raise ValueError("--resume continues a job in a folder; give the folder with --output")
        if self.csv_safe and (
            self.row_format() is not TableFormat.csv or (self.output is None and not self.format)
        ):
            given = self.row_format().value if self.output or self.format else "table"
            raise ValueError(f"--csv-safe requires CSV, but the format is {given}; use --format csv")
        if self.output is None:
            return
        if self.output == "-":
            raise ValueError(
                "--output must be a file or a folder, got -; without --output, the table is written to "
                "standard output"
            )
        if self.format_name is DetectFormat.table:
            raise ValueError("--format table is only for standard output; choose another format for --output")
        if not self.is_folder and self.format is None and TableFormat.from_name(self.output) is None:
            raise ValueError(
                f"{self.output}: the extension of --output must be one of {EXTENSIONS}; "
                "otherwise give --format, or end the name of a folder with a slash"
            )


@dataclass(frozen=True)
class FrameOptions:
    """Options that select the frames of videos, and how they are read."""

    every: Annotated[int, typer.Option(help="Videos: process every n-th frame.")] = 1
    fps: Annotated[
        float | None,
        typer.Option(
            help="Videos: process the frames that are nearest to this number of frames per second, by their "
            "times. Above the rate of the video: every frame once. With --sequence: rate of the sequence.",
            show_default="all frames",
        ),
    ] = None
    sequence: Annotated[
        bool,
        typer.Option(
            "--sequence",
            help="Read each folder of numbered images as one video, with the frame rate of --fps.",
        ),
    ] = False
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Videos: start time from the first frame, in seconds or as m:s or h:m:s.",
            show_default="first frame",
        ),
    ] = None
    end: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Videos: end time from the first frame, in seconds or as m:s or h:m:s.",
            show_default="last frame",
        ),
    ] = None
    frames: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST:LAST",
            help="Videos: first and last frame, both included, counted from 1 as in the column frame of the "
            "table. One number can be left out: 100: or :200.",
            show_default="all frames",
        ),
    ] = None
    track: Annotated[
        bool,
        typer.Option(
            "--track",
            help="Videos: give each face a number that stays the same from frame to frame. The numbers are "
            "based on position and movement; people are not recognised. Needs the extra 'track'.",
        ),
    ] = False

    reader: Annotated[
        VideoReader | None,
        typer.Option(
            help="Videos: library that reads them. Both give the same pixels and times. pyav needs the extra "
            "'video', and reads more kinds of videos.",
            show_default="pyav if it is installed; opencv for cameras",
        ),
    ] = None
    stream: Annotated[
        int | None,
        typer.Option(
            help="Videos: number of the video stream in files with several, from 0. Needs the extra 'video'.",
            show_default="the first one",
        ),
    ] = None
    deinterlace: Annotated[
        bool,
        typer.Option(
            "--deinterlace",
            help="Videos: replace interlaced frames by progressive ones (FFmpeg's bwdif). Needs the extra "
            "'video'.",
        ),
    ] = False

    def check(self) -> None:
        """Raise ValueError if an option is missing, invalid or has no effect."""
        from ..media.video.sampling import check_fps

        if not self.sequence:
            return
        if self.fps is None:
            raise ValueError(
                "--sequence needs the frame rate, because images contain no times; give it with --fps"
            )
        check_fps(self.fps)
        if self.reader is VideoReader.pyav or self.stream is not None or self.deinterlace:
            raise ValueError(
                "--reader pyav, --stream and --deinterlace are options of video files; leave them out with "
                "--sequence"
            )

    def warn_without_video(self, sources: Iterable[Source]) -> str:
        """Return a warning if `--track` is given but no source is a video or live source.

        Otherwise return "".
        """
        kinds = {source.kind for source in sources if not source.error}
        if not self.track or not kinds or {"video", "live"} & kinds:
            return ""
        return (
            "--track follows faces through a video, but no source is a video or live source; face_id is the "
            "index in each image. Give a video, or leave out --track"
        )

    def reading(self) -> ReaderOptions:
        """Return the options of the reader.

        Raises ValueError if they are invalid, and MissingExtra if they need PyAV and it is not installed.
        """
        from ..media.video.reader import ReaderOptions

        reader = VideoReader.opencv if self.sequence else self.reader
        options = ReaderOptions(reader.value if reader else None, self.stream, self.deinterlace)
        options.choose()
        return options

    def sampling(self) -> Sampling:
        """Return the options as `Sampling`. Raises ValueError if they are invalid.

        With --sequence, the rate of the sequence is not part of them.
        """
        from ..media.video import Sampling
        from ..media.video.sampling import parse_frame_range

        frames = None if self.frames is None else parse_frame_range(self.frames)
        fps = None if self.sequence else self.fps
        return Sampling(self.every, self.start, self.end, frames=frames, fps=fps)


@dataclass(frozen=True)
class SaveOptions:
    """Options of annotated files and crops."""

    save_dir: Annotated[
        str | None,
        typer.Option(
            help="Folder for annotated images and videos, which show boxes, landmarks and scores. Their "
            "names end in _faces."
        ),
    ] = None
    annotate: Annotated[
        str,
        typer.Option(
            metavar="PARTS",
            help="What annotated images and videos show: one or more of boxes, landmarks and labels, with "
            "commas between them; blur or pixelate, which make the faces unrecognisable; or none. A face "
            "that is not found stays visible.",
        ),
    ] = "boxes,landmarks,labels"
    quality: Annotated[
        int,
        typer.Option(
            help="Quality of annotated videos: the constant rate factor of H.264, from 1 (best) to 51 "
            "(smallest file). Needs the extra 'video'.",
        ),
    ] = 20
    no_sound: Annotated[
        bool,
        typer.Option(
            "--no-sound",
            help="Write annotated videos without sound. By default, they get the sound of their source "
            "(needs the extra 'video').",
        ),
    ] = False
    save_crops: Annotated[
        str | None,
        typer.Option(
            help="Folder for crops: one image per face. The column crop_file of the table names the files."
        ),
    ] = None
    save_aligned: Annotated[
        str | None,
        typer.Option(
            help="Folder for aligned faces: one image per face, in the form that a recognition network "
            "expects (--template). The column aligned_file of the table names the files."
        ),
    ] = None
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of crops and aligned faces in pixels, 1 to 8192.",
            show_default="crops: not scaled; aligned faces: 112 for arcface, 160 for facenet",
        ),
    ] = None
    margin: Annotated[
        float,
        typer.Option(
            help="Margin on every side of crops and aligned faces, as a fraction of the width and height "
            "without margin."
        ),
    ] = 0.0
    template: Annotated[
        TemplateName,
        typer.Option(
            help="Form of aligned faces. arcface: rotated and scaled by the landmarks. facenet: the box with "
            "the forehead, stretched to a square, as facenet-pytorch makes it."
        ),
    ] = TemplateName.arcface
    save_format: Annotated[
        ImageFormat, typer.Option(help="Image format of annotated images, crops and aligned faces.")
    ] = ImageFormat.png
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Allow annotated files, crops and aligned faces to replace other files. Sources are never "
            "replaced.",
        ),
    ] = False

    def check(self) -> None:
        """Raise ValueError if a value is out of range, or if an option has no effect."""
        from ..media.crops import check_crop_options

        check_crop_options(self.size, self.margin)
        if self.save_aligned is None and self.template is not TemplateName.arcface:
            raise ValueError("--template is the form of aligned faces; give their folder with --save-aligned")
        if self.save_crops is None and self.save_aligned is None and (self.size or self.margin):
            raise ValueError(
                "--size and --margin apply to crops and aligned faces; give a folder with --save-crops or "
                "--save-aligned"
            )


@dataclass(frozen=True)
class RayOptions:
    """Options of the Ray cluster that runs the job."""

    address: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Run the job on a Ray cluster: auto (the running cluster that this machine belongs "
            "to), host:port, or local (starts Ray on this machine for the job). "
            "--output must be a folder that all machines share. --threads sets the number of CPUs "
            "of each worker (0 means 1). Needs the extra 'ray'.",
            show_default="this process",
        ),
    ] = None

    def check(self, table: TableOptions, save: SaveOptions, sources: Iterable[Source]) -> None:
        """Raise ValueError if a cluster does not support these options or sources."""
        if self.address is None:
            return
        if not table.is_folder:
            given = f", not the file {table.output}" if table.output else ""
            raise ValueError(
                "--ray writes part files to a folder that all machines share; give this folder, with a slash "
                f"at its end, with --output{given}"
            )
        if {save.save_dir, save.save_crops, save.save_aligned} != {None}:
            raise ValueError(
                "--save-dir, --save-crops and --save-aligned cannot be combined with --ray; use them in a "
                "run without --ray"
            )
        for source in sources:
            if source.kind == "live" or source.name == "-":
                name = "standard input" if source.name == "-" else source.name
                raise ValueError(f"Ray workers cannot read {name}; process it without --ray")
