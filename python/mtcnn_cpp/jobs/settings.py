"""What decides the rows and drawings of a job, and is written beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from ..image import opencv_version
from ..table import Format
from ..types import VariantName
from ..video import Sampling

if TYPE_CHECKING:
    from ..detector import Detector

EXACT = {*get_args(VariantName), "reference"}  # the same bits


@dataclass(frozen=True)
class Settings:
    """format: of the table. sampling: which frames of videos are looked at. track: numbers that follow faces
    through a video. save_dir, save_crops: folders of drawings and crops, None for none; save_format: theirs;
    overwrite: whether they may replace other files. csv_safe: whether no text of a CSV is a formula to a
    spreadsheet."""

    format: Format
    sampling: Sampling = field(default_factory=Sampling)
    track: bool = False
    save_dir: str | None = None
    save_crops: str | None = None
    save_format: str = "png"
    overwrite: bool = False
    csv_safe: bool = False

    @property
    def saves(self) -> bool:
        """Whether drawings or crops are asked for."""
        return self.save_dir is not None or self.save_crops is not None

    def described(self, detector: Detector, version: str) -> dict[str, Any]:
        """JSON-ready: what a job has to have in common with one that it goes on with."""
        backend = detector.backend
        return {
            "version": version,
            "opencv": opencv_version(),
            "format": self.format.value,
            **asdict(self.sampling),
            "track": self.track,
            "save_dir": self.save_dir,
            "save_crops": self.save_crops,
            "save_format": self.save_format,
            "min_face": detector.min_face,
            "thresholds": list(detector.thresholds),
            "scale_factor": detector.scale_factor,
            "backend": "exact" if backend in EXACT else backend,
            "model": detector.model.hashes(),
            **({"csv_safe": True} if self.csv_safe else {}),
        }
