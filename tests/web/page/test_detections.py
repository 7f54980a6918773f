"""Detections on the page have the bits of the command: each table has the same bytes."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from images import portrait
from mtcnn_cpp.cli import app
from mtcnn_cpp.media.markers import has_marker
from try_site import choose, downloaded, set_option, wait_until_shown
from typer.testing import CliRunner


def table(path: Path, *options: str) -> bytes:
    """Return the output of the command in the folder of the image."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        run = CliRunner().invoke(app, ["detect", path.name, "--format", "csv", *options])
    finally:
        os.chdir(before)
    assert run.exit_code == 0, run.output
    return run.stdout_bytes


def test_the_sample(page: Any) -> None:
    page.click("#sample")
    wait_until_shown(page, 1)
    assert page.inner_text("#status").startswith("Found 1 face in ")
    assert page.inner_text("#face-rows tr").split() == ["0", "0.99992", "179.3", "87.3", "91.7", "91.5"]
    assert page.get_attribute("#view", "aria-label") == "astronaut.png, 512 × 512 pixels, with 1 face"
    name, content = downloaded(page, "csv")
    assert name == "astronaut_faces.csv"
    assert content == CliRunner().invoke(app, ["detect", "--sample", "--format", "csv"]).stdout_bytes


@pytest.mark.parametrize("name", ["collage.png", 'a "quoted", name.png', "Gesicht ü 顔.png"])
def test_a_chosen_file(page: Any, collage: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(collage.read_bytes() if name == "collage.png" else png.encode(portrait()))
    choose(page, file)
    assert downloaded(page, "csv")[1] == table(file)
    assert page.locator(".face").count() == (6 if name == "collage.png" else 1)


def test_no_face(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "empty.png"
    file.write_bytes(png.encode(np.zeros((120, 90, 3), np.uint8)))
    choose(page, file)
    assert page.inner_text("#status").startswith("Found no faces in ")
    assert page.inner_text("#faces-title") == "No faces"
    assert downloaded(page, "csv")[1] == table(file)


def test_options(page: Any, collage: Path) -> None:
    choose(page, collage)
    given = {"min-face": "30", "threshold-pnet": "0.55", "threshold-rnet": "0.8", "threshold-onet": "0.92"}
    for name, value in given.items():
        set_option(page, name, float(value))
    thresholds = [given[f"threshold-{network}"] for network in ("pnet", "rnet", "onet")]
    options = ["--min-face", "30", "--thresholds", *thresholds]
    expected = table(collage, *options)
    assert expected != table(collage)
    assert downloaded(page, "csv")[1] == expected
    assert page.locator("output").all_inner_texts() == ["30 px", "0.55", "0.80", "0.92"]
    page.click("text=OpenFace's defaults")
    wait_until_shown(page, 6)
    assert downloaded(page, "csv")[1] == table(collage)


def test_many_changes_give_one_detection(page: Any, collage: Path) -> None:
    """While a slider is dragged, there is no detection for each value, and the last value wins."""
    choose(page, collage)
    for attempt in range(2, 12):
        requests, gap = page.evaluate(DRAG)
        wait_until_shown(page, attempt)
        if gap < 100:  # the page had no pause in which the user could have stopped dragging
            break
    assert gap < 100
    assert page.evaluate("window.requests") == 1 > requests
    assert downloaded(page, "csv")[1] == table(collage, "--min-face", "41")


# Move a slider ten times; return the number of requests until then, and the longest pause in milliseconds.
DRAG = """async () => {
    const post = (window.post ??= Worker.prototype.postMessage), slider = document.getElementById("min-face");
    window.requests = 0;
    Worker.prototype.postMessage = function (...given) {
        window.requests++;
        return post.apply(this, given);
    };
    let gap = 0;
    for (let value = 50, before = performance.now(); value > 40; value--) {
        slider.value = value;
        slider.dispatchEvent(new Event("input"));
        await new Promise((done) => setTimeout(done, 10));
        gap = Math.max(gap, performance.now() - before);
        before = performance.now();
    }
    return [window.requests, gap];
}"""


def test_numbers_are_those_of_python(page: Any) -> None:
    generator = np.random.default_rng(7)
    parts = (
        generator.integers(0, 1 << 32, 20_000, dtype=np.uint32).view(np.float32),
        generator.random(10_000, np.float32) * 1000,
        np.ldexp(np.float32(1), np.arange(-149, 128)).astype(np.float32),
        np.float32([0, 100, 1e16, 1e-5]),
    )
    values = [value for value in np.concatenate(parts) if np.isfinite(value)]
    found = page.evaluate(
        "values => import('./number_text.js').then(({ shortestText }) => values.map(shortestText))",
        [float(value) for value in values],
    )
    expected = [repr(float(str(value))) for value in values]
    assert [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]] == []
    assert page.evaluate("import('./number_text.js').then(({ shortestText }) => shortestText(-0))") == "-0.0"


def test_the_annotated_image(page: Any, collage: Path, tmp_path: Path) -> None:
    choose(page, collage)
    name, content = downloaded(page, "png")
    assert name == "collage_faces.png"
    (tmp_path / name).write_bytes(content)
    assert has_marker(tmp_path / name)  # folders of images are processed without it
    before, after = png.decode(collage.read_bytes()), png.decode(content)
    assert before.shape == after.shape
    changed = (before != after).any(axis=2)
    rows = [line.split(",") for line in table(collage).decode().splitlines()[1:]]
    for row in rows:
        x, y, width, height = (round(float(value)) for value in row[6:10])
        assert changed[y, max(x, 0) : x + width].mean() > 0.9
        assert not changed[y + height // 4, x + width // 2]  # between the eyes
    assert 0.001 < changed.mean() < 0.1


def test_conformance(page: Any, tmp_path: Path) -> None:
    """The module grades `exact` in the browser, with every tensor of every case."""
    cases, results = tmp_path / "cases", tmp_path / "results"
    assert CliRunner().invoke(app, ["conformance", "--write", str(cases)]).exit_code == 0
    results.mkdir()
    page.evaluate(
        "async () => { const { load } = await import('../mtcnn_cpp.js'); window.detector = await load(); }"
    )
    names = json.loads((cases / "conformance.json").read_text())["cases"]
    assert len(names) == 12
    for name in names:
        case = json.loads((cases / name / "case.json").read_text())
        pixels = (cases / name / case["picture"]).read_bytes()[-3 * case["height"] * case["width"] :]
        found = page.evaluate(RUN_CASE, [case, base64.b64encode(pixels).decode()])
        (results / f"{name}.json").write_text(json.dumps(found))
    run = CliRunner().invoke(app, ["conformance", "--results", str(results), "--format", "json"])
    assert json.loads(run.stdout)["grade"] == "exact", run.stdout[:3000]


RUN_CASE = """async ([{ width, height, min_face, thresholds, scale_factor }, pixels]) => {
    const rgb = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
    const data = new Uint8Array(4 * width * height);
    for (let at = 0; at < width * height; at++) data.set(rgb.subarray(3 * at, 3 * at + 3), 4 * at);
    const { sha256 } = await import("./answers/explorer.js");
    const options = { minFace: min_face, thresholds, scaleFactor: scale_factor };
    const { faces, tensors } = window.detector.trace({ width, height, data }, options), layers = {};
    for (const { name, values } of tensors) layers[name] = await sha256(values);
    return {
        boxes: faces.map(({ x, y, width, height }) => [x, y, width, height]),
        scores: faces.map(({ score }) => score),
        landmarks: faces.map(({ landmarks }) => landmarks.map(({ x, y }) => [x, y])),
        layers,
    };
}"""
