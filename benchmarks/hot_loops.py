"""Check the compiled hot loops for 64-bit Arm in the assembly. No Arm processor is needed.

python benchmarks/hot_loops.py [--check] [--variant neon] [--compiler aarch64-linux-gnu-g++]

For each tile of the convolutions the table shows the instructions per fused multiply-add of a vector, the
vectors on the stack and, if llvm-mca is installed, the multiply-adds per cycle on its models of some
processors. --check fails if a loop is worse than with GCC 12.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
FLAGS = "-std=c++20 -O3 -DNDEBUG -fPIC -fvisibility=hidden -ffp-contract=off"  # flags of the build
LANES = 4
PROCESSORS = ("neoverse-n1", "neoverse-v1", "apple-m1")
MAX_INSTRUCTIONS = 1.75  # per multiply-add of a vector
MIN_PER_CYCLE = {"neoverse-n1": 6.0, "neoverse-v1": 14.0}  # multiply-adds in the loops of PNet
FMLA = re.compile(r"\tfmla\tv\d+\.4s")
STACK = re.compile(r"\t(?:ldr|str|ldp|stp|ldur|stur)\t[qd]\d+.*\[sp")
# planar_column<sums, maps, vectors, kernel> and channel_tiles<sums, vectors, pixels, kernel>, mangled
TILE = re.compile(r"(planar_column|channel_tiles)INS_9FusedSumsELi(\d+)ELi(\d+)ELi(\d+)E")


@dataclass(frozen=True)
class Loop:
    """The innermost loop of one tile: the lines from its label to the branch back to the label."""

    tile: str
    lines: list[str]

    @property
    def multiply_adds(self) -> int:
        return sum(bool(FMLA.search(line)) for line in self.lines)

    @property
    def instructions(self) -> int:
        return sum(line.startswith("\t") and not line.startswith("\t.") for line in self.lines)

    @property
    def on_stack(self) -> int:
        return sum(bool(STACK.search(line)) for line in self.lines)

    @property
    def is_full(self) -> bool:
        """Whether the tile has full size; smaller tiles handle the end of a row."""
        return self.tile in FULL_TILES


FULL_TILES = {
    "planar_column<8, 3, 3>": 216,
    "planar_column<10, 2, 3>": 180,
    "channel_tiles<2, 10, 3>": 60,
    "channel_tiles<3, 8, 3>": 72,
    "channel_tiles<4, 6, 3>": 72,
    "channel_tiles<4, 6, 2>": 48,
}  # minimum number of vector multiply-adds in one iteration of the loop of each full tile


def compile_assembly(compiler: str, variant: str) -> str:
    """Return the assembly of a variant."""
    flags = shlex.split(FLAGS)
    if "clang" not in compiler:
        of_file = re.search(rf"set\(MTCNN_FLAGS_{variant} (.*)\)", (ROOT / "cmake" / "Isa.cmake").read_text())
        flags += shlex.split(of_file[1] if of_file else "")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "kernels.s"
        source = ROOT / "cpp" / "mtcnn" / "kernels" / f"kernels_{variant}.cpp"
        command = [*shlex.split(compiler), *flags, "-I", str(ROOT / "cpp"), "-S", str(source), "-o", str(out)]
        subprocess.run(command, check=True)
        return out.read_text()


def loops(text: str) -> Iterator[Loop]:
    """Yield for each tile the innermost loop with the most multiply-adds."""
    for function in re.finditer(r"\n(\w+):[^\n]*\n(.*?)\n\t\.size\t\1", text, re.DOTALL):
        name = TILE.search(function[1])
        if not name:
            continue
        found = [Loop(f"{name[1]}<{name[2]}, {name[3]}, {name[4]}>", body) for body in _bodies(function[2])]
        if found:
            yield max(found, key=lambda loop: loop.multiply_adds)


def _bodies(function: str) -> Iterator[list[str]]:
    lines = function.split("\n")
    begins: dict[str, int] = {}
    back: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        if label := re.match(r"(\.L\w+):", line):
            begins[label[1]] = number
        elif (branch := re.match(r"\t(?:b\S*|cbn?z|tbn?z)\t.*?(\.L\w+)$", line)) and branch[1] in begins:
            back.append((begins[branch[1]], number))
    for begin, end in back:
        if not any(begin <= b and e <= end and (b, e) != (begin, end) for b, e in back):
            yield lines[begin + 1 : end + 1]


def multiply_adds_per_cycle(mca: str, loop: Loop, processor: str) -> float:
    """By llvm-mca, which knows pipes and latencies, but no cache."""
    turns = 100
    code = "\n".join(line for line in loop.lines if not line.startswith("\t."))
    # Branches lead to labels that lie elsewhere.
    code = re.sub(r"\.L\w+$", ".Lhere", code, flags=re.MULTILINE)
    text = f".Lhere:\n{code}\n"
    command = [mca, "-mtriple=aarch64", f"-mcpu={processor}", f"-iterations={turns}", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    cycles = re.search(r"Total Cycles: +(\d+)", done.stdout)
    assert cycles, done.stdout
    return loop.multiply_adds * LANES * turns / int(cycles[1])


def faults(loop: Loop, speeds: dict[str, float]) -> Iterator[str]:
    if loop.multiply_adds < FULL_TILES[loop.tile]:
        found = f"{loop.multiply_adds} multiply-adds in its loop"
        yield f"{found}, expected {FULL_TILES[loop.tile]}: the loop is not unrolled"
        return
    if loop.on_stack:
        yield f"{loop.on_stack} vectors on the stack in its loop, expected none"
    if loop.instructions > MAX_INSTRUCTIONS * loop.multiply_adds:
        ratio = loop.instructions / loop.multiply_adds
        yield f"{ratio:.2f} instructions per multiply-add, expected at most {MAX_INSTRUCTIONS}"
    if loop.tile.startswith("planar"):
        for processor, least in MIN_PER_CYCLE.items():
            speed = speeds.get(processor, least)
            if speed < least:
                yield f"{speed:.1f} multiply-adds per cycle on {processor}, expected at least {least:.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--variant", default="neon")
    parser.add_argument("--compiler", default="aarch64-linux-gnu-g++")
    arguments = parser.parse_args()
    mca = next((found for v in ("-19", "-20", "") if (found := shutil.which(f"llvm-mca{v}"))), None)
    if not mca:
        print("llvm-mca is not installed: no multiply-adds per cycle")
    processors = PROCESSORS if mca else ()
    columns = "".join(f"{name:>13}" for name in processors)
    print(f"{'tile':26}{'fmla':>6}{'instructions':>14}{'per fmla':>10}{'on stack':>10}{columns}")
    problems: list[str] = []
    missing = set(FULL_TILES)
    for loop in loops(compile_assembly(arguments.compiler, arguments.variant)):
        if not loop.is_full:
            continue
        missing.discard(loop.tile)
        speeds = {name: multiply_adds_per_cycle(mca, loop, name) for name in processors} if mca else {}
        print(
            f"{loop.tile:26}{loop.multiply_adds:6}{loop.instructions:14}"
            f"{loop.instructions / max(loop.multiply_adds, 1):10.2f}{loop.on_stack:10}"
            + "".join(f"{speed:13.1f}" for speed in speeds.values())
        )
        problems += [f"{loop.tile}: {fault}" for fault in faults(loop, speeds)]
    problems += [f"{tile}: not found in the assembly" for tile in sorted(missing)]
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
