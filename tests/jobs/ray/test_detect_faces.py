"""`DetectFaces` in a data set, as in docs/cluster.md."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import png
import pytest
from clips import make_frame
from images import ROOT
from mtcnn_cpp.jobs import arrow
from study import rows_of, run

pa = pytest.importorskip("pyarrow")
pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("cv2")


def example(heading: str) -> str:
    """The Python under a heading of docs/cluster.md."""
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    return re.split(r"```(?:python)?\n", text.partition(f"\n## {heading}\n")[2])[1]


def test_the_example_of_the_docs(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One output row per input row; `to_table` gives the table of the command."""
    from mtcnn_cpp.jobs.ray.connection import connect

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(5):
        (folder / f"{index}.png").write_bytes(png.encode(make_frame(index)))
    (folder / "bad.png").write_text("no picture")
    run(folder, "-o", "truth.parquet")
    code = example("Your own data set").replace("s3://bucket", str(tmp_path))
    with connect(cluster.address):
        exec(textwrap.dedent(code), {"__name__": "example"})
        tables = [pa.parquet.read_table(file) for file in sorted((tmp_path / "faces").glob("*.parquet"))]
    found = pa.concat_tables(tables)
    assert found.num_rows == 6
    assert sorted(found["path"].to_pylist()) == sorted(str(path) for path in folder.iterdir())
    pa.parquet.write_table(arrow.to_table(found), "ours.parquet")
    assert rows_of(Path("ours.parquet")) == rows_of(Path("truth.parquet"))


def test_batches_in_another_format() -> None:
    from mtcnn_cpp.jobs.ray import DetectFaces

    with pytest.raises(
        TypeError, match="expects Arrow tables, got a dict; pass batch_format='pyarrow' to map_batches"
    ):
        DetectFaces()({"path": ["a"]})
    with pytest.raises(ValueError, match="min_face"):
        DetectFaces(min_face=0)
