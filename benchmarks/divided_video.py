"""A long video that is divided at its key frames: time with one and two workers, and resuming after kills.

    python benchmarks/divided_video.py VIDEO.mp4 [--hours 2] [--kills 20] [--seed 1] [--skip-speed]

If VIDEO.mp4 does not exist, it is written: the sample clip, repeated, 320x180 pixels, 30 frames per second,
250 frames from one key frame to the next. The same job runs with `--threads 1` on one CPU, with `--threads 2`
on two CPUs, and with one and two workers on Ray. A job on two threads is killed
with SIGKILL at random moments and resumed. The part files must have the same bytes as those of an
uninterrupted job. The decoded frames of all runs are counted; Ray's are not.
"""

from __future__ import annotations

import argparse
import itertools
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

RATE, GROUP, MINUTE = 30, 250, 1800
# Runs the command, and counts the decoded frames of this process in a file that survives a kill.
COMMAND = """
import mmap, struct, sys, threading
from mtcnn_cpp.cli import app
from mtcnn_cpp.media.video.pyav_reader import PyavReader
counter, lock, grab = open(sys.argv.pop(1), "r+b"), threading.Lock(), PyavReader.grab
memory = mmap.mmap(counter.fileno(), 8)
def counting(self):
    found = grab(self)
    with lock:
        memory[:] = struct.pack("q", struct.unpack("q", memory[:])[0] + found)
    return found
PyavReader.grab = counting
app(prog_name="mtcnn-cpp")
"""
RAY = """
import ray, sys
ray.init(num_cpus=int(sys.argv.pop(1)), include_dashboard=False, log_to_driver=False, logging_level=50)
from mtcnn_cpp.cli import app
app(prog_name="mtcnn-cpp")
"""


def make_video(path: Path, minutes: int) -> None:
    """Encode one minute, and repeat its packets."""
    import av
    from mtcnn_cpp.media.video import Video

    subprocess.run([sys.executable, "-m", "mtcnn_cpp", "sample", path.with_suffix(".sample.mp4")], check=True)
    with Video(path.with_suffix(".sample.mp4")) as video:
        images = [frame.image for frame in video.frames()]
    short = path.with_suffix(".minute.mp4")
    with av.open(str(short), "w") as file:
        stream: Any = file.add_stream("libx264", rate=RATE, options={"g": str(GROUP), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for image in itertools.islice(itertools.cycle(images), MINUTE):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        file.mux(stream.encode())
    with av.open(str(path), "w") as file:
        out = None
        for minute in range(minutes):
            with av.open(str(short)) as source:
                stream = source.streams.video[0]
                out = out or file.add_stream_from_template(stream)
                shift = minute * int(Fraction(60) / stream.time_base)
                for packet in source.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, out
                        file.mux(packet)


class Job:
    """A job in a separate process."""

    def __init__(self, video: Path, folder: Path) -> None:
        self.counter = folder / "decoded"
        self.counter.write_bytes(bytes(8))
        self.arguments = ["detect", str(video), "--min-face", "120", "--format", "csv", "--quiet"]

    def start(self, output: Path, *options: str, ray: int = 0) -> subprocess.Popen[bytes]:
        program = [RAY, str(ray)] if ray else [COMMAND, str(self.counter)]
        output_options = ["-o", f"{output}/", *options]
        environment = os.environ | {"RAY_worker_niceness": "0"}
        return subprocess.Popen(
            [sys.executable, "-c", *program, *self.arguments, *output_options], env=environment
        )

    def run(self, output: Path, *options: str, ray: int = 0) -> float:
        begin = time.perf_counter()
        code = self.start(output, *options, ray=ray).wait()
        assert code == 0, code
        return time.perf_counter() - begin

    def decoded(self) -> int:
        """Number of frames decoded since the last call."""
        with self.counter.open("r+b") as file, mmap.mmap(file.fileno(), 8) as memory:
            count: int = struct.unpack("q", memory[:])[0]
            memory[:] = bytes(8)
        return count


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "_job.json"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("video", type=Path)
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip-speed", action="store_true")
    options = parser.parse_args()
    if not options.video.exists():
        make_video(options.video, round(60 * options.hours))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = Job(options.video, folder)
        seconds = job.run(folder / "expected", "--threads", "2")
        expected = parts(folder / "expected")
        print(f"two threads: {seconds:.1f} s, {job.decoded():,} frames decoded", flush=True)
        randoms = random.Random(options.seed)
        total, output = 0, folder / "killed"
        for kill in range(1, options.kills + 1):
            process = job.start(output, "--threads", "2", *(["--resume"] if output.exists() else []))
            time.sleep(randoms.uniform(0.5, 2 * seconds / options.kills))
            ended = process.poll()
            process.kill()
            process.wait()
            total += job.decoded()
            done = len(list(output.glob("video-*")))
            print(
                f"kill {kill}: {done} of {len(expected) - 1} part files{', ended' * (ended is not None)}",
                flush=True,
            )
        job.run(output, "--threads", "2", "--resume")
        total += job.decoded()
        same = parts(output) == expected
        print(f"after {options.kills} kills: {total:,} frames decoded, same bytes: {same}", flush=True)
        if not options.skip_speed:
            for label, arguments, ray in (
                ("one CPU", ["--threads", "1"], 0),
                ("Ray, one worker", ["--ray", "local"], 1),
                ("Ray, two workers", ["--ray", "local"], 2),
            ):
                cpus = sorted(os.sched_getaffinity(0))
                os.sched_setaffinity(0, cpus if ray else cpus[:1])
                taken = job.run(folder / "other", *arguments, ray=ray)
                os.sched_setaffinity(0, cpus)
                same = parts(folder / "other") == expected
                print(
                    f"{label}: {taken:.1f} s, {job.decoded():,} frames decoded, same bytes: {same}",
                    flush=True,
                )
                shutil.rmtree(folder / "other")


if __name__ == "__main__":
    main()
