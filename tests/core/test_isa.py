"""Selection of the variant of the kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, get_args

import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.types import VariantName

_core = pytest.importorskip("mtcnn_cpp._core")

VARIANTS = {variant["name"]: variant for variant in _core.isa_variants()}
PROGRAM = """
from mtcnn_cpp import Model, _core
try:
    model = Model.default()
    detector = _core.Detector(model.pnet, model.rnet, model.onet)
    print(_core.active_isa(), detector.isa)
except ValueError as error:
    print(error)
"""


def run(isa: str | None) -> str:
    """Return the output of the program with this value of MTCNN_CPP_ISA, or without the variable."""
    environment = {key: value for key, value in os.environ.items() if key != "MTCNN_CPP_ISA"}
    if isa is not None:
        environment["MTCNN_CPP_ISA"] = isa
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_variants_are_listed_from_slowest_to_fastest() -> None:
    assert next(iter(VARIANTS)) == "generic"
    assert VARIANTS["generic"]["supported"] is True
    assert list(VARIANTS) == [name for name in get_args(VariantName) if name in VARIANTS]
    assert all(variant["description"] for variant in VARIANTS.values())


@pytest.mark.parametrize("isa", VARIANTS)
def test_the_environment_forces_a_variant(isa: str) -> None:
    if not VARIANTS[isa]["supported"]:
        pytest.skip(f"this CPU cannot run {isa}")
    assert run(isa) == f"{isa} {isa}"


@pytest.mark.parametrize("isa", VARIANTS)
def test_an_argument_forces_a_variant(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not VARIANTS[isa]["supported"]:
        pytest.skip(f"this CPU cannot run {isa}")
    model = Model.default()
    assert _core.Detector(model.pnet, model.rnet, model.onet, isa).isa == isa
    monkeypatch.setenv("MTCNN_CPP_ISA", "generic")
    assert _core.Detector(model.pnet, model.rnet, model.onet, isa).isa == isa


def test_the_default_is_the_fastest_variant() -> None:
    fastest = [name for name, variant in VARIANTS.items() if variant["supported"]][-1]
    assert run(None) == run("") == f"{fastest} {fastest}"


@pytest.mark.parametrize("isa", ["sse9", "Generic", "generic ", "reference"])
def test_an_unknown_variant_is_an_error(isa: str) -> None:
    supported = ", ".join(name for name, variant in VARIANTS.items() if variant["supported"])
    assert run(isa) == f'MTCNN_CPP_ISA: expected one of {supported}, found "{isa}"'
    model = Model.default()
    with pytest.raises(ValueError, match=rf'^isa: expected one of {supported}, found "{isa}"$'):
        _core.Detector(model.pnet, model.rnet, model.onet, isa)


def unsupported() -> list[Any]:
    names = [name for name, variant in VARIANTS.items() if not variant["supported"]]
    skip = pytest.mark.skip(reason="this CPU can run every variant of this build")
    return names or [pytest.param("none", marks=skip)]


@pytest.mark.parametrize("isa", unsupported())
def test_a_variant_this_cpu_cannot_run_is_an_error(isa: str) -> None:
    assert run(isa).startswith(f'MTCNN_CPP_ISA: this processor cannot run "{isa}" (')
