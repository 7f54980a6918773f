"""Converts the results of a comparison to JUnit files, GitHub annotations and colors in Model Explorer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..._util.escape import github_message, github_property
from ..._util.junit import JUnitCase, junit_xml
from ...reference.plan import STAGES
from ..comparison.report import Report, TensorComparison

MAX_ANNOTATIONS = 10  # GitHub shows at most 10 annotations per step
MAX_SHARE = 10.0  # also used for different shapes, NaN and missing tensors, which have no numeric difference
# Each pair contains an upper limit of the difference (as a share of the greatest magnitude), and the color of
# the nodes up to this limit.
THRESHOLDS = ((0.0, "#15803d"), (2e-5, "#84a81c"), (1e-2, "#ea7a0c"), (MAX_SHARE, "#d02020"))


@dataclass(frozen=True)
class CheckResult:
    """The result of checking a tensor or a layer.

    Attributes:
        group: The network.
        skipped: Whether the tensor was left out of the comparison. A skipped tensor is not a failure.
        share: The largest difference, as a share of the greatest magnitude. None if unknown.
    """

    group: str
    name: str
    ok: bool
    message: str = ""
    skipped: bool = False
    share: float | None = None


def report_checks(report: Report) -> list[CheckResult]:
    """Return one check per tensor, in execution order."""
    return [_check(tensor) for tensor in report.tensors]


def _check(tensor: TensorComparison) -> CheckResult:
    message = f"{tensor.label}: {tensor.reason}" if tensor.reason else tensor.label
    share: float | None = 0.0 if tensor.verdict == "identical" else None
    statistics = tensor.statistics
    if statistics is not None:
        share = statistics.absolute.maximum / max(statistics.magnitude, 1e-30)
        if statistics.worst is not None and not tensor.ok:
            message += f"; worst element {statistics.worst}"
    skipped = tensor.ok and (tensor.a is None or tensor.b is None)
    return CheckResult(tensor.name.partition("/")[0], tensor.name, tensor.ok, message, skipped, share)


def junit(checks: Sequence[CheckResult], suite: str) -> bytes:
    """Return a JUnit file with one test case per check."""
    return junit_xml(suite, [_junit_case(check) for check in checks], root="testsuites")


def _junit_case(check: CheckResult) -> JUnitCase:
    if check.skipped:
        return JUnitCase(check.group, check.name, skipped=check.message)
    if check.ok:
        return JUnitCase(check.group, check.name)
    return JUnitCase(check.group, check.name, failure=check.message, details=check.message)


def github(checks: Iterable[CheckResult], headline: str) -> Iterator[str]:
    """Yield GitHub workflow commands.

    If all checks passed, the only command is a notice. Otherwise the commands are errors: first the headline,
    then the first failures.
    """
    failed = [check for check in checks if not check.ok]
    if not failed:
        yield f"::notice title=mtcnn-cpp::{github_message(headline)}"
        return
    yield f"::error title=mtcnn-cpp::{github_message(headline)}"
    for check in failed[: MAX_ANNOTATIONS - 1]:
        yield f"::error title={github_property(check.name)}::{github_message(check.message)}"


def model_explorer(checks: Iterable[CheckResult]) -> str:
    """Return node data for Model Explorer: one value for each checked layer of the graphs of `export_onnx`.

    The value is the largest `share` of this layer over all levels or crops, at most MAX_SHARE. An unknown
    share counts as MAX_SHARE. The input of a graph also has a value if it was checked.
    """
    graphs: dict[str, dict[str, float]] = {stage.file_name: {} for stage in STAGES.values()}
    titles: dict[str, str] = {name: stage.file_name for name, stage in STAGES.items()}
    for check in checks:
        layer = check.name.rpartition("/")[2]
        title = titles.get(check.group)
        if title is None or check.skipped or not re.fullmatch("[a-z]+[0-9]+|input", layer):
            continue
        unknown = check.share is None or not math.isfinite(check.share)
        share = MAX_SHARE if check.share is None or unknown else min(check.share, MAX_SHARE)
        graphs[title][layer] = max(graphs[title].get(layer, 0.0), share)
    thresholds = [{"value": value, "bgColor": color, "textColor": "#ffffff"} for value, color in THRESHOLDS]
    data = {
        title: {
            "results": {layer: {"value": share} for layer, share in shares.items()},
            "thresholds": thresholds,
        }
        for title, shares in graphs.items()
        if shares
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"
