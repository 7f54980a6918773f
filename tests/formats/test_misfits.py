"""Arrays with inconsistent shapes in a recognised network, which fuzz/readers.py found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.importer import import_model

CASES = {
    "pnet/conv1/bias": np.ones(270, np.float32),
    "pnet/prelu2/slopes": np.ones(10, np.float32),
    "rnet/fc2/bias": np.ones(192, np.float32),
    "onet/pool1/window": np.array([3, 3, 0, -2]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_file_and_the_layer_are_named(name: str, tmp_path: Path) -> None:
    """The error contains the file and the layer."""
    path = tmp_path / "model.npz"
    np.savez(path, **Model.default().arrays() | {name: CASES[name]})  # type: ignore[arg-type]
    stage, layer, _ = name.split("/")
    with pytest.raises(PortError, match=rf"model\.npz: ({stage}: )?{layer}: "):
        import_model(path)
