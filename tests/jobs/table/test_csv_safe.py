"""CSV for spreadsheets: no text is a formula, and the package reads the table back."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import numpy as np
import png
import pytest
from images import portrait
from mtcnn_cpp import Detections
from mtcnn_cpp.jobs.table import TableFormat, read_rows
from mtcnn_cpp.jobs.table.formats import make_writer, read_states
from mtcnn_cpp.jobs.table.rows import COLUMN_TYPES, COLUMNS, FrameResult, make_rows
from study import rows_of, run

FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", " =1", "'=1", "''-1", "'\t",
    "\uff1d1", "=a,b", '="x"', "-", "@", "=\0", "=\udcff", "+\n",
]  # fmt: skip
PLAIN = ["a.jpg", "'a", "''", "'", "a=1", "1-2", "", "ä", "\\u0000", "a,b", "C:\\x", "s3://b/-x"]


def written(results: list[FrameResult], *, safe: bool) -> bytes:
    stream = io.BytesIO()
    writer = make_writer(TableFormat.csv, stream, csv_safe=safe)
    for result in results:
        writer.add(result)
    writer.close()
    return stream.getvalue()


def a_face() -> Detections:
    """With negative numbers, which are no text."""
    box, points = np.full((1, 4), -3.25, np.float32), np.full((1, 5, 2), -1.5, np.float32)
    return Detections(box, np.float32([0.5]), points, (9, 9))


def results_with(texts: list[str]) -> list[FrameResult]:
    failed = [FrameResult(f"s{index}", error=text) for index, text in enumerate(texts) if text]
    return failed + [FrameResult(text, faces=a_face()) for text in texts]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula(text: str) -> None:
    data = written(results_with([text]), safe=True)
    for line in list(csv.DictReader(io.StringIO(data.decode(), newline=""))):
        for name, kind in COLUMN_TYPES.items():
            if kind == "text" and line.get(name):
                assert line[name].lstrip()[0] not in "=+-@\uff1d\uff0b\uff0d\uff20"
                assert line[name][0] not in "\t\r\n"
            elif name == "x" and line[name]:
                assert line[name] == "-3.25"


def test_other_texts_and_the_columns_stay() -> None:
    safe, usual = (
        list(csv.reader(io.StringIO(written(results_with(PLAIN), safe=safe).decode()))) for safe in (1, 0)
    )
    assert safe == usual
    assert safe[0] == list(COLUMNS)


@pytest.mark.parametrize("safe", [False, True])
def test_read_back(safe: bool) -> None:
    chance = random.Random(4)
    texts = FORMULAS + PLAIN + ["".join(chance.choices("'=+-@\t\r\n ax\0\\", k=4)) for _ in range(2000)]
    results = results_with([*dict.fromkeys(texts)])
    data = written(results, safe=safe)
    assert list(read_rows(data, TableFormat.csv)) == [row for result in results for row in make_rows(result)]
    assert set(read_states(data, TableFormat.csv)) == {result.source for result in results}


def test_without_the_option_every_byte_stays() -> None:
    data = written([FrameResult("=1", error="-x")], safe=False)
    head = ",".join(COLUMNS)
    assert data.decode() == f"{head}\n=1,1,,0.0,,0,{',' * (len(COLUMNS) - 7)}-x\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("=1.png", "@x.png", "plain.png"):
        (tmp_path / name).write_bytes(png.encode(portrait()))
    (tmp_path / "-bad.jpg").write_text("no picture")
    return tmp_path


def test_the_command(here: Path) -> None:
    arguments = "=1.png", "./=1.png", "plain.png", "*.jpg", "[@]x.png"
    assert run(*arguments, "-o", "usual.csv").exit_code == 1
    assert run(*arguments, "-o", "safe.csv", "--csv-safe").exit_code == 1
    assert run(*arguments, "-o", "parts/", "--format", "csv", "--csv-safe").exit_code == 1
    assert run(*arguments, "-o", "parts/", "--format", "csv", "--csv-safe", "--resume").exit_code == 1
    printed = run(*arguments, "--format", "csv", "--csv-safe").stdout
    assert printed == (here / "safe.csv").read_text()
    text = printed + "".join(path.read_text() for path in here.glob("parts/*.csv"))
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    assert "'=1.png" in cells
    assert "'@x.png" in cells
    assert any(cell.startswith("'-bad.jpg") for cell in cells)
    assert not any(cell.startswith(("=", "@", "-bad")) for cell in cells)
    usual = rows_of(here / "usual.csv")
    assert rows_of(here / "safe.csv") == rows_of(here / "parts") == usual
    assert {row["source"] for row in usual} == {"=1.png", "@x.png", "plain.png", "-bad.jpg"}
    other = run(*arguments, "-o", "parts/", "--format", "csv", "--resume")
    assert other.exit_code == 2
    assert "csv_safe was true, now null" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "given"),
    [(["-o", "t.jsonl"], "jsonl"), (["-o", "t.csv", "--format", "json"], "json"), ([], "table")],
)
def test_other_formats(here: Path, arguments: list[str], given: str) -> None:
    result = run("plain.png", "--csv-safe", *arguments)
    assert result.exit_code == 2
    assert f"--csv-safe requires CSV, but the format is {given}; use --format csv" in result.stderr
