"""The options of `mtcnn-cpp detect --show`, and the window or page that shows a camera or stream."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ..storage.address import is_web
from .browser import open_browser
from .errors import print_line

if TYPE_CHECKING:
    from ..jobs.live_view import LiveView
    from ..jobs.plan import Plan
    from .detect_options import TableOptions


@dataclass(frozen=True)
class ShowOptions:
    """Options that show a camera or stream while it is processed."""

    show: Annotated[
        bool,
        typer.Option(
            "--show",
            help="Cameras and streams: show the annotated frames in a window, or on a local page if no "
            "window can be opened (the page needs the extra 'explore'). Only the newest frame is processed "
            "each time; the other frames are dropped and counted. Ctrl-C, the keys q and Esc, and closing "
            "the window or page end the program.",
        ),
    ] = False
    port: Annotated[
        int | None,
        typer.Option(
            help="Port of 127.0.0.1 for the local page of --show, which then replaces the window. 0: any "
            "free port.",
            show_default="a window; if it cannot be opened, a page at any free port",
        ),
    ] = None
    no_browser: Annotated[
        bool,
        typer.Option("--no-browser", help="Print the address of the page of --show; do not open a browser."),
    ] = False

    def check(self, table: TableOptions) -> None:
        """Raise ValueError if options exclude each other."""
        if not self.show:
            if self.port is not None or self.no_browser:
                raise ValueError("--port and --no-browser apply to --show; add --show, or leave them out")
            return
        if table.is_folder:
            raise ValueError(
                f"with --show, --output must be a file, got the folder {table.output}; a job with a live "
                "source cannot be resumed"
            )

    def choose_source(self, plan: Plan) -> None:
        """Check that the plan has one live source. A web address is a live source.

        Raises ValueError if the plan has several sources, or a file.
        """
        if len(plan.sources) != 1:
            raise ValueError(f"--show shows one camera or stream, got {len(plan.sources)} sources; give one")
        source = plan.sources[0]
        if source.kind != "live" and not is_web(source.address or source.name):
            name = "standard input" if source.name == "-" else source.name
            raise ValueError(
                f"{name} is a file; --show shows cameras and streams. For files, --save-dir writes "
                "annotated images and videos"
            )
        plan.sources[0] = dataclasses.replace(source, kind="live")


@contextlib.contextmanager
def open_view(options: ShowOptions, plan: Plan) -> Iterator[LiveView | None]:
    """Open a window or a page for the duration of the `with` block, or nothing without `--show`.

    Raises MissingExtra if neither a window nor a page is possible, and the errors of `bind_socket`.
    """
    if not options.show:
        yield None
        return
    from ..media.window import Window, find_window_problem

    name = plan.sources[0].name
    problem = "" if options.port is not None else find_window_problem()
    if options.port is None and not problem:
        with contextlib.closing(Window(name)) as window:
            yield window
        return
    from ..explore import require_server_packages

    require_server_packages(f"--show on a local page{f' ({problem})' if problem else ''}")
    from ..explore.live import LivePage
    from ..explore.server import bind_socket

    with LivePage(name, bind_socket(options.port or 0)) as page:
        if problem:
            print_line(f"note: no window was opened: {problem}; the address of the page is:", err=True)
        print_line(page.address, err=True)
        if not options.no_browser:
            open_browser(page.address)
        yield page
