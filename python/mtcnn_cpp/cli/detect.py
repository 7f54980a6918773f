"""`mtcnn-cpp detect`: find faces in images, videos, folders and streams."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..storage.address import mask_text
from .detect_options import FrameOptions, RayOptions, SaveOptions, TableOptions
from .detect_show import ShowOptions, open_view
from .errors import INCOMPLETE, print_line, print_warning, report_errors
from .options import Backend, CascadeOptions, ModelPath, Threads, make_detector
from .progress import MAX_ERRORS_REPORTED, ProgressBar

if TYPE_CHECKING:
    from ..detector.detector import Detector
    from ..jobs.annotation_writer import AnnotationWriter
    from ..jobs.part_files import PartFiles
    from ..jobs.pipeline import DetectionPipeline
    from ..jobs.plan import Plan
    from ..jobs.run import JobCounters
    from ..jobs.settings import JobSettings
    from ..jobs.table import TableFormat
    from ..jobs.table.rows import FrameResult


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
    sample: Annotated[bool, typer.Option("--sample", help="Use the bundled sample image.")] = False,
    table: TableOptions = TableOptions(),
    frames: FrameOptions = FrameOptions(),
    save: SaveOptions = SaveOptions(),
    show: ShowOptions = ShowOptions(),
    ray: RayOptions = RayOptions(),
    cascade: CascadeOptions = CascadeOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
) -> None:
    """Find the faces in images and videos. The table has one row per face, with box, score and landmarks.

    If a source fails, the command reports its error, processes the other sources, and ends with exit code 1.
    """
    from ..jobs.annotation_writer import AnnotationWriter
    from ..jobs.pipeline import DetectionPipeline
    from ..jobs.plan import make_plan
    from ..jobs.run import keep_freed_memory
    from ..jobs.settings import JobSettings

    keep_freed_memory()
    if not sources and not sample:
        raise typer.BadParameter("no source given: give images, videos or folders, or use --sample")
    with report_errors():
        table.check()
        save.check()
        frames.check()
        show.check(table)
        detector = make_detector(model, cascade, threads=threads, backend=backend)
        plan = make_plan(sources or [], sequences=frames.sequence)
        if sample:
            plan.sources.insert(0, _sample_source())
        if plan.sources and all(source.error for source in plan.sources):
            raise ValueError("\nerror: ".join(source.error for source in plan.sources[:MAX_ERRORS_REPORTED]))
        settings = JobSettings(
            format=table.row_format(),
            sampling=frames.sampling(),
            reading=frames.reading(),
            sequence_fps=frames.fps if frames.sequence else None,
            track=frames.track,
            save_dir=save.save_dir,
            save_crops=save.save_crops,
            save_aligned=save.save_aligned,
            face_size=save.size,
            margin=save.margin,
            template=cast(Any, save.template.value),
            save_format=save.save_format.value,
            overwrite=save.overwrite,
            annotate=save.annotate,
            quality=save.quality,
            sound=not save.no_sound,
            csv_safe=table.csv_safe,
        )
        for message in plan.skipped:
            print_line(message, err=True)
        for note in getattr(detector.engine.backend, "notes", ()):
            print_line(f"note: {note}", err=True)
        ray.check(table, save, plan.sources)
        if show.show:
            show.choose_source(plan)
        warning = frames.warn_without_video(plan.sources)
        if warning:
            print_line(f"warning: {warning}", err=True)
        annotations = AnnotationWriter(settings, plan.sources) if settings.saves_images else None
        dropped = None
        if ray.address is not None:
            counters = _run_on_ray(plan, ray.address, table, settings, detector, threads)
        else:
            with (
                open_view(show, plan) as view,
                DetectionPipeline(detector, settings, annotations, warn=print_warning, view=view) as pipeline,
                _interrupt_ends_live_sources(plan, pipeline),
            ):
                counters = _run(plan, pipeline, annotations, table, settings, detector)
            dropped = pipeline.dropped if show.show else None
        if (table.output or annotations or show.show) and not table.quiet:
            processed = len(plan.sources) - counters.done_before
            print_line(_summary(counters, processed, table, save, annotations, dropped), err=True)
        if annotations and annotations.h264_problem and not table.quiet:
            print_line(
                "note: the annotated videos have no sound, a constant frame rate, and the codec MPEG-4, "
                f"which browsers do not play: {annotations.h264_problem}",
                err=True,
            )
    if counters.failed or warning:
        raise typer.Exit(INCOMPLETE)


def _run(
    plan: Plan,
    pipeline: DetectionPipeline,
    annotations: AnnotationWriter | None,
    table: TableOptions,
    settings: JobSettings,
    detector: Detector,
) -> JobCounters:
    from ..jobs.run import make_part_files, prepare_folder, run_to_folder, run_to_output
    from ..jobs.table_file import TableFile
    from ..storage.folder import open_folder

    if table.is_folder:
        folder = open_folder(cast(str, table.output))
        folder.make()
        with folder.lock():
            remaining = prepare_folder(
                folder,
                settings,
                detector,
                plan.sources,
                resume=table.resume,
                names=plan.names,
                workers=detector.engine.threads,
            )
            if annotations:
                annotations.keep_names(remaining.stems)
            kept = f"complete part files are kept in {folder.name}; use --resume to continue the job"
            with (
                _reporting_kept_results(lambda: kept),
                _progress(plan, table, remaining.sources, settings) as progress,
            ):
                part_files = make_part_files(folder, settings)
                concurrency = min(detector.engine.threads, max(1, len(remaining.tasks)))
                pipeline.video_readers = concurrency
                counters = run_to_folder(remaining, pipeline, part_files, progress, concurrency=concurrency)
            _finish_folder(part_files, settings, table)
            return counters
    with contextlib.ExitStack() as stack:
        if table.output:
            file = TableFile(
                table.output,
                settings.format,
                csv_safe=settings.csv_safe,
                columns=settings.columns,
                video_reader=settings.video_reader,
            )
            stack.enter_context(_reporting_kept_results(lambda: file.kept if file.partial else ""))
            output: Any = stack.enter_context(file)
        elif pipeline.has_view and table.format is None:  # the view shows the results
            output = _NoOutput()
        else:
            output = stack.enter_context(_standard_output(table.format, settings))
        progress = stack.enter_context(_progress(plan, table, plan.sources, settings))
        return run_to_output(plan.sources, pipeline, output, progress)


@contextlib.contextmanager
def _reporting_kept_results(kept: Callable[[], str]) -> Iterator[None]:
    """If the block is interrupted or fails, report which results are kept."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(kept()) from error
    except BaseException as error:
        if (message := kept()) not in str(error):
            print_line(f"note: {mask_text(message)}", err=True)
        raise


