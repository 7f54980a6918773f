"""Faces over time.

The number of faces, their scores, and the position of the largest face, for each frame of a video. With
`mtcnn-cpp detect clip.mp4 -o faces.csv`, the same values are in the columns `timestamp`, `confidence`, `x`
and `y`.
"""

import subprocess

import matplotlib.pyplot as plt
import numpy as np
from mtcnn_cpp import Detector

subprocess.run(
    ["mtcnn-cpp", "sample", "faces_over_time.mp4", "--overwrite"], check=True, stdout=subprocess.DEVNULL
)
frames = list(Detector(min_face=40).detect_video("faces_over_time.mp4"))
times = [frame.time for frame in frames]
counts = [len(frame.faces) for frame in frames]
largest = [(frame.time, frame.faces.largest()) for frame in frames if len(frame.faces)]
centres = np.array([faces.boxes[0, :2] + faces.boxes[0, 2:] / 2 for _, faces in largest])

figure, (top, middle, bottom) = plt.subplots(3, sharex=True, figsize=(7, 5), layout="constrained")
top.step(times, counts, where="post")
top.set(ylabel="faces", ylim=(0, max(counts) + 0.5), yticks=range(max(counts) + 1))
middle.plot([time for time, _ in largest], [faces.scores[0] for _, faces in largest])
middle.set(ylabel="score", ylim=(0.7, 1.02))
bottom.plot([time for time, _ in largest], centres, label=["x", "y"])
bottom.set(ylabel="centre, pixels", xlabel="time, seconds")
bottom.legend(loc="upper left")
figure.savefig("faces_over_time.png", dpi=110)
print(f"{len(frames)} frames, {counts.count(0)} of them without a face")
