"""The grades, best first, and what earns each."""

from __future__ import annotations

import enum

ULPS = 4.0  # steps of float32 that ulp-close allows, in any number
SHARE = 1e-5  # of a layer's greatest magnitude: what close allows in its outputs
BOX, SCORE = 0.01, 1e-5  # pixels; probability: what close allows in faces
IOU = 0.5  # what the boxes of one face overlap by at least


class Grade(enum.IntEnum):
    """How near a result is to the expected one; a smaller grade is better."""

    EXACT = 0
    EXACT_IN_PART = 1
    ULP_CLOSE = 2
    CLOSE = 3
    SAME_FACES = 4
    DIFFERENT = 5

    @property
    def label(self) -> str:
        """As it is written, such as "exact in part" and "ulp-close"."""
        return self.name.lower().replace("p_c", "p-c").replace("_", " ")

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Grade.EXACT: "every bit of every case is equal: faces, landmarks and all tensors",
    Grade.EXACT_IN_PART: "every bit that was compared is equal, but not everything was compared",
    Grade.ULP_CLOSE: f"every number that was compared is within {ULPS:g} steps of float32",
    Grade.CLOSE: f"boxes within {BOX:g} px, scores within {SCORE:g}, layers within {SHARE:g} of their "
    "greatest magnitude, where they were compared",
    Grade.SAME_FACES: f"the same faces, their boxes overlapping by {IOU:g} or more",
    Grade.DIFFERENT: "other faces, or no result",
}


def grade_named(label: str) -> Grade:
    """The grade with that label; ValueError for another word."""
    for grade in Grade:
        if grade.label == label:
            return grade
    raise ValueError(f"grade: expected one of {', '.join(g.label for g in Grade)}, got {label!r}")