def _run_on_ray(
    plan: Plan, address: str, table: TableOptions, settings: JobSettings, detector: Detector, threads: int
) -> JobCounters:
    from ..jobs.ray.connection import connect
    from ..jobs.ray.run import choose_images_per_task, count_workers, run_on_ray
    from ..jobs.run import make_part_files, prepare_folder
    from ..storage.folder import open_folder

    cpus = max(1, threads)
    with connect(address):
        workers = count_workers(cpus)
        images_per_task = choose_images_per_task(len(plan.sources), workers)
        folder = open_folder(cast(str, table.output))
        folder.make()
        with folder.lock():
            remaining = prepare_folder(
                folder,
                settings,
                detector,
                plan.sources,
                resume=table.resume,
                images_per_task=images_per_task,
                names=plan.names,
                workers=workers,
            )
            part_files = make_part_files(folder, settings)
            with _progress(plan, table, remaining.sources, settings) as progress:
                counters = run_on_ray(
                    remaining,
                    detector,
                    settings,
                    part_files,
                    cpus=cpus,
                    progress=progress,
                    notify=lambda message: print_line(f"note: {message}", err=True),
                )
            _finish_folder(part_files, settings, table)
            return counters


def _finish_folder(part_files: PartFiles, settings: JobSettings, table: TableOptions) -> None:
    """Write the summary of a complete job, and report its sums."""
    from ..jobs.summary import SUMMARY_NAME, write_summary

    totals = write_summary(part_files, settings)
    if table.quiet:
        return
    items = [
        _with_noun(totals.sources, "source"),
        _with_noun(totals.frames, "image or frame"),
        f"{totals.frames_with_face:,} with a face",
        _with_noun(totals.faces, "face"),
    ]
    if totals.tracks is not None:
        items.append(_with_noun(totals.tracks, "track"))
    items.append(_with_noun(totals.errors, "error"))
    name = f"{part_files.folder.name.rstrip('/')}/{SUMMARY_NAME}"
    print_line(f"complete table: {', '.join(items)}; numbers of each source: {mask_text(name)}", err=True)


