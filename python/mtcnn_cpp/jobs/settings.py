"""Settings of a job, and the file `_job.json` that records them in a folder of part files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from ..formats.errors import safe_text
from ..media.annotated_video import DEFAULT_QUALITY, check_quality
from ..media.annotation import PARTS, parse_parts
from ..media.image.opencv import opencv_version
from ..media.video import Sampling
from ..media.video.reader import ReaderOptions, describe_reader
from ..storage.folder import Folder
from ..types import ExactBackendName, FaceTemplate
from .table import TableFormat
from .table.rows import FILE_COLUMNS, table_columns

if TYPE_CHECKING:
    from ..detector.detector import Detector

MANIFEST_NAME = "_job.json"
PROGRAM = "mtcnn_cpp"


@dataclass(frozen=True)
class JobSettings:
    """Settings of a job that determine its rows and its annotated files.

    Attributes:
        format: Format of the table.
        sampling: Settings that select the frames of videos.
        reading: Options of the reader of videos.
        sequence_fps: Frames per second of the sources, which are sequences of images. None: they are not.
        track: Whether a face keeps its number through a video.
        save_dir: Folder for annotated images and videos, or None.
        save_crops: Folder for crops of faces, or None.
        save_aligned: Folder for aligned faces, or None.
        face_size: Side of crops and aligned faces in pixels. None: the size of the box for crops, and the
            default of the template for aligned faces.
        margin: Margin of crops and aligned faces (see `Detections.crops` and `Detections.aligned`).
        template: Form of aligned faces (see `Detections.aligned`).
        save_format: Image format of annotated images, crops and aligned faces: png or jpg.
        overwrite: Whether annotated files may replace other files.
        annotate: What annotated images and videos show: see `show` of `annotate`.
        quality: Quality of annotated H.264 videos: constant rate factor, 1 to 51.
        sound: Whether annotated videos get the sound of their source.
        csv_safe: Whether to protect CSV text that a spreadsheet could read as a formula.
    """

    format: TableFormat
    sampling: Sampling = field(default_factory=Sampling)
    reading: ReaderOptions = field(default_factory=ReaderOptions)
    sequence_fps: float | None = None
    track: bool = False
    save_dir: str | None = None
    save_crops: str | None = None
    save_aligned: str | None = None
    face_size: int | None = None
    margin: float = 0.0
    template: FaceTemplate = "arcface"
    save_format: str = "png"
    overwrite: bool = False
    annotate: str = ",".join(PARTS)
    quality: int = DEFAULT_QUALITY
    sound: bool = True
    csv_safe: bool = False

    def __post_init__(self) -> None:
        parse_parts(self.annotate)
        check_quality(self.quality)

    @property
    def video_reader(self) -> str:
        """The reader of videos with its version."""
        return describe_reader(self.reading)

    @property
    def saves_images(self) -> bool:
        """Whether the job writes annotated files, crops or aligned faces."""
        return self.save_dir is not None or bool(self.face_folders)

    @property
    def face_folders(self) -> dict[str, str]:
        """The folder of the images of faces, for each column of the table that names these images."""
        folders = zip(FILE_COLUMNS, (self.save_crops, self.save_aligned), strict=True)
        return {column: folder for column, folder in folders if folder is not None}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table."""
        return table_columns(self.face_folders)

    def describe(self, detector: Detector, version: str) -> dict[str, Any]:
        """Return all values that must be the same when a job is resumed, for the file `_job.json`."""
        backend = detector.backend
        return {
            "version": version,
            "opencv": opencv_version(),
            "format": self.format.value,
            "video_reader": self.video_reader,
            "stream": self.reading.stream,
            "deinterlace": self.reading.deinterlace,
            **self.sampling.describe(),
            "track": self.track,
            "save_dir": self.save_dir,
            "save_crops": self.save_crops,
            **(
                {
                    "save_aligned": self.save_aligned,
                    "size": self.face_size,
                    "margin": self.margin,
                    "template": self.template,
                }
                if self.face_folders
                else {}
            ),
            "save_format": self.save_format,
            "min_face": detector.min_face,
            "thresholds": list(detector.thresholds),
            "scale_factor": detector.scale_factor,
            "backend": "exact" if backend in get_args(ExactBackendName) else backend,
            "model": detector.model.hashes(),
            **({"csv_safe": True} if self.csv_safe else {}),
            **({"sequence_fps": self.sequence_fps} if self.sequence_fps is not None else {}),
            **self._describe_annotation(),
        }

    def _describe_annotation(self) -> dict[str, Any]:
        """Return the settings of annotated files that do not have their default."""
        if self.save_dir is None:
            return {}
        defaults = JobSettings(self.format)
        names = "annotate", "quality", "sound"
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(defaults, name)}


def write_manifest(folder: Folder, description: dict[str, Any]) -> None:
    """Write `_job.json`."""
    text = json.dumps({"program": PROGRAM, "settings": description}, indent=1)
    with folder.open_for_writing(MANIFEST_NAME) as file:
        file.write(text.encode() + b"\n")


def check_manifest(folder: Folder, description: dict[str, Any]) -> None:
    """Raise ValueError if the job in the folder has other settings.

    The message contains the differences.
    """
    recorded = _read_manifest(folder)
    differences = [
        f"{name} was {safe_text(json.dumps(recorded[name])) if name in recorded else 'not recorded'}, "
        f"now {json.dumps(description.get(name))}"
        for name in {**description, **recorded}
        if recorded.get(name) != description.get(name)
    ]
    if differences:
        raise ValueError(
            f"{folder.name} contains a job with other options: {'; '.join(differences)}. To continue it, "
            "give the same options; otherwise choose another folder"
        )


def _read_manifest(folder: Folder) -> dict[str, Any]:
    try:
        content = json.loads(folder.read(MANIFEST_NAME))
        description = content["settings"] if content["program"] == PROGRAM else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{folder.name}: {MANIFEST_NAME} is damaged, or another program wrote it ({error})"
        ) from error
    if not isinstance(description, dict):
        raise ValueError(f"{folder.name}: {MANIFEST_NAME} is damaged, or another program wrote it")
    return description
