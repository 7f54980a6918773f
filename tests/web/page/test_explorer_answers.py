"""The page answers the explorer as its server does, for the same image and options."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from clicks import Visit
from mtcnn_cpp import Detector
from mtcnn_cpp.media.image import read_image
from mtcnn_cpp.reference.boxes import apply_offsets, are_inside, are_usable, make_square
from mtcnn_cpp.trace import Trace
from try_site import TrySite

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")

from explorers import answer, explorer

OPTIONS = {"min_face": 47.0, "thresholds": (0.55, 0.65, 0.7), "scale_factor": 0.709}


@pytest.fixture(scope="module")
def trace(collage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("trace") / "collage.npz"
    Detector(**OPTIONS).trace(read_image(collage)).save(found)
    return found


@pytest.fixture(scope="module")
def server(trace: Path) -> Iterator[str]:
    with explorer(trace) as address:
        yield address


@pytest.fixture
def page(visit: Visit, site: TrySite, collage: Path) -> Any:
    """The page with a function `ask`, which answers from the same image and options."""
    page = visit(site.address)
    page.evaluate(PREPARE, [base64.b64encode(collage.read_bytes()).decode(), OPTIONS])
    return page


PREPARE = """async ([content, { min_face, thresholds, scale_factor }]) => {
    const { load } = await import("../mtcnn_cpp.js"), { decode } = await import("./decode.js");
    const { Explorer } = await import("./answers/explorer.js");
    const image = await decode(new Blob([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))]));
    const options = { minFace: min_face, thresholds, scaleFactor: scale_factor };
    const { tensors } = (await load()).trace(image, options);
    const explorer = new Explorer(image, options, tensors, "collage.npz", {});
    window.ask = async (path, query) => {
        const { status, json, array } = await explorer.answer(path, query);
        if (!array) return { status, json };
        let text = "";
        for (const byte of new Uint8Array(array.data)) text += String.fromCharCode(byte);
        return { status, ...array, data: btoa(text) };
    };
}"""


def ask(page: Any, path: str, **parameters: object) -> Any:
    return page.evaluate("([path, query]) => window.ask(path, query)", [path, urlencode(parameters)])


def test_json(page: Any, server: str) -> None:
    for path in ("boxes", "faces", "verdicts"):
        found, (status, _, body) = ask(page, path), answer(server, path)
        assert found["status"] == status == 200
        assert found["json"] == json.loads(body), path
    assert len(ask(page, "boxes")["json"]["final"]["boxes"]) >= 6


def test_about(page: Any, server: str) -> None:
    found, expected = ask(page, "about")["json"], json.loads(answer(server, "about")[2])
    for answered in (found, expected):
        for key in ("made_by", "model"):  # the page knows the networks; test_look_inside compares them
            del answered["sides"]["a"][key]
    assert found == expected


def test_every_tensor(page: Any, server: str, trace: Path) -> None:
    """All entries are equal. Only sums (mean, deviation) are added in another order."""
    with Trace.load(trace) as recorded:
        names = [name for name in recorded if "/crop" not in name or "/crop000/" in name]
    assert len(names) > 100
    for name in names:
        found = ask(page, "tensor", name=name)["json"]
        expected = json.loads(answer(server, "tensor", name=name)[2])
        for key in ("mean", "standard_deviation"):
            pair = [item["sides"]["a"]["statistics"].pop(key) for item in (found, expected)]
            assert math.isclose(*pair, rel_tol=1e-12) if pair[1] != "nan" else pair[0] == "nan", (
                name,
                key,
                pair,
            )
        assert found == expected, name


def check_array(page: Any, server: str, path: str, **parameters: object) -> None:
    found, (status, headers, body) = ask(page, path, **parameters), answer(server, path, **parameters)
    assert found["status"] == status == 200, (path, parameters)
    assert ",".join(map(str, found["shape"])) == headers["x-shape"]
    assert found["dtype"] == headers["x-dtype"]
    assert base64.b64decode(found["data"]) == body, (path, parameters)
    for key in ("low", "high"):
        if f"x-{key}" in headers:
            assert math.isclose(found[key], float(headers[f"x-{key}"]), rel_tol=1e-12)


def test_arrays(page: Any, server: str, trace: Path) -> None:
    """Windows, thumbnails and the image are equal in every byte."""
    for step in (1, 3):
        check_array(page, server, "image", step=step)
    with Trace.load(trace) as recorded:
        infos = [recorded.info(name) for name in recorded if "/crop" not in name or "/crop001/" in name]
    for info in infos:
        if 0 in info.shape:
            continue
        for size in (48, 16, 192):
            check_array(page, server, "thumbnails", name=info.name, view="a", size=size)
        maps = json.loads(answer(server, "tensor", name=info.name)[2])["map_shape"]
        part = {"channel": maps["channels"] - 1, "top": maps["height"] // 3, "left": 0}
        part |= {"height": maps["height"] - part["top"], "width": maps["width"]}
        for step in (1, 2):
            check_array(page, server, "values", name=info.name, view="a", step=step, **part)


def test_errors_have_the_status_of_the_server(page: Any, server: str) -> None:
    whole = {"name": "pnet/level00/input", "channel": 0, "top": 0, "left": 0, "height": 1, "width": 1}
    requests: list[tuple[str, dict[str, object]]] = [
        ("tensor", {"name": "no/such/tensor"}),
        ("values", whole | {"channel": 3}),
        ("values", whole | {"height": 0}),
        ("values", whole | {"width": "x"}),
        ("values", {"name": "pnet/level00/input"}),
        ("thumbnails", {"name": "pnet/level00/input", "size": 3}),
        ("gone", {}),
    ]
    for path, parameters in requests:
        found = ask(page, path, **parameters)
        assert found["status"] == answer(server, path, **parameters)[0], (path, parameters)
        assert found["json"]["error"]


def test_sums_are_not_available(page: Any) -> None:
    for path in ("sum", "receptive_field"):
        found = ask(page, path, name="pnet/level00/conv1", index="0,0,0", side="a")
        assert "mtcnn-cpp explore" in found["json"]["unavailable"]


def test_nan_and_infinities(page: Any, tmp_path: Path) -> None:
    """A map with values that are not finite has the thumbnails and statistics of the server."""
    values = np.random.default_rng(3).normal(size=(2, 37, 53)).astype(np.float32)
    values[0, 3, 4], values[0, 5, 5], values[1, 36, 52], values[1, 0, 0] = np.nan, np.inf, -np.inf, -0.0
    name = "rnet/crop000/conv1"
    Trace.from_arrays({name: values, "rnet/crop000/input": values}).save(tmp_path / "nan.npz")
    page.evaluate(
        """async ([base64, shape]) => {
            const { thumbnailsOf } = await import("./answers/tensors.js");
            const { statisticsOf } = await import("./answers/statistics.js");
            const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
            const values = new Float32Array(bytes.buffer);
            const tensor = { name: "x", shape, dtype: "float32", layout: "channel, y, x", values };
            window.ask = async (path, query) => {
                if (path === "tensor") return { status: 200, json: statisticsOf(values) };
                const found = thumbnailsOf(tensor, Number(new URLSearchParams(query).get("size")));
                const codes = String.fromCharCode(...new Uint8Array(found.data));
                return { status: 200, ...found, data: btoa(codes) };
            };
        }""",
        [base64.b64encode(values.tobytes()).decode(), list(values.shape)],
    )
    with explorer(tmp_path / "nan.npz") as server:
        for size in (64, 16, 5):
            check_array(page, server, "thumbnails", name=name, view="a", size=size)
        expected = json.loads(answer(server, "tensor", name=name)[2])["sides"]["a"]["statistics"]
    found = ask(page, "tensor", name=name)["json"]
    assert (found["nans"], found["infinities"], found["zeros"]) == (1, 2, 1)
    for key in ("mean", "standard_deviation"):
        assert math.isclose(found.pop(key), expected.pop(key), rel_tol=1e-12)
    assert found == expected


def test_squares_of_random_boxes(visit: Visit, site: TrySite) -> None:
    """The page finds the same squares inside an image as the cascade, also at its borders."""
    generator = np.random.default_rng(11)
    boxes = generator.uniform(-40, 60, (4000, 4)).astype(np.float32)
    boxes[:, 2:] = np.abs(boxes[:, 2:]) * generator.choice(np.float32([0.02, 0.2, 1]), (4000, 1))
    boxes[::7] = np.floor(boxes[::7]) + np.float32(0.5)
    offsets = generator.normal(0, 0.3, (4000, 4)).astype(np.float32)
    offsets[::50] *= np.float32(1e9)
    moved = apply_offsets(boxes, offsets, add_one=False)
    usable = are_usable(moved)
    expected = np.zeros(4000, np.bool_)
    expected[usable] = are_inside(make_square(moved[usable]), 30, 40)
    found = visit(site.address).evaluate(
        """async ([boxes, offsets]) => {
            const { squaresInside } = await import("./answers/squares.js");
            return boxes.map((box, index) => squaresInside(box, offsets[index], { width: 40, height: 30 }));
        }""",
        [boxes.tolist(), offsets.tolist()],
    )
    assert 500 < expected.sum() < 3500
    assert not usable.all()
    assert np.flatnonzero(expected != found).tolist() == []