def _sample_source() -> Any:
    from ..jobs.sources import Source
    from ..media.image.read import SAMPLE

    return Source(SAMPLE.name, "image", SAMPLE.name, address=os.fspath(SAMPLE))


@contextlib.contextmanager
def _progress(
    plan: Plan, table: TableOptions, remaining: list[Any], settings: JobSettings
) -> Iterator[ProgressBar]:
    """Show a progress bar if standard error is a terminal.

    If the rows are also printed to a terminal, no bar is shown.
    """
    from ..jobs.plan import estimate_frame_count

    prints_rows = not table.output and sys.stdout.isatty()
    shown = sys.stderr.isatty() and not table.quiet and not prints_rows
    if shown or (table.output and not table.quiet):
        print_line(f"to process: {plan}", err=True)
    total = None
    if shown:
        total = estimate_frame_count(remaining, settings.sampling, sequence_fps=settings.sequence_fps)
    with ProgressBar(total, shown=shown) as progress:
        yield progress


@contextlib.contextmanager
def _standard_output(format: TableFormat | None, settings: JobSettings) -> Iterator[Any]:
    """Return a table on standard output.

    If the job is interrupted, the results up to this moment are printed.
    """
    from ..jobs.table.formats import make_writer
    from ..jobs.table.terminal import TerminalTable

    if format is None:
        output: Any = TerminalTable(sys.stdout)
    else:
        output = make_writer(
            format,
            sys.stdout.buffer,
            columns=settings.columns,
            flush=True,
            csv_safe=settings.csv_safe,
            video_reader=settings.video_reader,
        )
    with contextlib.closing(output):
        yield output


class _NoOutput:
    """A `ResultWriter` that writes nothing."""

    def add(self, result: FrameResult) -> None:
        """Ignore the result."""


@contextlib.contextmanager
def _interrupt_ends_live_sources(plan: Plan, pipeline: DetectionPipeline) -> Iterator[None]:
    """Let the first Ctrl-C end only cameras and streams, so that the table is completed.

    A second Ctrl-C interrupts the program.
    """
    if not any(source.kind == "live" for source in plan.sources):
        yield
        return

    def end(number: int, frame: object) -> None:
        if pipeline.end_live.is_set():
            raise KeyboardInterrupt
        pipeline.end_live.set()

    previous = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _summary(
    counters: JobCounters,
    sources: int,
    table: TableOptions,
    save: SaveOptions,
    annotations: AnnotationWriter | None,
    dropped: int | None,
) -> str:
    """Return the last line of the report."""
    frames, faces = _with_noun(counters.frames, "image or frame"), _with_noun(counters.faces, "face")
    if sources > 1:
        frames += f" of {_with_noun(sources, 'source')}"
        faces += f" in {counters.frames_with_face:,} of them"
    items = [f"processed {frames}, found {faces}"]
    if dropped is not None:
        items.append(f"{_with_noun(dropped, 'frame')} dropped")
    if counters.done_before:
        items.append(f"{_with_noun(counters.done_before, 'source')} already done")
    if counters.failed:
        items.append(f"{counters.failed:,} failed")
    if annotations:
        folders = ", ".join(dict.fromkeys(filter(None, (save.save_dir, save.save_crops, save.save_aligned))))
        items.append(f"{_with_noun(annotations.count, 'file')} written to {folders}")
    if table.output:
        items.append(f"table: {mask_text(table.output)}")
    return "; ".join(items)


def _with_noun(count: int, noun: str) -> str:
    plural = "images and frames" if noun.startswith("image") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
