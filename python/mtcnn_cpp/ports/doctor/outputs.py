"""Diagnosis of recorded outputs: a port's layer outputs for an image are compared with OpenFace's outputs.

OpenFace's network runs on the image several times: with the correct preparation, and with the usual wrong
preparations. This finds mistakes that are not visible in a file of weights: swapped channels, a transposed
image, a wrong or missing normalisation, pooling that rounds down, and added padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...formats.errors import PortError
from ...formats.evaluation import LAYER_TOLERANCE
from ...formats.found import official_network
from ...reference.model import MaxPool, Network
from ...reference.plan import Size, iterate_layers
from ...types import FloatArray, ImageLike, StageName
from .findings import Diagnosis, Finding, FindingKind
from .preparations import (
    CORRECT,
    MATCH_TOLERANCE,
    InputSource,
    Preparation,
    choose_source,
    has_shape,
    input_sources,
    nearest_preparation,
    run_layers,
    solve_normalisation,
    whole_image,
)
from .structure import floored_size

MAX_PADDED_ROWS = 8  # more additional rows are not padding: then the output belongs to another level
LAST_RANK = 1 << 30


def diagnose_outputs(
    stage: StageName, image: npt.NDArray[Any], outputs: Mapping[str, npt.NDArray[Any]]
) -> Diagnosis:
    """Diagnose the first layer of `outputs` in execution order. If it is right, check the other layers.

    Args:
        stage: Name of the network: pnet, rnet or onet.
        image: The network's input before normalisation, as RGB (H, W, 3) with values 0 … 255. Its size is 24
            x 24 for rnet and 48 x 48 for onet.
        outputs: The port's outputs by OpenFace's layer names: maps (C, h, w) or values (C,), with or without
            a batch axis of 1.

    Raises:
        PortError: If a name is not a layer of the network.
        ValueError: If the shape of the image is not (H, W, 3), or a layer cannot run on this size.
    """
    return _diagnose_sources(stage, [whole_image(image)], outputs)


def diagnose_in_cascade(
    stage: StageName, image: ImageLike, outputs: Mapping[str, npt.NDArray[Any]], min_face: float
) -> Diagnosis:
    """Diagnose outputs that belong to an unknown pyramid level or crop of a detection.

    A note of the result names the level or crop.

    Args:
        stage: Name of the network: pnet, rnet or onet.
        image: As for `Detector.detect`.
        outputs: As for `diagnose_outputs`.
        min_face: Option of the detection.

    Raises:
        PortError: If a name is not a layer of the network.
        ValueError: If no box reaches the network.
    """
    first_layer(official_network(stage), outputs)
    return _diagnose_sources(stage, input_sources(stage, image, min_face), outputs)


def _diagnose_sources(
    stage: StageName, sources: Sequence[InputSource], outputs: Mapping[str, npt.NDArray[Any]]
) -> Diagnosis:
    """Diagnose outputs that belong to one of the given levels and crops."""
    net = official_network(stage)
    name = first_layer(net, outputs)
    candidate = without_batch(outputs[name])
    source = choose_source(stage, sources, name, candidate)
    right = run_layers(net, CORRECT.apply(source.pixels), name)
    note = f"compared: the output of {name}" + (f" on {source.name}" if len(sources) > 1 else "")
    if not has_shape(candidate.shape, right.shape):
        findings = [shape_finding(net, sources, name, candidate.shape)]
    elif not np.isfinite(candidate).all():
        count = int(np.sum(~np.isfinite(candidate)))
        findings = [Finding(name, "values", f"{count} of {candidate.size} outputs are NaN or infinite")]
    else:
        distance, preparation = nearest_preparation(net, source, name, candidate)
        statistics = difference_statistics(candidate, right) if candidate.shape == right.shape else {}
        if distance <= MATCH_TOLERANCE:
            note += (
                f"; with the preparation that was found, OpenFace's network differs by {distance:.1e} of the "
                "greatest magnitude"
            )
            findings = list(preparation_findings(name, preparation, statistics))
            findings = findings or list(check_values(net, source.pixels, outputs))
        else:
            constants = solve_normalisation(net, source.pixels, candidate) if name == "conv1" else None
            evidence = statistics | {"distance": distance}
            findings = [constants or unexplained_finding(name, preparation, evidence)]
            if len(sources) > 1:
                note = f"compared: the output of {name}; none of the {len(sources)} levels and crops gives it"
    numbers = 0 if findings else sum(np.size(output) for output in outputs.values())
    return Diagnosis("outputs", stage, tuple(findings), (note,), {}, None, numbers, bound=LAYER_TOLERANCE)


def first_layer(net: Network, outputs: Mapping[str, npt.NDArray[Any]]) -> str:
    """The first layer in execution order that is in `outputs`. Raises PortError if a name is not a layer."""
    unknown = [name for name in outputs if name not in net.names]
    if unknown or not outputs:
        found = ", ".join(unknown) or "none"
        raise PortError(f"outputs: expected some of {', '.join(net.names)}, found {found}")
    return next(name for name in net.names if name in outputs)


def preparation_findings(
    name: str, preparation: Preparation, statistics: dict[str, Any]
) -> Iterator[Finding]:
    """Report each part of a preparation that differs from the correct preparation."""
    if preparation.channels != CORRECT.channels:
        text = f"the image was given as {preparation.channels}, expected {CORRECT.channels}"
        yield Finding(name, "input-channels", text, statistics)
    if preparation.normalisation != CORRECT.normalisation:
        text = f"the image was normalised as {preparation.normalisation}, expected {CORRECT.normalisation}"
        yield Finding(name, "normalisation", text, statistics)
    if preparation.transposed:
        yield Finding(name, "kernel-turned", "the image was transposed (x and y swapped)", statistics)


def check_values(
    net: Network, pixels: FloatArray, outputs: Mapping[str, npt.NDArray[Any]]
) -> Iterator[Finding]:
    """Report the first layer whose outputs differ from the correct outputs for this image."""
    for name in [name for name in net.names if name in outputs]:
        candidate, right = without_batch(outputs[name]), run_layers(net, CORRECT.apply(pixels), name)
        if candidate.shape != right.shape:
            yield Finding(name, "shape", f"shape {candidate.shape}, expected {right.shape}")
            return
        maximum = float(np.abs(candidate - right.astype(np.float64)).max())
        difference = maximum / float(np.abs(right).max())
        if not difference <= LAYER_TOLERANCE:
            text = f"the outputs differ by {difference:.1e} of the greatest magnitude"
            yield Finding(name, "values", text, difference_statistics(candidate, right))
            return


def unexplained_finding(name: str, preparation: Preparation, evidence: dict[str, Any]) -> Finding:
    """Finding for outputs that match no preparation. `preparation` is the nearest preparation."""
    nearest = f"{preparation.channels}, {preparation.normalisation}"
    text = f"no usual preparation of the image gives these outputs; the nearest is {nearest}"
    return Finding(name, "values", text, evidence)


def difference_statistics(candidate: FloatArray, right: FloatArray) -> dict[str, Any]:
    """Maximum and mean difference, and for each of the first four channels mean difference and correlation.

    An output with one value per channel gets no statistics by channel.
    """
    difference = np.abs(candidate - right.astype(np.float64)).reshape(len(right), -1)
    a, b = candidate.reshape(len(right), -1), right.reshape(len(right), -1)
    result: dict[str, Any] = {
        "max": round(float(difference.max()), 4),
        "mean": round(float(difference.mean()), 4),
    }
    if a.shape[1] > 1:
        result["mean by channel"] = [round(float(value), 3) for value in difference.mean(axis=1)[:4]]
        with np.errstate(invalid="ignore"):  # NaN if a channel is constant
            result["correlation by channel"] = [
                round(float(np.corrcoef(x, y)[0, 1]), 3) for x, y in zip(a[:4], b[:4], strict=True)
            ]
    return result


def shape_finding(net: Network, sources: Sequence[InputSource], name: str, found: tuple[int, ...]) -> Finding:
    """Finding for an output whose shape does not match any level or crop.

    The finding contains the most probable explanation. If pooling that rounds down gives the shape at some
    level or crop, this pooling is the explanation. Otherwise, the explanation is the smallest padding that
    gives the shape, if there is such a padding.
    """
    explanations: list[tuple[int, FindingKind, str]] = []
    for source in sources:
        step = next(step for step in iterate_layers(net, source.size) if step.name == name)
        right = step.output.shape
        if min(right) < 1:
            continue
        kind, text = explain_shape(net, source.size, name, found, right)
        added = [x - y for x, y in zip(found[1:], right[1:], strict=False)]
        if kind == "padding" and len(sources) > 1 and (len(set(added)) > 1 or added[0] > MAX_PADDED_ROWS):
            kind = "shape"
        rank = {"pool-size": 0, "padding": added[0] if added else 0}.get(kind, LAST_RANK)
        explanations.append((rank, kind, text))
    rank, kind, text = min(explanations, key=lambda one: one[0])
    if rank == LAST_RANK and len(sources) > 1:
        text = f"no level or crop of this image gives the shape {found}; check --min-face and --stage"
    return Finding(name, kind, text)


def explain_shape(
    net: Network, size: Size, name: str, found: tuple[int, ...], right: tuple[int, ...]
) -> tuple[FindingKind, str]:
    """Return kind and text of a finding for an output with a wrong shape.

    The known explanations are pooling that rounds down, and padding.
    """
    step = next(step for step in iterate_layers(net, size, pooled=floored_size) if step.name == name)
    has_pooling = any(isinstance(layer, MaxPool) for layer in net.layers[: net.names.index(name) + 1])
    text = f"shape {found}, expected {right}"
    if has_pooling and found[-2:] == step.output.size:
        return "pool-size", f"{text}: pooling rounds down (floor)"
    if len(found) == len(right) == 3 and found[0] == right[0] and found[1] > right[1]:
        return "padding", f"{text}: padding added"
    return "shape", text


def without_batch(output: npt.NDArray[Any]) -> FloatArray:
    """Convert an array (1, …) to (…), float32."""
    array = np.asarray(output)
    if array.dtype.kind not in "fiu":
        raise PortError(f"outputs: expected arrays of numbers, found {array.dtype}")
    array = array.astype(np.float32)
    return array[0] if array.ndim in (2, 4) and len(array) == 1 else array
