"""Build settings of the core."""

from __future__ import annotations

import re

from images import ROOT

VARIABLE = "MTCNN_CPP_WERROR"


def test_warnings_are_errors_for_developers_only() -> None:
    """The CI of a user also sets `CI=true`, and its compiler may print warnings unknown to this project."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    overrides = project.split("[[tool.scikit-build.overrides]]")[1:]
    conditions = {name for part in overrides for name in re.findall(r"^if\.env\.(\w+)", part, re.MULTILINE)}
    assert conditions == {VARIABLE}
    assert f"export {VARIABLE}=1" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for workflow in (ROOT / ".github" / "workflows").iterdir():
        assert re.search(rf'^  {VARIABLE}: "1"', workflow.read_text(encoding="utf-8"), re.MULTILINE), workflow
