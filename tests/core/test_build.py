"""How the core is built: what the source tree promises of it."""

from __future__ import annotations

import re

from pictures import ROOT

VARIABLE = "MTCNN_CPP_WERROR"


def test_warnings_are_errors_for_us_alone() -> None:
    """A user's CI sets `CI=true` too, and may have a compiler with warnings that we have never seen."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    overrides = project.split("[[tool.scikit-build.overrides]]")[1:]
    conditions = {name for part in overrides for name in re.findall(r"^if\.env\.(\w+)", part, re.MULTILINE)}
    assert conditions == {VARIABLE}
    assert f"export {VARIABLE}=1" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for workflow in (ROOT / ".github" / "workflows").iterdir():
        assert re.search(rf'^  {VARIABLE}: "1"', workflow.read_text(encoding="utf-8"), re.MULTILINE), workflow
