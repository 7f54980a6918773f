"""`mtcnn-cpp detect`: find faces in pictures, videos, folders, streams."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..stores import mask_text
from .detect_options import FrameOptions, RayOptions, SaveOptions, TableOptions
from .errors import INCOMPLETE, errors_reported, print_warning
from .groups import grouped
from .lines import print_line
from .options import Backend, CascadeOptions, ModelPath, Threads, make_detector
from .progress import MOST_FAILURES, Progress

if TYPE_CHECKING:
    from ..detector import Detector
    from ..jobs import Eyes, Plan, Saver, Settings, Summary
    from ..table import Format


def register(app: typer.Typer) -> None:
    app.command()(grouped(detect))


def detect(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Images, videos, folders of them, patterns, @list.txt (one name per line; # begins a "
            "comment), - (an image on standard input), camera:0, rtsp:// and http:// streams, images at "
            "http:// addresses, s3:// and other object stores.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Use the picture that comes along.")] = False,
    table: TableOptions = TableOptions(),
    frames: FrameOptions = FrameOptions(),
    save: SaveOptions = SaveOptions(),
    ray: RayOptions = RayOptions(),
    cascade: CascadeOptions = CascadeOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
) -> None:
    """Find the faces in pictures and videos: boxes, scores, landmarks; one row a face.

    A source that cannot be read, or a drawing that cannot be saved, is reported, the others are done, and the
    exit code is 1.
    """
    from ..jobs import Eyes, Saver, Settings, keep_freed_memory, make_plan

    keep_freed_memory()
    if not sources and not sample:
        raise typer.BadParameter("no source given: name pictures, videos or folders, or use --sample")
    with errors_reported():
        table.check()
        detector = make_detector(model, cascade, threads=threads, backend=backend)
        plan = make_plan(sources or [])
        if sample:
            plan.sources.insert(0, _sample())
        if plan.sources and all(source.error for source in plan.sources):
            raise ValueError("\nerror: ".join(source.error for source in plan.sources[:MOST_FAILURES]))
        settings = Settings(
            format=table.chosen(),
            sampling=frames.sampling(),
            track=frames.track,
            save_dir=save.save_dir,
            save_crops=save.save_crops,
            save_format=save.save_format.value,
            overwrite=save.overwrite,
            csv_safe=table.csv_safe,
        )
        for words in plan.passed_over:
            print_line(words, err=True)
        for note in getattr(detector.engine.backend, "notes", ()):
            print_line(f"note: {note}", err=True)
        ray.check(table, save, plan.sources)
        idle = frames.idle(plan.sources)
        if idle:
            print_line(f"warning: {idle}", err=True)
        saver = Saver(settings, plan.sources) if settings.saves else None
        if ray.address is not None:
            summary = _run_on_ray(plan, ray.address, table, settings, detector, threads)
        else:
            at_once = min(detector.engine.threads, max(1, len(plan.sources))) if table.is_folder else 1
            with (
                Eyes(detector, settings, saver, decoders=at_once, warn=print_warning) as eyes,
                _ending_live_sources(plan, eyes),
            ):
                summary = _run(plan, eyes, table, settings, detector, at_once)
        if (table.output or saver) and not table.quiet:
            print_line(_told(summary, table, save, saver), err=True)
    if summary.failed or idle:
        raise typer.Exit(INCOMPLETE)


def _run(
    plan: Plan, eyes: Eyes, table: TableOptions, settings: Settings, detector: Detector, at_once: int
) -> Summary:
    from ..jobs import OneTable, Parts, prepare, run_to_folder, run_to_output
    from ..stores import open_folder

    if table.is_folder:
        folder = open_folder(cast(str, table.output))
        folder.make()
        with folder.lock():
            left = prepare(folder, settings, detector, plan.sources, resume=table.resume, names=plan.names)
            todo = [source for unit in left.units for source in unit.sources]
            kept = f"complete parts are kept in {folder.name}; --resume continues the job"
            with _reporting_kept(lambda: kept), _watched(plan, table, todo, settings) as watch:
                parts = Parts(folder, settings.format, csv_safe=settings.csv_safe)
                return run_to_folder(left, eyes, parts, watch, at_once=at_once)
    with contextlib.ExitStack() as stack:
        if table.output:
            one = OneTable(table.output, settings.format, csv_safe=settings.csv_safe)
            stack.enter_context(_reporting_kept(lambda: one.kept if one.partial else ""))
            output: Any = stack.enter_context(one)
        else:
            output = stack.enter_context(_printing(table.format, settings.csv_safe))
        watch = stack.enter_context(_watched(plan, table, plan.sources, settings))
        return run_to_output(plan.sources, eyes, output, watch)


@contextlib.contextmanager
def _reporting_kept(kept: Callable[[], str]) -> Iterator[None]:
    """If the block is ended, or fails, report what is kept of its results."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(kept()) from error
    except BaseException as error:
        if (words := kept()) not in str(error):
            print_line(f"note: {mask_text(words)}", err=True)
        raise


