"""Measures all figures of README.md anew and writes them into it, and the chart: about six minutes.

    python benchmarks/figures.py [PICTURE …] [--peer-python PYTHON …] [--detections 200000] [--only NAME …]

PICTURE: those of `mtcnn-cpp bench`; without any, `../shared/bench/bench1080.png` beside the repository where
it is there, otherwise the packaged ones. --only: some blocks of README.md (they are named in its comments).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
CHART = HERE.parent / "docs" / "images" / "speed.svg"
SCRIPTS = ("isa_threads", "megapixels", "allocations", "noise_nms", "instructions", "steady_memory")


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines() if line.strip())


def put(name: str, text: str) -> None:
    """Replace what stands between <!-- name --> and the next <!-- end -->."""
    old = README.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    new, count = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", old)
    if count != 1:
        raise SystemExit(f"README.md has {count} blocks named {name}, expected 1")
    README.write_text(new, encoding="utf-8")
    print(f"{name}: done", file=sys.stderr)


def put_output(name: str, shown: str, output: str) -> None:
    put(name, f"```console\n$ {shown}\n{output}\n```")


def bench(pictures: list[str], pythons: list[str]) -> None:
    default = HERE.parents[1] / "shared" / "bench" / "bench1080.png"
    pictures = pictures or ([str(default)] if default.exists() else [])
    names = " ".join(Path(picture).name for picture in pictures)
    with TemporaryDirectory() as folder:
        saved = str(Path(folder) / "bench.json")
        found = [argument for python in pythons for argument in ("--peer-python", python)]
        options = ["--peers", *found, "--json", saved, "--chart", str(CHART)]
        output = run("-m", "mtcnn_cpp", "bench", *pictures, *options)
        results = json.loads(Path(saved).read_text(encoding="utf-8"))
    put_output("bench", f"mtcnn-cpp bench {names} --peers --chart {CHART.name}".replace("  ", " "), output)
    put("summary", summary(results))


def summary(results: dict[str, Any]) -> str:
    """What was to be reached beside what was measured, of the largest picture."""
    picture = max(results["pictures"], key=lambda one: one["height"] * one["width"])
    size = f"{picture['width']}x{picture['height']}, {picture['faces']} faces"
    rows = []

    def add(what: str, must: str, aim: str, measured: str) -> None:
        rows.append(f"| {what} | {must} | {aim} | {measured} |")

    goals = {"avx2": ("65 %", "80 %"), "avx512": ("50 %", "70 %")}
    for row in picture["rows"]:
        if row["threads"] == 1:
            must, aim = goals.get(row["isa"], ("", ""))
            words = f"share of the FMA peak, whole call, one thread, {row['isa']}, {size}"
            add(words, must, aim, f"{100 * row['share']:.1f} % ({row['ms']:.2f} ms)")
    for row in picture["rows"]:
        if row["threads"] == 2 and row["against_one_thread"]:
            add(
                f"two threads against one, {row['isa']}", "1.8x", "1.95x", f"{row['against_one_thread']:.2f}x"
            )
    if "batch" in picture:
        batch = picture["batch"]
        words = f"batch of {batch['pictures']} on {batch['threads']} threads against one at a time on one"
        add(words, "1.9x", "1.97x", f"{batch['ratio']:.2f}x")
    overhead = results["overhead"]
    add(
        "640x480, one thread: overhead outside the networks",
        "< 10 %",
        "< 5 %",
        f"{100 * overhead['share']:.1f} %",
    )
    if picture["memory"]:
        words = f"memory above the idle process, {picture['width']}x{picture['height']}, one thread"
        add(words, "< 48 MB", "< 16 MB", f"{picture['memory']['peak']:.1f} MB")
    if "sizes" in results:
        costs = [row["ms_per_megapixel"] for row in results["sizes"]]
        words = "time per megapixel, 0.3 to 48 megapixels, most against least"
        add(words, "within 15 %", "", f"{100 * (max(costs) / min(costs) - 1):.0f} %")
    for row in picture.get("peers", []):
        if row["peer"] == "pymtcnn" and row["threads"] == 1 and "ratio" in row:
            add("pymtcnn against mtcnn_cpp, one thread", "", "4x", f"{row['ratio']:.2f}x")
    return "\n".join(["| | must | aim | measured |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="*")
    parser.add_argument("--peer-python", action="append", default=[])
    parser.add_argument("--detections", default="200000", help="of steady_memory.py")
    parser.add_argument("--only", nargs="*", default=["bench", *SCRIPTS], choices=["bench", *SCRIPTS])
    chosen = parser.parse_args()
    if "bench" in chosen.only:
        bench(chosen.pictures, chosen.peer_python)
    for script in [name for name in SCRIPTS if name in chosen.only]:
        arguments = [chosen.detections] if script == "steady_memory" else []
        shown = " ".join(["python", f"benchmarks/{script}.py", *arguments])
        put_output(script, shown, run(str(HERE / f"{script}.py"), *arguments))
