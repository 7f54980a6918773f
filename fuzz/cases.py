"""Changed results and folders of cases for the conformance test. An input is a JSON list of changes.

Separate code compares the results again. A result is graded exact if and only if it is complete and equal. A
folder with a changed case is refused.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from mtcnn_cpp.ports.conformance import Grade, grade, load_cases, write_cases
from mtcnn_cpp.ports.conformance.cases import Case, to_dict
from mtcnn_cpp.ports.conformance.files import to_json
from mtcnn_cpp.trace import Trace
from mutate import changed_json, damaged

NAMES = ("tiny", "edge", "nothing")
ARRAYS = ("zeros", "noise", "nan", "double", "empty", "axis", "bit", "drop", "swap", "copy", "extra", "crops")
TEXTS = ("json", "damage", "no landmarks", "reverse", "hashes", "wrong hash", "copy", "delete", "extra")
CASES = ("index json", "twice", "unknown", "damage", "json", "copy", "values", "absolute")


def make(seed: str) -> bytes:
    """Return one to three changes, or none with a probability of 5 %."""
    rng = random.Random(seed)
    changes = []
    for _ in range(0 if rng.random() < 0.05 else rng.choice([1, 1, 1, 2, 3])):
        where, whats = rng.choice(
            [("arrays", ARRAYS), ("arrays", ARRAYS), ("texts", TEXTS), ("cases", CASES)]
        )
        changes.append([where, rng.choice(whats), rng.choice(NAMES), rng.randrange(1 << 30)])
    return json.dumps(changes).encode()


@cache
def honest() -> Path:
    """Create a folder with some cases and their correct results."""
    folder = Path(tempfile.mkdtemp(prefix="mtcnn-cpp-fuzz-"))
    atexit.register(shutil.rmtree, folder)
    write_cases(folder / "all")
    for name in NAMES:
        shutil.copytree(folder / "all" / name, folder / "cases" / name)
    shutil.copy(folder / "all" / "cases.txt", folder / "cases")
    index = json.loads((folder / "all" / "conformance.json").read_text())
    (folder / "cases" / "conformance.json").write_text(json.dumps(index | {"cases": NAMES}))
    (folder / "results").mkdir()
    for name in NAMES:
        case = json.loads((folder / "cases" / name / "case.json").read_text())
        found = {key: case[key] for key in ("version", "boxes", "scores", "landmarks")}
        (folder / "results" / f"{name}.json").write_text(json.dumps(found))
        np.savez(folder / "results" / f"{name}.npz", **expected(folder, name))
    shutil.rmtree(folder / "all")
    return folder


def expected(folder: Path, name: str) -> dict[str, Any]:
    """Return every tensor of a case except the faces, which a result contains in its JSON file."""
    with np.load(folder / "cases" / name / "expected.npz") as file:
        names = [key for key in file.files if key not in ("manifest", "picture")]
        return {key: file[key] for key in names if not key.startswith("final/")}


def read(path: Path) -> None:
    """Grade the results, and check the grades. Raises ValueError if the cases are refused."""
    folder = Path(f"{path}.d")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(honest(), folder)
    for where, what, name, seed in json.loads(path.read_bytes()):
        rng = random.Random(seed)
        {"arrays": change_arrays, "texts": change_texts, "cases": change_cases}[where](
            folder, what, name, rng
        )
    same = cases_unchanged(folder)
    try:
        card = grade(load_cases(folder / "cases"), folder / "results")
    except (ValueError, FileNotFoundError):
        assert not same, f"{path}: unchanged cases are refused"
        raise
    assert same, f"{path}: changed cases were graded"
    for case in card.cases:
        right = is_right(folder, case.case)
        assert (case.grade is Grade.EXACT) == right, (
            f"{path}: {case.case}: {case.grade.label}, correct: {right}"
        )
    assert card.grade is not Grade.EXACT, f"{path}: exact with {len(NAMES)} cases"


def change_arrays(folder: Path, what: str, name: str, rng: random.Random) -> None:
    """Change the arrays in the NPZ file of a result."""
    path = folder / "results" / f"{name}.npz"
    try:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, KeyError):
        return  # damaged by an earlier change
    if not arrays:
        return
    one, other = rng.choice(list(arrays)), rng.choice(list(arrays))
    array = arrays[one]
    match what:
        case "zeros":
            arrays[one] = np.zeros_like(array)
        case "noise":
            arrays[one] = noise(array, rng)
        case "nan":
            arrays[one] = np.full(array.shape, np.nan, np.float32)
        case "double":
            arrays[one] = array.astype(np.float64)
        case "empty":
            arrays[one] = array[:0]
        case "axis":
            arrays[one] = array[None]
        case "bit" if array.size:
            data = bytearray(array.tobytes())
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            arrays[one] = np.frombuffer(bytes(data), array.dtype).reshape(array.shape)
        case "drop":
            del arrays[one]
        case "swap":
            arrays[one], arrays[other] = arrays[other], arrays[one]
        case "copy":
            arrays[one] = arrays[other]
        case "extra":
            arrays[rng.choice(["x", one + "x", "rnet/crop999/conv1", "\x1b[2J"])] = array
        case "crops":
            arrays = {key: noise(value, rng) if "/crop" in key else value for key, value in arrays.items()}
    np.savez(path, **arrays)


def noise(array: Any, rng: random.Random) -> Any:
    return (np.random.default_rng(rng.randrange(1 << 30)).random(array.shape) * 9).astype(array.dtype)


def change_texts(folder: Path, what: str, name: str, rng: random.Random) -> None:
    """Change the JSON file of a result."""
    path = folder / "results" / f"{name}.json"
    if not path.exists():
        return
    data = path.read_bytes()
    if what == "json":
        path.write_bytes(changed_json(data, rng))
    elif what == "damage":
        path.write_bytes(damaged(data, [data], rng))
    elif what == "copy":
        for ending in (".json", ".npz"):
            shutil.copy(honest() / "results" / f"{rng.choice(NAMES)}{ending}", path.with_suffix(ending))
    elif what == "delete":
        path.unlink()
    elif what == "extra":
        shutil.copy(path, path.with_name(rng.choice(["whole.json", "more.json", "\x1b[2J.json"])))
    else:
        change_fields(folder, path, what, name)


def change_fields(folder: Path, path: Path, what: str, name: str) -> None:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    if not isinstance(found, dict):
        return
    if what == "no landmarks":
        found.pop("landmarks", None)
    elif what == "reverse":
        found |= {key: value[::-1] for key, value in found.items() if isinstance(value, list)}
    else:  # replaces the arrays by hashes
        arrays = expected(folder, name) if cases_unchanged(folder) else {}
        found["layers"] = {key: hashlib.sha256(array.tobytes()).hexdigest() for key, array in arrays.items()}
        if what == "wrong hash":
            found["layers"] |= dict.fromkeys(list(arrays)[:1], "0" * 64)
        path.with_suffix(".npz").unlink(missing_ok=True)
    path.write_text(json.dumps(found))


def change_cases(folder: Path, what: str, name: str, rng: random.Random) -> None:
    """Change the index, or the files of a case."""
    index, place = folder / "cases" / "conformance.json", folder / "cases" / name
    kind = rng.choice(["picture.ppm", "case.json", "expected.npz", "../cases.txt"])
    if what == "index json":
        index.write_bytes(changed_json(index.read_bytes(), rng))
    elif what == "damage":
        data = (place / kind).read_bytes()
        (place / kind).write_bytes(damaged(data, [data], rng))
    elif what == "json":
        (place / "case.json").write_bytes(changed_json((place / "case.json").read_bytes(), rng))
    elif what == "copy":
        shutil.copy(honest() / "cases" / rng.choice(NAMES) / kind, place / kind)
    elif what == "values":
        change_values(place, name, rng)
    else:
        more = {"twice": name, "unknown": "gone", "absolute": str(place)}[what]
        try:
            found = json.loads(index.read_bytes())
            index.write_text(json.dumps(found | {"cases": [*found["cases"], more]}))
        except (ValueError, TypeError, KeyError):
            return


def change_values(place: Path, name: str, rng: random.Random) -> None:
    """Change the values of one tensor, in all files of the case that contain them."""
    with Trace.load(honest() / "cases" / name / "expected.npz") as trace:
        names = [key for key in trace.names if trace[key].size]
        if not names:  # an image without levels
            return
        one = rng.choice(names)
        changed = trace.replace({one: noise(trace[one], rng)})
        changed.save(place / "expected.npz")
        (place / "case.json").write_bytes(to_json(to_dict(Case(name, changed))))


def cases_unchanged(folder: Path) -> bool:
    """Return whether the index lists each case at most once, and the files of these are unchanged."""
    try:
        index, honest_index = (
            json.loads((where / "cases" / "conformance.json").read_bytes()) for where in (folder, honest())
        )
        names = index["cases"]
        if not (names and set(names) <= set(NAMES) and len(set(names)) == len(names)):
            return False
        known = ("format", "version", "model")
        if type(names) is not list or any(index[key] != honest_index[key] for key in known):
            return False
        return all(same_file(folder, f"{name}/{kind}") for name in names for kind in KINDS) and all(
            row_of(folder, name) == row_of(honest(), name) for name in names
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


KINDS = ("picture.ppm", "case.json", "expected.npz")


def row_of(folder: Path, name: str) -> list[str]:
    lines = (folder / "cases" / "cases.txt").read_text(errors="replace").splitlines()
    return [line for line in lines if line.split(" ")[0] == name]


def same_file(folder: Path, name: str) -> bool:
    """Return whether a file of a case has the same bytes, or as JSON the same values."""
    data, other = ((where / "cases" / name).read_bytes() for where in (folder, honest()))
    if data == other or not name.endswith(".json"):
        return data == other
    return bool(json.loads(data) == json.loads(other))


def is_right(folder: Path, name: str) -> bool:
    """Return whether a result is complete and equal in every bit."""
    wanted = expected(honest(), name)
    case = json.loads((honest() / "cases" / name / "case.json").read_text())
    try:
        found = json.loads((folder / "results" / f"{name}.json").read_bytes())
        arrays: dict[str, Any] = {}
        if (folder / "results" / f"{name}.npz").exists():
            with np.load(folder / "results" / f"{name}.npz") as file:
                arrays = {key: file[key] for key in file.files}
        hashes = {key: str(value).lower() for key, value in found.get("layers", {}).items()}
        faces = all(
            np.float32(found[key]).reshape(shape).tobytes() == np.float32(case[key]).reshape(shape).tobytes()
            and len(found[key]) == len(case[key])
            for key, shape in (("boxes", (-1, 4)), ("scores", (-1,)), ("landmarks", (-1, 5, 2)))
        )
    except Exception:  # a damaged file can raise any exception
        return False
    if not faces or found.get("error") or set(arrays) | set(hashes) != set(wanted):
        return False
    return all(
        a.shape == wanted[key].shape and a.dtype == wanted[key].dtype and a.tobytes() == wanted[key].tobytes()
        for key, a in arrays.items()
    ) and all(hashlib.sha256(wanted[key].tobytes()).hexdigest() == value for key, value in hashes.items())
