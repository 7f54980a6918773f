"""Arrays that do not fit each other inside a network that is recognised: found by fuzz/readers.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.read import import_model

CASES = {
    "pnet/conv1/bias": np.ones(270, np.float32),
    "pnet/prelu2/slopes": np.ones(10, np.float32),
    "rnet/fc2/bias": np.ones(192, np.float32),
    "onet/pool1/window": np.array([3, 3, 0, -2]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_file_and_the_layer_are_named(name: str, tmp_path: Path) -> None:
    """They used to end in errors of NumPy or of our layers, which named no file."""
    path = tmp_path / "model.npz"
    np.savez(path, **Model.default().arrays() | {name: CASES[name]})  # type: ignore[arg-type]
    stage, layer, _ = name.split("/")
    with pytest.raises(PortError, match=rf"model\.npz: ({stage}: )?{layer}: "):
        import_model(path)
