"""The result of a diagnosis: findings and their summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ...formats.evaluation import OUTPUT_TOLERANCE
from ...reference.model import Network
from ...types import StageName

# Kinds of findings.
FindingKind: TypeAlias = Literal[
    "kernel-turned",  # kernels are transposed, flipped or rotated
    "input-channels",  # the input channels have a wrong order (BGR instead of RGB)
    "output-channels",  # the output channels have a wrong order
    "dense-order",  # a fully connected layer expects its input in a wrong flattening order
    "heads-order",  # the network outputs have a wrong order
    "classes-swapped",  # the face and not-face outputs are swapped
    "pool-size",  # pooling rounds down, or uses windows of a wrong size
    "pool-missing",  # a pooling layer is missing or added
    "padding",  # padding is added
    "stride",  # the stride is different
    "activation",  # LeakyReLU or ReLU instead of PReLU, one shared slope, negated slopes, or no activation
    "normalisation",  # the image is normalised with wrong constants
    "half",  # the numbers are rounded to half precision
    "quantised",  # the numbers are quantised
    "scaled",  # the numbers are multiplied by a constant
    "bias",  # the biases are missing or changed
    "values",  # the numbers are wrong because the network was retrained or single numbers were changed
    "shape",  # a layer has a wrong shape
    "computes",  # the graph does not compute the network that was read from it
    "not-run",  # the graph could not be run
]


@dataclass(frozen=True)
class Finding:
    """One mistake of a port.

    Attributes:
        layer: OpenFace's name of the layer.
        kind: Kind of the mistake.
        text: Description of the mistake.
        evidence: Numbers that show the mistake, by name.
        exact: Whether undoing the mistake restores OpenFace's numbers bit for bit.
    """

    layer: str
    kind: FindingKind
    text: str
    evidence: dict[str, Any] = field(default_factory=dict)
    exact: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """Result of the diagnosis of one network.

    Attributes:
        source: File of the network, or "outputs".
        stage: Name of the network: pnet, rnet or onet.
        findings: The mistakes, in execution order.
        notes: Observations that are not mistakes.
        layers: Map from OpenFace's layer names to the port's layer names.
        repaired: The network without its mistakes, or None if a mistake cannot be undone.
        numbers: Number of weights, biases and slopes (or of output values) that equal OpenFace's numbers.
        inputs: Number of images for which the graph computed OpenFace's outputs. None for a file of weights.
        values: Number of compared output values. `OUTPUT_TOLERANCE` is the allowed difference.
        bound: Tolerance for recorded outputs, as a share of the greatest magnitude of the layer.
    """

    source: str
    stage: StageName
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    layers: dict[str, str]
    repaired: Network | None
    numbers: int = 0
    inputs: int | None = None
    values: int = 0
    bound: float | None = None

    @property
    def exact(self) -> bool:
        """Whether this is OpenFace's network without a mistake. It is False if nothing was compared."""
        run = self.inputs is None or (self.inputs > 0 and self.values > 0)
        return not self.findings and self.numbers > 0 and run

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        if self.exact and self.bound is not None:
            bound = f"within {self.bound:g} of the greatest magnitude of their layer"
            return f"these are the outputs of OpenFace's model: {self.numbers:,} numbers {bound}"
        if self.exact:
            text = f"this is OpenFace's model, exactly: {self.numbers:,} numbers equal, bit for bit"
            if self.inputs is None:
                return text
            bound = f"within {OUTPUT_TOLERANCE:g} of their sum of magnitudes"
            return f"{text}; {self.inputs} inputs run, {self.values:,} output values {bound}"
        kinds = {finding.kind for finding in self.findings}
        if kinds == {"computes"}:
            return "the layers are OpenFace's, but the graph computes something else"
        if kinds == {"not-run"}:
            return "the numbers are OpenFace's, but the graph could not be run"
        if not kinds:
            return "nothing was compared"
        count, layers = len(self.findings), len({finding.layer for finding in self.findings})
        mistakes = f"{count} mistake{'s' * (count > 1)} in {layers} layer{'s' * (layers > 1)}"
        return mistakes if self.repaired is None else f"{mistakes}; all its numbers are OpenFace's"

    def to_dict(self) -> dict[str, Any]:
        """Return all fields except the repaired network.

        Returns:
            A dict that `to_json_value` converts to values for JSON.
        """
        return {
            "source": self.source,
            "stage": self.stage,
            "exact": self.exact,
            "headline": self.headline,
            "numbers": self.numbers,
            "inputs": self.inputs,
            "values": self.values,
            "tolerance": OUTPUT_TOLERANCE,
            "bound": self.bound,
            "findings": [vars(finding) for finding in self.findings],
            "notes": list(self.notes),
            "layers": self.layers,
        }
