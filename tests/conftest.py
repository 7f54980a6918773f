"""Options and fixtures of all tests."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

# Before NumPy and PyTorch are imported: for the small products of the tests, threads only cost CPU time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from chromium import CHROMIUM, chromium_options
from images import OTHER_BACKEND, nearly_equal
from mtcnn_cpp import Detections
from mtcnn_cpp.reference import boxes, dat, exp, layers, resize

try:
    from mtcnn_cpp import _core
except ImportError as error:
    NO_CORE = f"no compiled core: {error}"
else:
    NO_CORE = ""

with contextlib.suppress(ImportError):
    from typer import testing

    # Typer's runner converts the application before each call of the command, which takes 20 ms.
    testing._get_command = cache(testing._get_command)


@pytest.fixture(autouse=True)
def equality(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detections are equal in every bit, but not those of a backend that is not this package's own."""
    if OTHER_BACKEND:
        monkeypatch.setattr(Detections, "__eq__", nearly_equal)


@pytest.fixture(scope="module")
def graph_process() -> Iterator[None]:
    """All graphs of a file's tests run in one process, which is started only once."""
    from mtcnn_cpp.formats import graph_limits

    with graph_limits():
        yield


@pytest.fixture
def decoding_starts(caplog: pytest.LogCaptureFixture) -> Callable[[], list[int]]:
    """Return a function that returns the frames with which decoding of videos began since its last call."""
    caplog.set_level(logging.DEBUG, "mtcnn_cpp")

    def take() -> list[int]:
        found = [int(number) for number in re.findall(r"decoding begins with frame (\d+)", caplog.text)]
        caplog.clear()
        return found

    return take


REFERENCE = SimpleNamespace(
    read_network=dat.read_network,
    write_network=dat.write_network,
    resize=resize.resize,
    cut=resize.cut,
    cut_resize=resize.cut_resize,
    conv2d=layers.conv2d,
    prelu=layers.prelu,
    max_pool=layers.max_pool,
    fully_connected=layers.fully_connected,
    sigmoid=layers.sigmoid,
    exp_opencv=exp.exp_opencv,
    exp_glibc=exp.exp_glibc,
    non_maximum_suppression=boxes.non_maximum_suppression,
    apply_offsets=boxes.apply_offsets,
    make_square=boxes.make_square,
)


def core_components(isa: str, lanes: str) -> SimpleNamespace:
    """The core's functions under the reference's names: one variant, one way to lay the vector lanes."""
    variants = {"resize": {"isa": isa}, "cut_resize": {"isa": isa}}
    for layer in ("conv2d", "prelu", "max_pool", "fully_connected"):
        variants[layer] = {"isa": isa, "lanes": lanes}
    return SimpleNamespace(
        **{name: partial(getattr(_core._testing, name), **variants.get(name, {})) for name in vars(REFERENCE)}
    )


def implementations() -> list[object]:
    """Of all components; what cannot run here is skipped, and says why."""
    params: list[object] = [pytest.param(REFERENCE, id="reference")]
    if NO_CORE:
        return [*params, pytest.param(None, id="core", marks=pytest.mark.skip(reason=NO_CORE))]
    for isa in _core.isa_variants():
        skip = pytest.mark.skipif(not isa["supported"], reason=f"this CPU cannot run {isa['name']}")
        for lanes in ("pixels", "channels"):
            params.append(
                pytest.param(core_components(isa["name"], lanes), id=f"{isa['name']}-{lanes}", marks=skip)
            )
    return params


@pytest.fixture(params=implementations())
def components(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The functions of every room, in each implementation."""
    found: SimpleNamespace = request.param
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium, or MTCNN_TEST_CHROMIUM=path")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=chromium_options())
        yield found
        found.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """`visit(address)` returns the loaded page. Errors and warnings of the page fail the test.

    `first=True` is a first visit, which shows the introduction.
    """
    page_errors: list[str] = []
    contexts = []

    def open_page(address: str, *, ready: bool = True, first: bool = False, **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        if not first:
            cookie = {"name": "mtcnn_cpp_explore_introduction", "value": "closed", "url": "http://127.0.0.1"}
            context.add_cookies([cookie])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: page_errors.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and page_errors.append(line.text))
        page.goto(address)
        if ready:
            page.wait_for_selector("body[data-ready]")
            page.evaluate(TWO_FRAMES)
        return page

    open_page.page_errors = page_errors  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    assert page_errors == []


TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


PASSED = "mtcnn_cpp/passed"  # in pytest's cache: the tests that passed in the last whole run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too (minutes)")
    parser.addoption(
        "--skipped", action="store_true",
        help="run only the tests that have not passed in the last run of the whole suite, or all if none",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: runs for seconds to minutes; only with --slow")
    if not hasattr(config, "workerinput"):  # the workers of pytest-xdist report to this process
        config.pluginmanager.register(PassedTests(config))


class PassedTests:
    """Records the tests that pass in a whole run, for `--skipped`.

    A test that exists only if a package is installed is in no record, so `--skipped` runs it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.found: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.found.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        is_whole = self.config.args_source is pytest.Config.ArgsSource.TESTPATHS
        if is_whole and not self.config.getoption("--skipped") and self.config.cache:
            self.config.cache.set(PASSED, sorted(self.found))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: runs with --slow"))
    passed = set(config.cache.get(PASSED, [])) if config.getoption("--skipped") and config.cache else set()
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in passed])
    items[:] = [item for item in items if item.nodeid not in passed]
