"""Options that several commands have, and the detector that they ask for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, cast, get_args

import typer

from ..reference.options import Options
from ..types import BackendName

if TYPE_CHECKING:
    from ..detector import Detector
    from ..model import Model

BACKENDS = (
    f"{', '.join(get_args(BackendName))}. core, generic, neon, avx2, avx512 and reference give the same "
    "bits. The last digits of onnx and torch differ, and so may those of openface (the original, where it "
    "was bound), which depend on its BLAS."
)

MinFace: TypeAlias = Annotated[float, typer.Option(help="Side of the smallest face looked for, in pixels.")]
Threads: TypeAlias = Annotated[
    int, typer.Option(help="At most so many; 0 for the CPUs this process may use, or MTCNN_CPP_THREADS.")
]
Backend: TypeAlias = Annotated[str, typer.Option(help=f"Who computes: {BACKENDS}")]
Yes: TypeAlias = Annotated[
    bool, typer.Option("--yes", help="Allow more than 2 GiB of values in trace files, temporary ones too.")
]
ModelPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--model", help="Your own networks: a folder or its MTCNN_detector.txt.", show_default="built in"
    ),
]


@dataclass(frozen=True)
class CascadeOptions:
    """What a detection looks for, as `reference.options.Options`."""

    min_face: MinFace = Options.min_face
    thresholds: Annotated[
        tuple[float, float, float],
        typer.Option(help="Least face probability to pass PNet, RNet, ONet: three numbers, 0.6 0.7 0.7."),
    ] = Options.thresholds
    scale_factor: Annotated[float, typer.Option(help="From one pyramid level to the next.")] = (
        Options.scale_factor
    )

    def checked(self) -> Options:
        return Options(**asdict(self))


@dataclass(frozen=True)
class GraphOptions:
    """Limits of graphs from files, which run in a process of their own."""

    graph_seconds: Annotated[
        float, typer.Option(help="Longest time of one run of an ONNX graph, in seconds.")
    ] = 60.0
    graph_memory: Annotated[
        float, typer.Option(help="Most memory that the process of an ONNX graph may take, in GiB.")
    ] = 2.0

    def limits(self) -> AbstractContextManager[None]:
        """A block in which these limits hold, and all graphs share one process."""
        from ..formats.onnx.guarded import graph_limits

        if not 0 < self.graph_memory < 1 << 20:
            raise ValueError(f"--graph-memory: expected GiB above 0, got {self.graph_memory:g}")
        return graph_limits(seconds=self.graph_seconds, memory=int(self.graph_memory * (1 << 30)))


def make_detector(
    model: Path | Model | None,
    cascade: CascadeOptions | Options,
    *,
    threads: int = 0,
    backend: str = "core",
) -> Detector:
    """The detector that a command's options ask for; raises what `Detector` raises."""
    from ..detector import Detector

    return Detector(model, **asdict(cascade), threads=threads, backend=cast("BackendName", backend))
