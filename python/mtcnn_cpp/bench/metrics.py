"""Measure times, useful work and the fused multiply-add (FMA) peak, and describe the machine.

The runs of different configurations are interleaved (A B A B). If the machine is slower for some time, this
affects all configurations.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from .._util.core import import_core
from .._util.cpus import usable_cpus
from ..model import Model
from ..reference.model import Conv2d, FullyConnected, Network
from ..reference.options import Options
from ..reference.plan import ONET, RNET, Size, iterate_layers, pyramid

PEAK_SECONDS = 0.01  # duration of one measurement of the peak, in seconds


@dataclass
class Times:
    """The elapsed time and the CPU time of each run, in seconds.

    The CPU time is the sum over all threads of the process.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def run(self, function: Callable[[], Any]) -> Any:
        """Call the function, record its times and return its result."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = function()
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        return result

    @property
    def ms(self) -> float:
        """Median elapsed time in milliseconds."""
        return 1e3 * median(self.wall)

    @property
    def spread(self) -> dict[str, float]:
        """Minimum and quartiles of the elapsed time in milliseconds."""
        low, _, high = quantiles(self.wall, n=4, method="inclusive") if len(self.wall) > 1 else 3 * self.wall
        return {
            "minimum_ms": 1e3 * min(self.wall),
            "lower_quartile_ms": 1e3 * low,
            "upper_quartile_ms": 1e3 * high,
        }

    @property
    def cpu_ms(self) -> float:
        """Median CPU time in milliseconds."""
        return 1e3 * median(self.cpu)


def time_interleaved(
    functions: Mapping[str, Callable[[], Any]], runs: int, *, warm_up: int = 2
) -> dict[str, Times]:
    """Call all functions one after the other, repeat this `runs` times, and return the times by name."""
    for function in functions.values():
        for _ in range(warm_up):
            function()
    times = {name: Times() for name in functions}
    for _ in range(runs):
        for name, function in functions.items():
            times[name].run(function)
    return times


class Peak:
    """Measures the fused multiply-add peak of one processor core. One measurement takes about 10 ms."""

    def __init__(self, isa: str) -> None:
        self.isa = isa
        self._burn = import_core().run_multiply_adds
        self._steps = 20_000
        self.gflops: list[float] = []
        while (elapsed := self._once()[1]) < PEAK_SECONDS / 2:
            self._steps = int(self._steps * min(10, 1.2 * PEAK_SECONDS / elapsed))

    def _once(self) -> tuple[float, float]:
        start = time.perf_counter()
        operations = self._burn(self._steps, self.isa)
        return operations, time.perf_counter() - start

    def run(self) -> None:
        """Measure once."""
        operations, seconds = self._once()
        self.gflops.append(operations / seconds / 1e9)

    @property
    def median(self) -> float:
        """Median of all measurements in GFLOP/s."""
        return median(self.gflops)


class Work(NamedTuple):
    """Floating-point operations of each network for one image."""

    pnet: int
    rnet: int
    onet: int

    @property
    def total(self) -> int:
        return sum(self)


def network_flops(network: Network, size: Size | None) -> int:
    """Return the number of floating-point operations of a network for one input of 3 x height x width.

    Each product of a weight and a value counts as two operations. The result is 0 if the input is too small
    for a kernel.
    """
    total = 0
    for step in iterate_layers(network, size):
        layer, shape = step.layer, step.output.shape
        if min(shape) < 1:
            return 0
        positions = math.prod(shape[1:])
        if isinstance(layer, Conv2d):
            total += 2 * layer.kernel.size * positions
        elif isinstance(layer, FullyConnected):
            total += 2 * layer.weights.size * positions
    return total


def useful_work(
    model: Model, height: int, width: int, options: Options, *, boxes_into_rnet: int, boxes_into_onet: int
) -> Work:
    """Return the number of floating-point operations of the networks for one image.

    PNet runs on each level of the pyramid. RNet and ONet run on each box that they receive.
    """
    return Work(
        sum(network_flops(model.pnet, level.size) for level in pyramid(height, width, options)),
        network_flops(model.rnet, RNET.size) * boxes_into_rnet,
        network_flops(model.onet, ONET.size) * boxes_into_onet,
    )


def machine() -> dict[str, Any]:
    """Describe the hardware and software. The description contains no paths and no host name."""
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


def machine_title(info: dict[str, Any]) -> str:
    """Format the result of `machine` as one line."""
    return (
        f"{info['cpu']}, {info['cpus']} CPU{'s' if info['cpus'] != 1 else ''}; {info['system']}; "
        f"mtcnn_cpp {info['mtcnn_cpp']}, {info['compiler']}; Python {info['python']}; {info['date']}"
    )


def cpu_model(info: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor. If the system reports family, model and stepping, add them."""
    try:
        lines = [line.partition(":") for line in info.read_text().split("\n\n")[0].splitlines()]
    except OSError:
        return platform.processor() or platform.machine()
    fields = {name.strip(): value.strip() for name, _, value in lines}
    name = fields.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{key} {fields[key]}" for key in ("cpu family", "model", "stepping") if key in fields]
    return f"{name} ({', '.join(numbers)})" if numbers else name
