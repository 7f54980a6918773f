"""Traces of ports: partial traces, folders, own names, bad input; and the output of the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp._util.json_values import to_json_value
from mtcnn_cpp.cli import app
from mtcnn_cpp.ports.doctor.trace_diagnosis.candidate import read_candidate
from mtcnn_cpp.ports.doctor.trace_diagnosis.diagnosis import diagnose_trace
from mtcnn_cpp.trace import Trace, TraceError
from mtcnn_cpp.trace.comparison.boxes import pair_boxes
from typer.testing import CliRunner, Result

MIN_FACE = 40.0
TRANSPOSED = ("rnet/crop*/conv2", "turn", "exchanged")


def faulty(**changes: np.ndarray) -> Detector:
    arrays = dict(Model.default().arrays())
    for name, array in changes.items():
        arrays[name.replace("__", "/")] = array
    return Detector(Model.from_arrays(arrays), min_face=MIN_FACE)


def transposed() -> Detector:
    kernel = Model.default().arrays()["rnet/conv2/kernel"]
    return faulty(rnet__conv2__kernel=kernel.transpose(0, 1, 3, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traces")
    Detector(min_face=MIN_FACE).trace(portrait()).save(folder / "gold.npz")
    transposed().trace(portrait()).save(folder / "mine.npz")
    return folder


def gold(folder: Path) -> Trace:
    return Trace.load(folder / "gold.npz")


def mine(folder: Path) -> Trace:
    return Trace.load(folder / "mine.npz")


def test_a_fault_to_the_last_bit_and_its_effect(folder: Path) -> None:
    found = diagnose_trace(mine(folder), gold(folder))
    (one,) = found.faulty_steps
    assert one.faults == (TRANSPOSED,)
    count = len([name for name in mine(folder) if name.startswith("rnet/") and name.endswith("/conv2")])
    assert one.text == (
        "kernel transposed (x and y swapped); the reference with this fault gives your "
        f"{count * 3888:,} values (maximum difference 0 ULP)"
    )
    assert (one.wrong, one.compared, one.ulp) == (count, count, 0.0)
    assert found.right == len(mine(folder)) - count
    # The effect is that of the faulty detector.
    pairs = pair_boxes(gold(folder)["final/boxes"], mine(folder)["final/boxes"])
    moved = max((max(map(abs, pair.offset)) for pair in pairs if pair.offset), default=0.0)
    assert one.effect is not None
    assert (one.effect.moved, one.effect.lost) == (moved, sum(pair.b is None for pair in pairs))


def test_a_fault_in_a_layer_that_was_not_recorded(folder: Path) -> None:
    """conv3 alone: the fault is in conv2, which is not in the trace."""
    alone = Trace.from_arrays({"rnet/crop001/conv3": mine(folder)["rnet/crop001/conv3"]})
    (one,) = diagnose_trace(alone, gold(folder)).faulty_steps
    assert one.kind == "rnet/crop*/conv3"
    assert one.faults == (TRANSPOSED,)
    assert "kernel transposed (x and y swapped) (at rnet/crop*/conv2); the reference" in one.text
    assert "gives your 576 values (maximum difference 0 ULP)" in one.text
    right = Trace.from_arrays({"rnet/crop001/conv3": gold(folder)["rnet/crop001/conv3"]})
    assert diagnose_trace(right, gold(folder)).headline == (
        "nothing is wrong: 1 tensors follow from their inputs (576 values); "
        "51 kinds of steps could not be checked"
    )


def test_a_tensor_after_a_fault_without_its_input_is_not_checked(folder: Path) -> None:
    names = ("rnet/crop000/pool1", "rnet/crop000/conv2", "rnet/crop000/fc1", "rnet/crop000/prelu4")
    found = diagnose_trace(Trace.from_arrays({name: mine(folder)[name] for name in names}), gold(folder))
    assert [one.kind for one in found.faulty_steps] == ["rnet/crop*/conv2"]
    assert found.right == 2  # pool1, and prelu4 from the port's own fc1
    assert found.notes[0].startswith(
        "1 tensors were not checked: they follow a faulty step, and the trace does not contain the"
    )


def test_values_that_no_fault_explains(folder: Path) -> None:
    name = "onet/crop000/conv2"
    values = gold(folder)[name]
    noise = np.random.default_rng(1).normal(size=values.shape).astype(np.float32)
    for changed, text in (
        (values + noise, "values of onet/crop000/conv2 differ, by up to "),
        (np.where(noise > 2, np.nan, values), "values of onet/crop000/conv2 are NaN or infinite"),
        (values[:, 1:], f"onet/crop000/conv2 has shape {values[:, 1:].shape}, expected {values.shape}"),
    ):
        candidate = {"onet/crop000/pool1": gold(folder)["onet/crop000/pool1"], name: changed}
        (one,) = diagnose_trace(Trace.from_arrays(candidate), gold(folder)).faulty_steps
        assert one.matches == ()
        assert one.text.startswith("no known fault and no pair of faults gives these values; ")
        assert text in one.text
        assert one.advice == ""


def test_dtypes_and_a_batch_axis(folder: Path) -> None:
    candidate = {
        name: array[None].astype(np.float64 if array.dtype == np.float32 else np.int64)
        if "crop" in name
        else array
        for name, array in gold(folder).items()
    }
    found = diagnose_trace(Trace.from_arrays(candidate | {"rnet/my_scratch": np.zeros(3)}), gold(folder))
    assert found.ok
    assert found.right == len(gold(folder))
    assert [note.partition(" ")[2][:30] for note in found.notes] == [
        "arrays have names that are not",
        "arrays were converted to float",
        "arrays had a batch axis of 1, ",
    ]


def test_folders_and_own_names(folder: Path, tmp_path: Path) -> None:
    trace = mine(folder)
    layers = {"features.0": "rnet/crop*/conv1", "features.3": "rnet/crop*/conv2"}
    count = len(trace["rnet/boxes_in"])
    batches = {
        candidate: np.stack([trace[ours.replace("*", f"{number:03d}")] for number in range(count)])
        for candidate, ours in layers.items()
    }
    np.savez(tmp_path / "theirs.npz", **batches)
    (tmp_path / "names.json").write_text(json.dumps(layers))
    read = read_candidate(tmp_path / "theirs.npz", tmp_path / "names.json")
    assert len(read) == 2 * count
    assert np.array_equal(read["rnet/crop001/conv2"], trace["rnet/crop001/conv2"])

    for style in ("{}", "flat__{}"):
        home = tmp_path / style[:4]
        for name in ("rnet/crop000/conv1", "rnet/crop000/conv2"):
            flat = name.replace("/", "__") if style != "{}" else name
            (home / flat).parent.mkdir(parents=True, exist_ok=True)
            np.save(home / f"{flat}.npy", trace[name])
        read = read_candidate(home)
        assert set(read) == {"rnet/crop000/conv1", "rnet/crop000/conv2"}
        (one,) = diagnose_trace(read, gold(folder)).faulty_steps
        assert "kernel transposed (x and y swapped)" in one.text


def test_bad_input(folder: Path, tmp_path: Path) -> None:
    right = gold(folder)

    def refused(message: str, candidate: Trace, against: Trace = right, model: Model | None = None) -> None:
        with pytest.raises(TraceError, match=message):
            diagnose_trace(candidate, against, model)

    refused("expected tensors of a detection, found x", Trace.from_arrays({"x": np.zeros(3)}))
    refused("expected tensors of a detection, found nothing", Trace.from_arrays({}))
    refused("contains no values", Detector(min_face=MIN_FACE).trace(portrait(), capture="hash"))
    refused("contains no image", right, Trace.from_arrays(dict(right)))
    refused("different images", Detector().trace(portrait()[::-1]))
    refused("made with other networks", right, mine(folder))
    refused("the recorded options cannot be used", Trace.from_arrays(dict(right), options={"min_face": "x"}))
    nowhere = Trace.from_arrays({"rnet/crop900/conv1": np.zeros((28, 22, 22), np.float32)})
    assert not diagnose_trace(nowhere, right).ok

    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.npy").write_bytes(b"\x93NUMPY\x01\x00 nonsense")
    (tmp_path / "pickled").mkdir()
    np.save(tmp_path / "pickled" / "x.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "short").mkdir()
    np.save(tmp_path / "short" / "x.npy", np.zeros(100))
    short = tmp_path / "short" / "x.npy"
    short.write_bytes(short.read_bytes()[:-8])
    for path, message in (
        ("empty", "expected .npy files"),
        ("bad", "x.npy is not a NumPy array"),
        ("pickled", "x.npy: expected plain numbers, found a pickled array"),
        ("short", "x.npy has 792 bytes of values, its header specifies 800"),
        ("nowhere.npz", "no such file"),
    ):
        with pytest.raises(TraceError, match=message):
            read_candidate(tmp_path / path)
    np.savez(tmp_path / "a.npz", a=np.zeros((2, 3)))
    for text, message in (
        ("[1]", "expected a JSON object"),
        ("{", "is not JSON"),
        ('{"b": "final/boxes"}', "has no array 'b', which the file of names lists"),
        ('{"a": "rnet/*/conv*"}', "expected one \\*"),
        ('{"a": 3}', "expected a JSON object"),
    ):
        (tmp_path / "n.json").write_text(text)
        with pytest.raises(TraceError, match=message):
            read_candidate(tmp_path / "a.npz", tmp_path / "n.json")
    with pytest.raises(TraceError, match="cannot read the names"):
        read_candidate(tmp_path / "a.npz", tmp_path / "none.json")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rnet/boxes_in", lambda array: np.full_like(array, np.nan)),
        ("rnet/boxes_in", lambda array: np.full_like(array, np.inf)),
        ("rnet/boxes_in", lambda array: array * np.float32(1e7)),
        ("rnet/boxes_in", lambda array: array[:, :2]),
        ("pnet/nms_keep", lambda array: array + 10_000),
        ("pnet/scores", lambda array: array[:-1]),
        ("pnet/level00/fc1", lambda array: array[:1]),
        ("pnet/level01/heat_map", lambda array: np.full_like(array, np.nan)),
        ("onet/crop000/fc2", lambda array: array[None, None]),
        ("onet/offsets", lambda array: array * np.float32(1e30)),
        ("final/boxes", lambda array: array[0]),
    ],
)
def test_hostile_values_give_a_faulty_step(
    name: str, change: Callable[[np.ndarray], np.ndarray], folder: Path
) -> None:
    """No crash, no endless loop, and never the verdict that nothing is wrong."""
    candidate = {**gold(folder), name: change(gold(folder)[name])}
    found = diagnose_trace(Trace.from_arrays(candidate), gold(folder), undetectable=False)
    assert not found.ok
    assert found.faulty_steps
    json.dumps(to_json_value(found.to_dict()), allow_nan=False)


def test_names_with_too_large_numbers(folder: Path) -> None:
    layer = np.zeros((28, 22, 22), np.float32)
    with pytest.raises(TraceError, match="100000 crops of rnet: expected at most 5000"):
        diagnose_trace(Trace.from_arrays({"rnet/crop99999/conv1": layer}), gold(folder))
    for name in ("rnet/crop999999999/conv1", "rnet/crop00x/conv1", "rnet/../conv1", "xnet/conv1"):
        with pytest.raises(TraceError, match="expected tensors of a detection"):
            diagnose_trace(Trace.from_arrays({name: layer}), gold(folder))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})


def test_the_command(folder: Path) -> None:
    result = run("doctor", folder / "mine.npz", "--against", folder / "gold.npz")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "rnet/crop*/conv2: kernel transposed (x and y swapped); the reference with this fault gives your "
    )
    assert "change: store kernels as (out, in, y, x)" in result.stdout
    assert "effect: alone, it " in result.stdout
    found = json.loads(
        run("doctor", folder / "mine.npz", "--against", folder / "gold.npz", "--format", "json").stdout
    )
    assert found["guilty"][0]["faults"] == [
        {"step": "rnet/crop*/conv2", "knob": "turn", "value": "exchanged"}
    ]
    right = run("doctor", folder / "gold.npz", "--against", folder / "gold.npz")
    assert (right.exit_code, right.stdout[:16]) == (0, "nothing is wrong")
    for arguments, message in (
        (["--against", folder / "gold.npz"], "--against needs the argument FILE"),
        ([folder / "mine.npz", "--names", "x.json"], "--names and --model need --against"),
        ([folder / "mine.npz", "--against", folder / "mine.npz"], "made with other networks"),
    ):
        failed = run("doctor", *arguments)
        assert (failed.exit_code, message in failed.stderr) == (2, True), failed.stderr
