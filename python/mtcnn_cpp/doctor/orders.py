"""Orders of maps, in words: of the picture's channels, from one layer to the next, and of the heads."""

from __future__ import annotations

from collections.abc import Iterator

from ..formats.heads import HEADS
from .arrange import Order, is_identity
from .findings import Finding

BOX_NAMES = ("not-face", "face", "dx1", "dy1", "dx2", "dy2")
NAMES = (*BOX_NAMES, *(f"{axis}{number}" for axis in "xy" for number in range(1, 6)))


def check_inputs(layer: str, inputs: Order, before: Order | None, before_name: str) -> Iterator[Finding]:
    """The order in which a layer expects its input. `before`: the order in which the maps come from the layer
    `before_name`; None for the picture, R, G, B."""
    if before is None and not is_identity(inputs):
        letters = "".join("RGB"[index] for index in inputs)
        how = "reversed" if inputs == (2, 1, 0) else "in another order"
        text = f"input channels {how}: expects {letters}, OpenFace gives RGB"
        yield Finding(layer, "input-channels", text, exact=True)
    elif before is not None and inputs != before:
        how = "reversed" if inputs == before[::-1] else "in another order"
        text = f"input channels {how}, against what {before_name} gives"
        yield Finding(layer, "input-channels", text, moved(inputs, before), exact=True)


def check_outputs(layer: str, outputs: Order, following: Order | None) -> Iterator[Finding]:
    """The order of a layer's outputs. `following`: the order in which the next layer expects them; None: not
    known."""
    if is_identity(outputs):
        return
    own = tuple(range(len(outputs)))
    text = "output channels " + ("reversed" if outputs == own[::-1] else "in another order")
    if outputs == following:
        text += "; the next layer expects them so: detections are right, this layer's output is not"
    yield Finding(layer, "output-channels", text, moved(outputs, own), exact=True)


def moved(order: Order, expected: Order) -> dict[str, str]:
    """The evidence: how many maps stand elsewhere, and the order itself, or its beginning."""
    count = sum(a != b for a, b in zip(order, expected, strict=True))
    shown = " ".join(map(str, order[:12])) + (" …" if len(order) > 12 else "")
    return {"moved": f"{count} of {len(order)}", "order": shown}


def check_heads(layer: str, outputs: Order) -> Iterator[Finding]:
    """The last layer's outputs: blocks in another order, the two classes swapped, or single values moved."""
    if is_identity(outputs):
        return
    blocks = {name: [index for index in outputs if index in members] for name, members in HEADS.items()}
    blocks = {name: members for name, members in blocks.items() if members}
    order = sorted(blocks, key=lambda name: min(outputs.index(index) for index in blocks[name]))
    whole = [index for name in order for index in blocks[name]] == list(outputs)
    told = {"order": ", ".join(NAMES[index] for index in outputs)}
    if whole and order != list(blocks):
        text = f"heads in the order {', '.join(order)}; OpenFace's is {', '.join(blocks)}"
        yield Finding(layer, "heads-order", text, told, exact=True)
    if blocks["class"] == [1, 0]:
        yield Finding(layer, "classes-swapped", "face and not-face swapped", told, exact=True)
    for name, members in blocks.items():
        if (name != "class" and members != sorted(members)) or (not whole and name == order[0]):
            text = f"{name} values in the order {', '.join(NAMES[index] for index in members)}"
            yield Finding(layer, "heads-order", text if whole else "single outputs moved", told, exact=True)
