"""`DetectFaces` in a data set of one's own, as docs/cluster.md has it."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from clips import picture
from mtcnn_cpp import arrow, png
from pictures import ROOT
from study import rows_of, run

pa = pytest.importorskip("pyarrow")
pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("cv2")


def example(heading: str) -> str:
    """The Python under a heading of docs/cluster.md."""
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    return re.split(r"```(?:python)?\n", text.partition(f"\n## {heading}\n")[2])[1]


def test_the_example_of_the_docs(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row in, one row out; one row a face of it is the table that the command writes."""
    from mtcnn_cpp.ray import connected

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(5):
        (folder / f"{index}.png").write_bytes(png.encode(picture(index)))
    (folder / "bad.png").write_text("no picture")
    run(folder, "-o", "truth.parquet")
    code = example("Your own data set").replace("s3://bucket", str(tmp_path))
    with connected(cluster.address):
        exec(textwrap.dedent(code), {"__name__": "example"})
        tables = [pa.parquet.read_table(file) for file in sorted((tmp_path / "faces").glob("*.parquet"))]
    found = pa.concat_tables(tables)
    assert found.num_rows == 6
    assert sorted(found["path"].to_pylist()) == sorted(str(path) for path in folder.iterdir())
    pa.parquet.write_table(arrow.to_table(found), "ours.parquet")
    assert rows_of(Path("ours.parquet")) == rows_of(Path("truth.parquet"))


def test_batches_in_another_format() -> None:
    from mtcnn_cpp.ray import DetectFaces

    with pytest.raises(TypeError, match="takes Arrow tables, got a dict; give map_batches batch_format"):
        DetectFaces()({"path": ["a"]})
    with pytest.raises(ValueError, match="min_face"):
        DetectFaces(min_face=0)
