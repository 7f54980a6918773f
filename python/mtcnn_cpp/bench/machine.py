"""Which machine and which software a figure was measured with."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..backends.core import import_core
from ..cpus import usable_cpus


def machine() -> dict[str, Any]:
    """Words and numbers that belong beside every figure; no paths, no host name."""
    build = import_core().build_info()
    return {
        "cpu": cpu_model(),
        "cpus": usable_cpus(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "mtcnn_cpp": build["version"],
        "compiler": build["compiler"],
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }


def title(found: dict[str, Any]) -> str:
    """`machine()` in a line."""
    return (
        f"{found['cpu']}, {found['cpus']} CPU{'s' if found['cpus'] != 1 else ''}; {found['system']}; "
        f"mtcnn_cpp {found['mtcnn_cpp']}, {found['compiler']}; Python {found['python']}; {found['date']}"
    )


def cpu_model(info: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the system gives it, with family, model and stepping if it gives them."""
    try:
        lines = [line.partition(":") for line in info.read_text().split("\n\n")[0].splitlines()]
    except OSError:
        return platform.processor() or platform.machine()
    fields = {name.strip(): value.strip() for name, _, value in lines}
    name = fields.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{key} {fields[key]}" for key in ("cpu family", "model", "stepping") if key in fields]
    return f"{name} ({', '.join(numbers)})" if numbers else name
