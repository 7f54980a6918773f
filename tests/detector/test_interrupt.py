"""Ctrl-C ends long detections and their threads; the detector is usable afterwards.

Each case runs for minutes without Ctrl-C. The timeout only ends a failed test.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

CASES = {
    "detect": "detector.detect(large)",
    "detect on several threads": "detector.replace(threads=3).detect(large)",
    "batch": "detector.replace(threads=2).detect_batch([large] * 8)",
    "stream": "list(detector.replace(threads=2).detect_stream([large] * 8, on_error='return'))",
    "trace of the reference": "detector.replace(backend='reference', min_face=20).trace(large)",
    "slow hook": "hooked()",
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("case", CASES)
def test_ends_with_keyboard_interrupt(case: str) -> None:
    code = f"""
        import signal, threading, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in the background
        import numpy as np
        from mtcnn_cpp import Detector, sample_image
        detector = Detector(min_face=1, thresholds=(0.9, 0.7, 0.7), threads=1)
        large = np.tile(sample_image(), (12, 12, 1))
        before = threading.active_count()

        def hooked():
            slow = detector.replace(min_face=60)
            with slow.hook("pnet/level*/conv1", lambda name, array: time.sleep(600)):
                slow.detect(large)

        print("ready", flush=True)
        try:
            {CASES[case]}
        except KeyboardInterrupt:
            print("interrupted", threading.active_count() - before)
        again = detector.replace(min_face=60).detect(sample_image())
        print(len(again), again == Detector(thresholds=(0.9, 0.7, 0.7)).detect(sample_image()))
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):  # the detection still runs
                process.wait(0.2)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert out == "interrupted 0\n1 True\n"
    assert process.returncode == 0
