"""What a diagnosis consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..formats.agreement.outlets import TOLERANCE
from ..reference.model import Network
from ..types import StageName

# Every mistake that the doctor knows, by the name that findings carry.
KINDS = {
    "kernel-turned": "kernels transposed, flipped or rotated",
    "input-channels": "input channels in another order (BGR for RGB)",
    "output-channels": "output channels in another order",
    "dense-order": "a dense layer's input laid flat in another order than its weights expect",
    "heads-order": "outputs in another order",
    "classes-swapped": "face and not-face swapped",
    "pool-size": "pooling floored, or otherwise of another size",
    "pool-missing": "a pooling layer missing or one too many",
    "padding": "padding added",
    "stride": "another stride",
    "activation": "LeakyReLU or ReLU for PReLU, one slope shared, slopes negated, or no activation",
    "normalisation": "the picture normalised with other constants",
    "half": "numbers rounded to half precision",
    "quantised": "numbers quantised",
    "scaled": "numbers multiplied by a constant",
    "bias": "biases dropped or changed",
    "values": "other numbers: retrained, or altered here and there",
    "shape": "a layer of another shape",
    "computes": "a graph that computes something else than was read from it",
    "not-run": "a graph that could not be run",
}


@dataclass(frozen=True)
class Finding:
    """One mistake: `layer` (our name), `kind` (a key of KINDS), what it is in words, and the figures that
    show it.

    `exact`: undoing it gives OpenFace's numbers back, bit for bit.
    """

    layer: str
    kind: str
    text: str
    evidence: dict[str, Any] = field(default_factory=dict)
    exact: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What was found in one network. `notes`: what was seen and is no mistake. `layers`: their names by ours.
    `repaired`: the network with its mistakes undone; None where one cannot be. `numbers`: how many of theirs
    were compared with OpenFace's and are equal; `inputs`: on how many images a graph was run and gave
    OpenFace's outputs, None for a file of weights; `values`: how many values these have, each within
    TOLERANCE of the magnitudes that are added up for it. `bound`: for outputs of a port, the share of a
    layer's greatest magnitude within which they are OpenFace's."""

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
        """Whether it is OpenFace's network, without a mistake. Never where nothing was compared."""
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
            bound = f"within {TOLERANCE:g} of what is added up for them"
            return f"{text}; {self.inputs} inputs run, {self.values:,} output values {bound}"
        kinds = {finding.kind for finding in self.findings}
        if kinds == {"computes"}:
            return "read as OpenFace's model, but computes something else"
        if kinds == {"not-run"}:
            return "its numbers are OpenFace's, but what it computes is not known"
        if not kinds:
            return "nothing was compared"
        count, places = len(self.findings), len({finding.layer for finding in self.findings})
        mistakes = f"{count} mistake{'s' * (count > 1)} in {places} layer{'s' * (places > 1)}"
        return mistakes if self.repaired is None else f"{mistakes}; all its numbers are OpenFace's"

    def to_dict(self) -> dict[str, Any]:
        """All of it but the repaired network; for JSON through `trace.judge.plain`."""
        return {
            "source": self.source,
            "stage": self.stage,
            "exact": self.exact,
            "headline": self.headline,
            "numbers": self.numbers,
            "inputs": self.inputs,
            "values": self.values,
            "tolerance": TOLERANCE,
            "bound": self.bound,
            "findings": [vars(finding) for finding in self.findings],
            "notes": list(self.notes),
            "layers": self.layers,
        }
