"""Arguments and options that several commands have, and the objects that these options describe."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast, get_args, get_type_hints

import typer

from .._util.cpus import MAX_THREADS
from ..reference.options import Options
from ..types import BackendName, ExactBackendName

if TYPE_CHECKING:
    from ..detector.detector import Detector
    from ..model import Model
    from ..trace import ComparisonOptions

BACKENDS = (
    f"{', '.join(get_args(BackendName))}. These give the same bits: core, "
    f"{', '.join(get_args(ExactBackendName))}. The results of onnx and torch differ in the last "
    "digits. The last digits of openface (the original, in a build with OpenFace) depend on its BLAS library."
)


class OutputFormat(str, enum.Enum):
    """Format of the output of a command."""

    table = "table"
    json = "json"


OneImage: TypeAlias = Annotated[Path | None, typer.Argument(help="Image file.", show_default=False)]
Sample: TypeAlias = Annotated[bool, typer.Option("--sample", help="Use the bundled sample image.")]
Only: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="Use only the tensors whose names match this pattern, e.g. 'pnet/level02/*' (repeatable)."
    ),
]
MinFace: TypeAlias = Annotated[
    float, typer.Option(help="Side length of the smallest faces to find, in pixels.")
]
Threads: TypeAlias = Annotated[
    int,
    typer.Option(
        min=0,
        max=MAX_THREADS,
        help="Maximum number of threads. 0: the value of MTCNN_CPP_THREADS, or all CPUs available to this "
        "process.",
    ),
]
Backend: TypeAlias = Annotated[str, typer.Option(help=f"Backend that runs the networks: {BACKENDS}")]
Yes: TypeAlias = Annotated[
    bool,
    typer.Option("--yes", help="Allow more than 2 GiB of values in trace files, including temporary files."),
]
ModelPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Networks other than OpenFace's: a folder, or the file MTCNN_detector.txt in it.",
        show_default="built in",
    ),
]
SecondModelPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--model-b",
        help="Networks of B, the second detection or trace (the candidate).",
        show_default="the networks of A",
    ),
]
Format: TypeAlias = Annotated[OutputFormat, typer.Option(help="Output format.")]
Isolated: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--isolated",
        help="Run every layer on the input that the reference recorded. Then only faulty layers differ.",
    ),
]


@dataclass(frozen=True)
class CascadeOptions:
    """Options of a detection. They are the fields of `reference.options.Options`."""

    min_face: MinFace = Options.min_face
    thresholds: Annotated[
        tuple[float, float, float],
        typer.Option(
            help="Minimum face probabilities to pass PNet, RNet and ONet: three numbers from 0 to 1, e.g. "
            "0.6 0.7 0.7."
        ),
    ] = Options.thresholds
    scale_factor: Annotated[
        float, typer.Option(help="Ratio of the sizes of adjacent pyramid levels, between 0 and 1.")
    ] = Options.scale_factor

    def checked(self) -> Options:
        return Options(**asdict(self))


@dataclass(frozen=True)
class GraphOptions:
    """Limits of graphs from files. These graphs run in a separate process."""

    graph_seconds: Annotated[
        float, typer.Option(help="Maximum time of one run of an ONNX graph, in seconds.")
    ] = 60.0
    graph_memory: Annotated[
        float, typer.Option(help="Maximum memory of the process that runs ONNX graphs, in GiB.")
    ] = 2.0

    def limits(self) -> AbstractContextManager[None]:
        """Apply these limits within a `with` block, as `formats.graph_limits` does."""
        from ..formats.onnx.process import graph_limits

        if not 0 < self.graph_memory < 1 << 20:
            raise ValueError(f"--graph-memory: expected a number of GiB above 0, got {self.graph_memory:g}")
        return graph_limits(seconds=self.graph_seconds, memory=int(self.graph_memory * (1 << 30)))


@dataclass(frozen=True)
class CiOptions:
    """Options that write the results in formats of other tools."""

    junit: Annotated[
        Path | None, typer.Option(help="Write the result to this JUnit XML file. Each tensor is a test case.")
    ] = None
    model_explorer: Annotated[
        Path | None,
        typer.Option(
            help="Write a JSON file for Model Explorer, which colours each node of the exported ONNX graphs "
            "by the size of the difference."
        ),
    ] = None
    github: Annotated[
        bool, typer.Option("--github", help="Print annotations for GitHub Actions on stderr.")
    ] = False


@dataclass(frozen=True)
class CompareOptions:
    """Options that select the tensors to compare and set the allowed differences.

    They are fields of `trace.ComparisonOptions`.
    """

    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            help="Allowed difference: 1e-5 (atol = rtol), 4ulp, 1e-5share (1e-5 times the layer's "
            "largest absolute value), PATTERN=1e-5 (only for tensors whose names match; repeatable; the last "
            "match applies), or a .toml file. Without this option, every value must be equal."
        ),
    ] = None
    only: Only = None
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop the comparison at the first tensor that fails.")
    ] = False
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Report a tensor as failed if it is in only one of the two traces. "
            "Without --strict, such tensors are ignored.",
        ),
    ] = False

    def to_options(self) -> ComparisonOptions:
        from ..trace import ComparisonOptions

        tolerances = parse_tolerances(self.tolerance) if self.tolerance else None
        return ComparisonOptions(tolerances, self.only or (), self.fail_fast, self.strict)


@dataclass(frozen=True)
class ReportOptions(CiOptions):
    """Options of the report of a comparison."""

    html: Annotated[
        Path | None,
        typer.Option(help="Write a report with images to this HTML file (needs mtcnn-cpp\\[report])."),
    ] = None
    format: Format = OutputFormat.table
    rows: Annotated[
        int,
        typer.Option(
            help="Maximum number of failed tensors in the table. 0: all tensors, including those that passed."
        ),
    ] = 20


def expand_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that has one option for each field of its option groups.

    An option group is a parameter whose type is a dataclass.

    Every field of an option group must have a default.
    """
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    hints = get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        kind = hints[parameter.name]
        if not dataclasses.is_dataclass(kind):
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = kind
        options = get_type_hints(kind, include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=options[field.name],
            )
            for field in dataclasses.fields(kind)
        ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        objects = {
            name: kind(**{field.name: values.pop(field.name) for field in dataclasses.fields(kind)})
            for name, kind in groups.items()
        }
        command(**values, **objects)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def join_lines(command: Callable[..., None]) -> str:
    """Return the docstring of a command with one line per paragraph, so that Typer wraps each paragraph."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def make_detector(
    model: Path | Model | None,
    cascade: CascadeOptions | Options,
    *,
    threads: int = 0,
    backend: str = "core",
) -> Detector:
    """Return the detector with these options. Raises the errors of `Detector`.

    If `threads` is 0, the detector uses all available CPUs.
    """
    from ..detector.detector import Detector

    return Detector(model, **asdict(cascade), threads=threads or None, backend=cast("BackendName", backend))


def read_one_image(image: Path | None, sample: bool) -> tuple[str, Any]:
    """Return the name and the pixels of an image. It is the file, or the sample image if `sample` is true."""
    from ..media.image import read_image, sample_image

    if (image is None) != sample:
        raise typer.BadParameter("give one image: an image file, or --sample")
    return ("astronaut", sample_image()) if image is None else (image.stem, read_image(image))


def parse_index(text: str) -> tuple[int, ...]:
    """Parse an index such as `0,3,4`, and return it as a tuple such as (0, 3, 4)."""
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"--at must be whole numbers separated by commas, got {text!r}") from None


def parse_tolerances(arguments: list[str]) -> Any:
    """Parse the tolerances of a comparison.

    `arguments` is the path of one TOML file, or a list of tolerances. A tolerance is a number such as `1e-6`,
    `4ulp` or `1e-5share`, with or without `PATTERN=` before it.
    """
    if len(arguments) == 1 and arguments[0].endswith(".toml"):
        return Path(arguments[0])
    rules: dict[str, Any] = {}
    for text in arguments:
        pattern, equals, value = text.rpartition("=")
        kind = next((kind for kind in ("ulp", "share") if value.endswith(kind)), "")
        try:
            number = float(value.removesuffix(kind))
        except ValueError:
            raise ValueError(
                "--tolerance must be a value such as 1e-5, 4ulp or 1e-5share, PATTERN=VALUE, or a "
                ".toml file, "
                f"got {text!r}"
            ) from None
        rules[pattern if equals else "*"] = {kind: number} if kind else number
    return rules
