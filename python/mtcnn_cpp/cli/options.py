"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

MinFace: TypeAlias = Annotated[float, typer.Option(help="Side of the smallest face looked for, in pixels.")]
Thresholds: TypeAlias = Annotated[
    tuple[float, float, float], typer.Option(help="Least face probability to pass PNet, RNet, ONet.")
]
ScaleFactor: TypeAlias = Annotated[float, typer.Option(help="From one pyramid level to the next.")]
Threads: TypeAlias = Annotated[
    int, typer.Option(help="At most so many; 0 for the CPUs this process may use.")
]
BackendName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--backend", help="core, generic, avx2, avx512 or reference, all with the same bits; onnx or torch."
    ),
]
ModelPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--model", help="Your own networks: a folder or its MTCNN_detector.txt.", show_default="built in"
    ),
]