def _run_on_ray(
    plan: Plan, address: str, table: TableOptions, settings: Settings, detector: Detector, threads: int
) -> Summary:
    from ..jobs import Parts, prepare
    from ..ray import connected, fitting_units, run_on_ray, slots
    from ..stores import open_folder

    cpus = max(1, threads)
    with connected(address):
        most = fitting_units(len(plan.sources), slots(cpus))
        folder = open_folder(cast(str, table.output))
        folder.make()
        with folder.lock():
            left = prepare(
                folder, settings, detector, plan.sources, resume=table.resume, most=most, names=plan.names
            )
            todo = [source for unit in left.units for source in unit.sources]
            with _watched(plan, table, todo, settings) as progress:
                return run_on_ray(
                    left,
                    detector,
                    settings,
                    Parts(folder, settings.format, csv_safe=settings.csv_safe),
                    cpus=cpus,
                    watch=lambda tally: progress.count(tally.results, tally.faces, tally.failed),
                    fail=progress.fail,
                    tell=lambda words: print_line(f"note: {words}", err=True),
                )


def _sample() -> Any:
    from ..image import SAMPLE
    from ..jobs import Source

    return Source(SAMPLE.name, "picture", SAMPLE.name, address=os.fspath(SAMPLE))


@contextlib.contextmanager
def _watched(plan: Plan, table: TableOptions, todo: list[Any], settings: Settings) -> Iterator[Progress]:
    """Progress on a terminal, unless rows go to the same one as they are made."""
    from ..jobs import expected_frames

    rows_there = not table.output and sys.stdout.isatty()
    shown = sys.stderr.isatty() and not table.quiet and not rows_there
    if shown or (table.output and not table.quiet):
        print_line(f"to look at: {plan}", err=True)
    total = expected_frames(todo, settings.sampling) if shown else None
    with Progress(total, shown=shown) as progress:
        yield progress


@contextlib.contextmanager
def _printing(format: Format | None, csv_safe: bool) -> Iterator[Any]:
    """A table on standard output: for people, or in a format, each row at once. What was found is printed
    even if the rest is interrupted."""
    from ..table import Terminal, make_writer

    if format is None:
        output: Any = Terminal(sys.stdout)
    else:
        output = make_writer(format, sys.stdout.buffer, flush=True, csv_safe=csv_safe)
    with contextlib.closing(output):
        yield output


@contextlib.contextmanager
def _ending_live_sources(plan: Plan, eyes: Eyes) -> Iterator[None]:
    """Ctrl-C ends cameras and streams in order, so that the table is complete; a second one ends the
    program."""
    if not any(source.kind == "live" for source in plan.sources):
        yield
        return

    def end(number: int, frame: object) -> None:
        if eyes.end.is_set():
            raise KeyboardInterrupt
        eyes.end.set()

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _told(summary: Summary, table: TableOptions, save: SaveOptions, saver: Saver | None) -> str:
    """The line at the end."""
    frames, faces = _counted(summary.frames, "picture or frame"), _counted(summary.faces, "face")
    told = [f"looked at {frames}, found {faces}"]
    if summary.done_before:
        told.append(f"{_counted(summary.done_before, 'source')} done before")
    if summary.failed:
        told.append(f"{summary.failed:,} failed")
    if saver:
        folders = ", ".join(filter(None, (save.save_dir, save.save_crops)))
        told.append(f"{_counted(saver.count, 'file')} written to {folders}")
    if table.output:
        told.append(f"table: {mask_text(table.output)}")
    return "; ".join(told)


def _counted(count: int, what: str) -> str:
    plural = "pictures and frames" if what.startswith("picture") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"
