"""Run all measurements of README.md and write the results into it and the chart. Takes about six minutes.

    python benchmarks/update_readme.py [IMAGE …] [--peer-python PYTHON …] [--detections N] [--only NAME …]

IMAGE: images for `mtcnn-cpp bench`. Default: `../shared/bench/bench1080.png` beside the repository if it
exists, else the bundled images. --only: update only these blocks of README.md (comments in README.md name
them).
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


def replace_block(name: str, text: str) -> None:
    """Replace the text between <!-- name --> and the next <!-- end -->."""
    old = README.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    new, count = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", old)
    if count != 1:
        raise SystemExit(f"README.md has {count} blocks named {name}, expected 1")
    README.write_text(new, encoding="utf-8")
    print(f"{name}: updated", file=sys.stderr)


def replace_output(name: str, command: str, output: str) -> None:
    replace_block(name, f"```console\n$ {command}\n{output}\n```")


def bench(images: list[str], pythons: list[str]) -> None:
    default = HERE.parents[1] / "shared" / "bench" / "bench1080.png"
    images = images or ([str(default)] if default.exists() else [])
    names = " ".join(Path(image).name for image in images)
    with TemporaryDirectory() as folder:
        saved = str(Path(folder) / "bench.json")
        found = [argument for python in pythons for argument in ("--peer-python", python)]
        options = ["--peers", *found, "--json", saved, "--chart", str(CHART)]
        output = run("-m", "mtcnn_cpp", "bench", *images, *options)
        results = json.loads(Path(saved).read_text(encoding="utf-8"))
    replace_output(
        "bench", f"mtcnn-cpp bench {names} --peers --chart {CHART.name}".replace("  ", " "), output
    )
    replace_block("summary", summary(results))


def summary(results: dict[str, Any]) -> str:
    """Return the table of required, desired and measured values for the largest image."""
    image = max(results["pictures"], key=lambda found: found["height"] * found["width"])
    size = f"{image['width']}x{image['height']}, {image['faces']} faces"
    rows = []

    def add(title: str, required: str, goal: str, measured: str) -> None:
        rows.append(f"| {title} | {required} | {goal} | {measured} |")

    goals = {"avx2": ("65 %", "80 %"), "avx512": ("50 %", "70 %")}
    for row in image["rows"]:
        if row["threads"] == 1:
            required, goal = goals.get(row["isa"], ("", ""))
            title = f"share of the FMA peak, whole call, one thread, {row['isa']}, {size}"
            add(title, required, goal, f"{100 * row['share']:.1f} % ({row['ms']:.2f} ms)")
    for row in image["rows"]:
        if row["threads"] == 2 and row["against_one_thread"]:
            add(
                f"two threads compared with one, {row['isa']}",
                "1.8x",
                "1.95x",
                f"{row['against_one_thread']:.2f}x",
            )
    if "batch" in image:
        batch = image["batch"]
        count, threads = batch["pictures"], batch["threads"]
        title = f"batch of {count} on {threads} threads, compared with single detections on one thread"
        add(title, "1.9x", "1.97x", f"{batch['ratio']:.2f}x")
    overhead = results["overhead"]
    add(
        "640x480, one thread: overhead outside the networks",
        "< 10 %",
        "< 5 %",
        f"{100 * overhead['share']:.1f} %",
    )
    if image["memory"]:
        title = f"memory above the idle process, {image['width']}x{image['height']}, one thread"
        add(title, "< 48 MB", "< 16 MB", f"{image['memory']['peak']:.1f} MB")
    if "sizes" in results:
        costs = [row["ms_per_megapixel"] for row in results["sizes"]]
        title = "time per megapixel, 0.3 to 48 megapixels: spread between largest and smallest"
        add(title, "within 15 %", "", f"{100 * (max(costs) / min(costs) - 1):.0f} %")
    for row in image.get("peers", []):
        if row["peer"] == "pymtcnn" and row["threads"] == 1 and "ratio" in row:
            add("time of pymtcnn relative to mtcnn_cpp, one thread", "", "4x", f"{row['ratio']:.2f}x")
    return "\n".join(["| | required | goal | measured |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*")
    parser.add_argument("--peer-python", action="append", default=[])
    parser.add_argument("--detections", default="200000", help="number of detections in steady_memory.py")
    parser.add_argument("--only", nargs="*", default=["bench", *SCRIPTS], choices=["bench", *SCRIPTS])
    arguments = parser.parse_args()
    if "bench" in arguments.only:
        bench(arguments.images, arguments.peer_python)
    for script in [name for name in SCRIPTS if name in arguments.only]:
        counts = [arguments.detections] if script == "steady_memory" else []
        command = " ".join(["python", f"benchmarks/{script}.py", *counts])
        replace_output(script, command, run(str(HERE / f"{script}.py"), *counts))
