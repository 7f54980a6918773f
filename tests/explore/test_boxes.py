"""The origin of each box that the page shows is the one in the cascade."""

from __future__ import annotations

import numpy as np
import pytest
from mtcnn_cpp import Detector, sample_image
from mtcnn_cpp.explore.boxes import BoxList, boxes_of
from mtcnn_cpp.reference.boxes import apply_offsets, make_square
from mtcnn_cpp.trace import Trace

F = np.float32


@pytest.fixture(scope="module")
def dropping() -> Trace:
    """A trace in which boxes are dropped: low thresholds, and squares that leave the image."""
    return Detector(min_face=24, thresholds=(0.3, 0.1, 0.1)).trace(sample_image()[:150, 120:300])


def present(boxes: BoxList | None) -> BoxList:
    assert boxes is not None
    return boxes


def test_every_box_has_its_origin(dropping: Trace) -> None:
    found = boxes_of(dropping)
    joined, rnet, onet, final = map(present, (found.joined, found.rnet, found.onet, found.final))
    assert joined.origin is not None
    assert joined.crop is not None
    assert len(joined.boxes) == len(dropping["pnet/boxes"]) > 20
    for box, place, index in zip(joined.boxes, joined.crop, joined.origin, strict=True):
        assert found.levels[place].boxes[index] == box
    for boxes, before, offsets in (
        (rnet, "pnet/boxes", "pnet/offsets"),
        (onet, "rnet/boxes_in", "rnet/offsets"),
    ):
        assert boxes.origin is not None
        assert len(boxes.origin) == boxes.total > 3
        for box, origin in zip(boxes.boxes, boxes.origin, strict=True):
            one = np.s_[origin : origin + 1]
            square = make_square(apply_offsets(dropping[before][one], dropping[offsets][one], add_one=False))
            assert square[0].tolist() == box
    assert final.origin is not None
    for score, origin in zip(final.scores, final.origin, strict=True):
        assert dropping["onet/scores"][origin] == F(score)


def test_dropped_boxes(dropping: Trace) -> None:
    """A box whose offsets lead outside the image is missing in the next list."""
    before = present(boxes_of(dropping).rnet).origin
    assert before is not None
    for place, offset in ((3, 1e12), (0, 50.0)):
        offsets = dropping["pnet/offsets"].copy()
        offsets[dropping["pnet/nms_keep"][place]] = offset
        changes = {
            name: np.delete(dropping[name], place, axis=0) for name in ("rnet/boxes_in", "rnet/scores")
        }
        found = boxes_of(dropping.replace({"pnet/offsets": offsets, **changes}))
        assert present(found.rnet).origin == before[:place] + before[place + 1 :]


def test_every_proposal_has_its_cell(dropping: Trace) -> None:
    for level in boxes_of(dropping).levels:
        assert level.cells is not None
        heat_map = dropping[f"{level.name}/heat_map"]
        assert [float(heat_map[row, column]) for row, column in level.cells] == level.scores
        for (row, column), (x, y, _, _) in zip(level.cells, level.boxes, strict=True):
            assert (x, y) == tuple(int(F(2 * cell + 1) / F(level.scale)) for cell in (column, row))


def test_trace_with_inconsistent_lists(dropping: Trace) -> None:
    """A trace of a port with other lists has unknown origins, which are None."""
    changed = dropping.replace(
        {"pnet/nms_keep": dropping["pnet/nms_keep"][::2], "rnet/keep": np.array([10**6], np.int32)}
    )
    found = boxes_of(changed)
    assert present(found.rnet).origin is None
    assert present(found.onet).origin is None
    strange = {
        "pnet/level00/boxes": np.zeros((3, 5), F),
        "pnet/level00/scores": np.zeros((2, 2), F),
        "pnet/boxes": np.full((2, 4), np.nan, F),
        "pnet/offsets": np.full((2, 4), np.inf, F),
        "pnet/scores": np.full(2, np.nan, F),
        "pnet/nms_keep": np.array([0, -1], np.int32),
        "rnet/boxes_in": np.full((1, 4), 1e30, F),
        "onet/nms_keep": np.array([0.5], F),
        "final/boxes": np.zeros((0, 4), F),
    }
    for picture in (None, sample_image()):
        found = boxes_of(
            Trace.from_arrays(strange, image=picture, options={"min_face": "x", "thresholds": 3})
        )
        assert present(found.joined).total == 2
        assert present(found.rnet).origin is None
        assert found.landmarks == []


def test_trace_without_values() -> None:
    found = boxes_of(Detector().trace(sample_image(), capture="hash"))
    assert (found.levels, found.joined, found.final) == ([], None, None)
