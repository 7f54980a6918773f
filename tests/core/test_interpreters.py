"""The core in several interpreters of one process, each with a separate GIL."""

from __future__ import annotations

import subprocess
import sys

import pytest

_core = pytest.importorskip("mtcnn_cpp._core")

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="pybind11 supports other interpreters since Python 3.12; in older versions an import hangs",
)

START = f"""
import threading
try:
    import _interpreters as interpreters
    def run(number, code):
        problem = interpreters.run_string(number, code)
        if problem is not None:
            raise RuntimeError(problem.formatted)
    def create_with_shared_gil():
        return interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    run = interpreters.run_string
    def create_with_shared_gil():
        return interpreters.create(isolated=False)

LOAD = '''
import importlib.util, sys
sys.path[:] = {sys.path!r}
spec = importlib.util.spec_from_file_location("mtcnn_cpp._core", {_core.__file__!r})
core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(core)
'''
"""

# The extension alone, because NumPy cannot be imported in an interpreter with a separate GIL.
MANY = """
WORK = LOAD + '''
names = [variant["name"] for variant in core.isa_variants() if variant["supported"]]
assert names[-1] == core.active_isa(), names
for _ in range(20):
    for name in names:
        assert core.run_multiply_adds(10_000, name) == expected[name]
    try:
        core.run_multiply_adds(1, "nonsense")
    except ValueError as error:
        assert "nonsense" in str(error)
    else:
        raise AssertionError("no error")
    cancellation = core.CancellationSource()
    cancellation.set()
    assert cancellation.is_set()
assert core.Cancelled.__module__ == "mtcnn_cpp._core"
'''
exec(LOAD)
supported = [v["name"] for v in core.isa_variants() if v["supported"]]
expected = {name: core.run_multiply_adds(10_000, name) for name in supported}
WORK = f"expected = {expected}" + WORK
problems = []
def run_in_new_interpreter():
    try:
        number = interpreters.create()
        run(number, WORK)
        interpreters.destroy(number)
    except BaseException as error:
        problems.append(error)
for _ in range(3):
    threads = [threading.Thread(target=run_in_new_interpreter) for _ in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
if problems: raise problems[0]
exec(WORK.replace("assert names[-1]", "assert 'kept' and names[-1]"))  # the first interpreter is unchanged
print("done")
"""

# NumPy supports one interpreter per process. Here it is not the main one, and shares its GIL.
ONE = """
try:
    number = create_with_shared_gil()
    run(number, LOAD + '''
import warnings
warnings.simplefilter("ignore")
try:
    import numpy
except ImportError as error:
    print("no NumPy:", " ".join(str(error).split())[:200], flush=True)
else:
    from mtcnn_cpp import Detector, sample_image
    detector = Detector(threads=2)
    image = sample_image()
    faces = detector.detect(image)
    assert len(faces) == len(Detector(backend="reference").detect(image)) > 0
    seen = []
    def hook(name, array):
        seen.append(name)
        with detector.hook("final/boxes", lambda name, array: seen.append(name)):
            if len(seen) == 1:
                detector.detect(image)  # a detection inside a hook
    with detector.hook("final/boxes", hook):
        again = detector.detect(image)
    assert (again.boxes.view("uint32") == faces.boxes.view("uint32")).all()
    assert seen, seen
    from mtcnn_cpp import _core
    model = detector.model
    inner = _core.Detector(model.pnet, model.rnet, model.onet)
    cancellation = _core.CancellationSource()
    cancellation.set()
    try:
        inner.detect(image, False, 20.0, [0.6, 0.7, 0.7], 0.709, 2, None, cancellation)
    except _core.Cancelled as error:
        assert type(error) is _core.Cancelled
    else:
        raise AssertionError("the detection was not cancelled")
    print("detected", flush=True)
''')
    interpreters.destroy(number)
except ImportError as error:
    print("no NumPy:", error)
print("done")
"""


def output_of(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", START + program], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_many_interpreters_at_a_time() -> None:
    assert output_of(MANY).split() == ["done"]


def test_a_detection_outside_the_main_interpreter() -> None:
    """Hooks run in the interpreter of the detection, and exceptions are of its classes."""
    output = output_of(ONE)
    if output.startswith("no NumPy"):
        pytest.skip(output.splitlines()[0])
    assert output.split() == ["detected", "done"]
