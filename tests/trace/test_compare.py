"""compare(): names, order, verdicts, tolerances, and the first tensor that differs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp._util.json_values import to_json_value
from mtcnn_cpp.trace import ComparisonOptions, Tolerance, Trace, TraceError, compare
from mtcnn_cpp.trace.comparison.comparison import compare_traces, merge_names

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 256, (6, 8, 3), np.uint8)
NAMES = ["input", "conv1", "prelu1", "pool1", "heat_map"]
TENSORS = {f"pnet/level00/{name}": RNG.standard_normal((3, 5, 6)).astype(np.float32) for name in NAMES[:4]}
TENSORS["pnet/level00/heat_map"] = RNG.random((5, 6), np.float32)
TENSORS["pnet/nms_keep"] = np.array([3, 1], np.int32)
CONV1 = "pnet/level00/conv1"


def trace(changes: dict[str, Any] | None = None, **about: Any) -> Trace:
    tensors = {**TENSORS, **(changes or {})}
    tensors = {name: array for name, array in tensors.items() if array is not None}
    return Trace.from_arrays(tensors, **{"image": IMAGE, **about})


def altered(name: str, index: tuple[int, ...], value: float) -> dict[str, Any]:
    array = TENSORS[name].copy()
    array[index] = value
    return {name: array}


def test_equal_traces_are_identical() -> None:
    report = compare(trace(), trace())
    assert report.ok
    assert report.first_divergence is None
    assert report.counts == {"identical": 6}
    assert report.headline == "no divergence in 6 tensors (6 identical)"


@pytest.mark.parametrize(
    ("value", "tolerance", "verdict", "ok"),
    [
        (0.0, None, "identical", True),
        (-0.0, None, "equal", True),
        (1e-45, None, "similar", False),
        (1e-45, Tolerance(ulp=1), "ulp<=1", True),
        (3e-45, Tolerance(ulp=1), "similar", False),
        (1e-6, 1e-6, "close", True),
        (1.1e-6, 1e-6, "similar", False),
        (0.01, None, "similar", False),
        (9.0, None, "different", False),
        (9.0, 9.0, "close", True),
    ],
)
def test_the_ladder_of_verdicts(value: float, tolerance: Any, verdict: str, ok: bool) -> None:
    first = trace(altered(CONV1, (1, 2, 3), 0.0))
    report = compare(first, trace(altered(CONV1, (1, 2, 3), value)), tolerances=tolerance)
    row = report.tensors[1]
    assert (row.name, row.label, row.ok, report.ok) == (CONV1, verdict, ok, ok)
    if not ok:
        assert report.first_divergence is row
        assert row.statistics is not None
        assert row.statistics.worst is not None
        assert row.statistics.worst.index == (1, 2, 3)


def test_an_element_passes_by_ulp_or_by_closeness() -> None:
    a, b = np.array([1.0, 1e-30], np.float32), np.array([1.0 + 2**-23, 3e-30], np.float32)
    report = compare(
        Trace.from_arrays({"x": a}), Trace.from_arrays({"x": b}), tolerances=Tolerance(ulp=1, atol=1e-29)
    )
    assert report.tensors[0].label == "close"


def test_headline_names_the_first_divergence() -> None:
    changes = altered("pnet/level00/pool1", (0, 0, 0), 7) | altered(CONV1, (2, 4, 5), 8)
    report = compare(trace(), trace(changes, source="mine"))
    assert report.headline == (
        "first divergence: pnet/level00/conv1 (tensor 2 of 6; 2 failed): different: 1 of 90 elements differ"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_in_one_element(bad: float) -> None:
    for a, b in ((None, bad), (bad, None)):
        report = compare(
            trace(altered(CONV1, (1, 0, 2), a) if a else {}),
            trace(altered(CONV1, (1, 0, 2), b) if b else {}),
            tolerances=1e30,
        )
        assert report.first_divergence is not None
        assert report.first_divergence.name == CONV1
        assert "NaN or infinities differ in 1 of 90 elements, first at (1, 0, 2)" in report.headline


def test_the_same_nan_on_both_sides_is_identical_and_other_nan_bits_are_equal() -> None:
    nan = altered(CONV1, (0, 0, 0), np.nan)
    other = {CONV1: nan[CONV1].copy()}
    other[CONV1].view(np.uint32)[0, 0, 0] ^= 1
    assert compare(trace(nan), trace(nan)).tensors[1].verdict == "identical"
    assert compare(trace(nan), trace(other)).tensors[1].verdict == "equal"
    infinite = altered(CONV1, (0, 0, 0), np.inf)
    opposite = altered(CONV1, (0, 0, 0), -np.inf)
    assert not compare(trace(infinite), trace(opposite), tolerances=1e9).ok


def test_missing_and_extra_tensors_fail_if_strict() -> None:
    report = compare(trace(), trace({"pnet/level00/prelu1": None}, source="mine"), strict=True)
    assert report.headline.endswith("(tensor 3 of 6; 1 failed): missing: missing in mine")
    report = compare(trace({"pnet/level00/prelu1": None}), trace(source="mine"), strict=True)
    assert [row.name for row in report.tensors] == list(TENSORS)
    assert report.headline.endswith("prelu1 (tensor 3 of 6; 1 failed): extra: only in mine")


def test_the_headline_of_a_partial_trace_names_the_first_tensor_that_differs() -> None:
    """Two tensors are captured, and the second is wrong. One note lists the missing tensors."""
    two = {**dict.fromkeys(TENSORS), "pnet/level00/input": TENSORS["pnet/level00/input"]}
    wrong = trace({**two, "pnet/level00/pool1": TENSORS["pnet/level00/pool1"] + 1}, source="mine")
    for a, b in ((trace(), wrong), (wrong, trace())):
        report = compare(a, b)
        assert report.headline.startswith(
            "first divergence: pnet/level00/pool1 (tensor 2 of 2; 1 failed): different: "
        )
        (note,) = report.notes
        assert note.startswith("4 tensors of ")
        assert note.endswith(
            "does not contain pnet/level*/conv1, pnet/level*/prelu1, pnet/level*/heat_map, pnet/nms_keep"
        )
        assert len(report.compared) == 2
        assert report.to_dict()["compared"] == 2
    right = compare(trace(), trace(two))
    assert right.ok
    assert right.headline == "no divergence in 1 tensors (1 identical)"
    assert not compare(trace(), trace(two), strict=True).ok
    # A tensor that is requested by name is required.
    assert not compare_traces(trace(), trace(two), ComparisonOptions(), [CONV1]).ok


def test_traces_without_a_common_name_do_not_agree() -> None:
    other = Trace.from_arrays({"pnet/level0/conv1": TENSORS[CONV1]}, source="mine", image=IMAGE)
    with pytest.raises(
        TraceError,
        match=r"trace contains 6 tensors, mine contains 1, and no name is in both; "
        r"mine has pnet/level0/conv1; the nearest: pnet/level00/conv1",
    ):
        compare(trace(), other)
    assert not compare(trace(), other, strict=True).ok
    with pytest.raises(TraceError, match="nothing to compare"):
        compare(trace(), trace({CONV1: None}), only=[CONV1])


def test_why_tensors_are_missing() -> None:
    """Fewer input boxes, fewer levels, and kinds of tensors that were not captured."""

    def crops(count: int, layers: tuple[str, ...] = ("input", "conv1")) -> dict[str, Any]:
        named = {"rnet/boxes_in": np.zeros((count, 4), np.float32)}
        for number in range(count):
            named |= {f"rnet/crop{number:03d}/{layer}": np.ones((1, 2, 2), np.float32) for layer in layers}
        return named

    a, b = Trace.from_arrays(crops(5)), Trace.from_arrays(crops(3))
    report = compare(a, b)
    assert report.notes[-1] == (
        "4 tensors of a are missing in b: RNet received 3 boxes in b, 5 in a (missing: crop003 … crop004)"
    )
    assert report.first_divergence is not None
    assert report.first_divergence.name == "rnet/boxes_in"
    text = ": RNet received 3 boxes in a, 5 in b (missing: crop003 … crop004)"
    assert compare(b, a).notes[-1].endswith(text)
    only = Trace.from_arrays(crops(5, ("conv1",)), only=["*/conv1"])
    assert compare(a, only).notes[-1] == (
        "5 tensors of a are missing in b: b does not contain rnet/crop*/input (captured with --only */conv1)"
    )
    levels = {f"pnet/level{number:02d}/conv1": np.ones((1, 1, 1), np.float32) for number in range(3)}
    fewer = dict(list(levels.items())[:2])
    assert compare(Trace.from_arrays(levels), Trace.from_arrays(fewer)).notes[-1] == (
        "1 tensor of a is missing in b: the pyramid of b does not contain 1 level (level02)"
    )


def test_dtype_and_shape_fail_before_values() -> None:
    double = {CONV1: TENSORS[CONV1].astype(np.float64)}
    assert "different: dtype float32 in a, float64 in b" in compare(trace(), trace(double)).headline
    cut = {CONV1: TENSORS[CONV1][:, 1:]}
    assert "different: shape (3, 5, 6) in a, (3, 4, 6) in b" in compare(trace(), trace(cut)).headline


def test_swapped_channels_are_recognised() -> None:
    name = "pnet/level00/input"
    report = compare(trace(), trace({name: TENSORS[name][::-1]}))
    assert report.headline.endswith("a equals b with reversed channels: red and blue are swapped")


def test_integers_are_compared_exactly() -> None:
    report = compare(trace(), trace({"pnet/nms_keep": np.array([3, 2], np.int32)}))
    assert report.first_divergence is not None
    assert report.first_divergence.name == "pnet/nms_keep"


def test_merged_order() -> None:
    assert merge_names("abcd", "abcd") == list("abcd")
    assert merge_names("abd", "xabyd") == list("xabyd")
    assert merge_names("abc", "") == list("abc")
    assert merge_names("", "ab") == list("ab")
    assert merge_names("abc", "cxb") == list("abcx")


def test_nothing_to_compare() -> None:
    with pytest.raises(TraceError, match="nothing to compare: neither trace contains a tensor"):
        compare(Trace.from_arrays({}), Trace.from_arrays({}))


def test_the_channel_order_of_the_image_does_not_matter() -> None:
    assert compare(trace(), trace(image=IMAGE[..., ::-1], color="rgb")).ok


def test_order_of_execution_is_noted() -> None:
    reversed_order = Trace.from_arrays(dict(reversed(TENSORS.items())), image=IMAGE)
    report = compare(trace(), reversed_order)
    assert report.ok
    assert any(
        note.startswith("the order of execution differs: pnet/level00/input in a") for note in report.notes
    )


def test_different_images_are_refused() -> None:
    with pytest.raises(
        TraceError, match=r"traces are of different images: a: \(6, 8, 3\) uint8 SHA-256 \w{16}…, b:"
    ):
        compare(trace(source="a"), trace(image=IMAGE[::-1], source="b"))
    with pytest.raises(
        TraceError, match="equal if red and blue are swapped: check the argument `color` of both"
    ):
        compare(trace(), trace(image=IMAGE[..., ::-1]))


def test_notes_on_different_options_and_models() -> None:
    a = trace(options={"min_face": 60.0}, model={"pnet": "1" * 64})
    b = trace(options={"min_face": 40.0}, model={"pnet": "2" * 64})
    assert compare(a, b).notes == (
        "different options: min_face is 60.0 in a, 40.0 in b, according to the manifests",
        "different model: pnet is 111111111111… in a, 222222222222… in b, according to the manifests",
    )
    unknown = Trace.from_arrays(TENSORS)
    assert compare(a, unknown).notes == (
        "a trace does not describe its image: it is unknown whether both are of the same image",
    )


def test_statements_of_a_manifest_are_reported_as_unverified() -> None:
    """A file does not prove which program made it."""
    notes = compare(trace(), trace(made_by={"openface": "/opt/OpenFace"})).notes
    assert notes == (
        "according to the manifest of b (not verified), OpenFace computed its layers and mtcnn_cpp computed "
        "the cascade: /opt/OpenFace",
    )
    notes = compare(trace(), trace(capture="hash")).notes
    assert notes == ("b contains no values: its shapes and SHA-256 values come from its manifest",)


@pytest.mark.parametrize("capture", ["hash", "stats"])
def test_hashes_distinguish_equal_from_different(capture: Any) -> None:
    assert compare(trace(), trace(capture=capture)).counts == {"identical": 6}
    assert compare(trace(capture=capture), trace(capture="hash")).ok
    report = compare(trace(), trace(altered(CONV1, (0, 0, 0), 7), capture=capture), tolerances=100)
    assert "conv1 (tensor 2 of 6; 1 failed): different: the SHA-256 values differ" in report.headline


def test_names_alone_do_not_pass() -> None:
    report = compare(trace(), trace(capture="names"))
    assert report.counts == {"unchecked": 6}
    assert not report.ok


def test_fail_fast_stops_at_the_first_failure() -> None:
    report = compare(trace(), trace(altered(CONV1, (0, 0, 0), 7)), fail_fast=True)
    assert [row.name for row in report.tensors] == ["pnet/level00/input", CONV1]
    assert "stopped at the first failure: 4 tensors were not compared" in report.notes


def test_only_restricts_both_sides() -> None:
    changed = trace(altered(CONV1, (0, 0, 0), 7))
    assert compare(trace(), changed, only=["*/input", "*_map"]).counts == {"identical": 2}
    with pytest.raises(
        TraceError, match=r"'\*/covn1' matches no tensor name; the nearest: pnet/level\*/conv1"
    ):
        compare(trace(), changed, only=["*/covn1"])


def test_options_check_their_tolerances_when_created() -> None:
    with pytest.raises(TraceError, match="tolerance atol must be a number >= 0"):
        ComparisonOptions(-1.0)
    options = ComparisonOptions({"*/conv1": 100}, only=["pnet/level00/*"], fail_fast=True)
    changed = trace(altered(CONV1, (0, 0, 0), 7))
    assert compare_traces(trace(), changed, options).counts == {"identical": 4, "close": 1}
    report = compare_traces(trace(), changed, ComparisonOptions(), [CONV1])
    assert [row.name for row in report.tensors] == [CONV1]


def test_plain_values() -> None:
    nan, inf = float("nan"), float("inf")
    given = {
        "a": (1, nan, -inf),
        "b": Tolerance(ulp=2),
        "c": np.float32([[inf, 0.5]]),
        "d": [np.int64(3), None, "x"],
    }
    expected = {
        "a": [1, "nan", "-inf"],
        "b": {"ulp": 2, "atol": 0.0, "rtol": 0.0, "share": 0.0},
        "c": [["inf", 0.5]],
        "d": [3, None, "x"],
    }
    assert json.loads(json.dumps(to_json_value(given), allow_nan=False)) == expected


def test_to_dict_is_json() -> None:
    report = compare(trace(), trace(altered(CONV1, (0, 0, 0), 7) | {"pnet/nms_keep": None}))
    back = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (back["ok"], back["first_divergence"]) == (False, CONV1)
    assert back["tensors"][1]["figures"]["worst"]["b"] == 7.0
    assert back["tensors"][5]["verdict"] == "missing"
