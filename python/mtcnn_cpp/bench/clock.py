"""Times and medians. Ways are measured in turn, A B A B: if the machine slows down, all slow down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from ..backends.core import import_core

BURN_SECONDS = 0.01


@dataclass
class Times:
    """Seconds of every run: by the clock on the wall, and of all CPUs in this process."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def run(self, function: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = function()
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        return result

    @property
    def ms(self) -> float:
        return 1e3 * median(self.wall)

    @property
    def cpu_ms(self) -> float:
        return 1e3 * median(self.cpu)


def in_turn(ways: Mapping[str, Callable[[], Any]], runs: int, *, warm_up: int = 2) -> dict[str, Times]:
    """Runs all ways in turn, `runs` times."""
    for way in ways.values():
        for _ in range(warm_up):
            way()
    times = {name: Times() for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            times[name].run(way)
    return times


class Peak:
    """The fused multiply-adds that one core of this machine can do, measured for about 10 ms at a time."""

    def __init__(self, isa: str) -> None:
        self.isa = isa
        self._burn = import_core().burn
        self._steps = 20_000
        self.gflops: list[float] = []
        while (elapsed := self._once()[1]) < BURN_SECONDS / 2:
            self._steps = int(self._steps * min(10, 1.2 * BURN_SECONDS / elapsed))

    def _once(self) -> tuple[float, float]:
        begin = time.perf_counter()
        operations = self._burn(self._steps, self.isa)
        return operations, time.perf_counter() - begin

    def run(self) -> None:
        operations, seconds = self._once()
        self.gflops.append(operations / seconds / 1e9)

    @property
    def median(self) -> float:
        return median(self.gflops)
