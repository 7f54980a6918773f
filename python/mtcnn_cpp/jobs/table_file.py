"""A table in one local file, or in one object of an object store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from .._util.files import OutputFile, WriteError, check_output, move_into_place, truncate_name, write_error
from ..storage.address import is_address
from ..storage.remote import RemoteFolder, system
from .table import TableFormat
from .table.formats import TableWriter, make_writer
from .table.rows import COLUMNS, FrameResult, make_rows

PARTIAL = ".partial"


class TableFile:
    """A table in one file or object. It receives results, and it is a context manager.

    During the `with` block, the rows are in a partial file, NAME.partial, or NAME.2.partial if NAME.partial
    already exists. The partial file is in the folder of the table. If the table is in an object store, the
    partial file is in a temporary folder. Each result is written immediately, except in Parquet. At the end
    of the block, the partial file is renamed or uploaded. If the block raises an error, the partial file
    remains as a valid table with all complete rows.

    A separate thread writes the rows. Ctrl-C interrupts only the main thread, so it cannot interrupt the
    writing of a row.

    Args:
        name: Path or address of the table.
        format: Format of the table.
        csv_safe: Whether to protect CSV text that a spreadsheet could read as a formula.
        columns: Columns of the table (see `table_columns`).
        video_reader: Reader of videos with its version, for the metadata of Parquet.

    Attributes:
        name: Path or address of the table.
        rows: Number of complete rows.
        partial: Path of the partial file if the block raised an error and the file contains complete rows.
            Otherwise None.

    Raises:
        FileNotFoundError: The folder does not exist.
        OSError: The table cannot be written.
        MissingExtra: The format is Parquet and pyarrow is not installed.

    Example:
        with TableFile("faces.csv", TableFormat.csv) as table:
            table.add(FrameResult("a.jpg", faces=Detector().detect("a.jpg")))
    """

    def __init__(
        self,
        name: str,
        format: TableFormat,
        *,
        csv_safe: bool = False,
        columns: Sequence[str] = COLUMNS,
        video_reader: str | None = None,
    ) -> None:
        self.name = name
        self.rows = 0
        self.partial: Path | None = None
        self._format = format
        self._csv_safe = csv_safe
        self._columns = columns
        self._video_reader = video_reader
        self._folder: RemoteFolder | None = None
        self._temporary_folder: str | None = None
        self._complete_bytes = 0

    def __enter__(self) -> TableFile:
        if is_address(self.name):
            address, _, file_name = self.name.rpartition("/")
            self._folder = RemoteFolder(address)
            system(self._folder.address)  # raises an error now if a package is missing
            self._temporary_folder = tempfile.mkdtemp(prefix="mtcnn-cpp-")
            self._target = Path(self._temporary_folder, file_name)
        else:
            self._target = check_output(Path(self.name))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mtcnn_cpp table")
        self._path, self._file = self._open()
        try:
            self._writer: TableWriter = make_writer(
                self._format,
                cast("IO[bytes]", self._file),
                columns=self._columns,
                csv_safe=self._csv_safe,
                video_reader=self._video_reader,
            )
        except BaseException:
            self._remove()
            raise
        self._complete_bytes = self._file.tell()
        return self

    def add(self, result: FrameResult) -> None:
        """Write the rows of a result."""
        self._thread.submit(self._add, result).result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._thread.submit(self._commit).result()
        except BaseException as failure:
            error = failure
            raise
        finally:
            if error is not None:
                self._thread.submit(self._keep, error).result()
            self._thread.shutdown()

    @property
    def kept(self) -> str:
        """A message about the rows that are kept after an error."""
        if self.partial is None:
            return WriteError.kept
        noun = "row is" if self.rows == 1 else "rows are"
        return (
            f"{self.rows:,} complete {noun} kept in {self.partial}; a job with --output FOLDER/ can be "
            "continued with --resume"
        )

    def _open(self) -> tuple[Path, OutputFile]:
        name = self._target.name
        for number in count(1):
            ending = PARTIAL if number == 1 else f".{number}{PARTIAL}"
            path = self._target.with_name(truncate_name(name, 255 - len(ending)) + ending)
            try:
                return path, OutputFile(path, lambda error: write_error(self.name, error))
            except FileExistsError:  # this file has rows of an earlier run, or other content
                continue
        raise AssertionError

    def _add(self, result: FrameResult) -> None:
        rows = make_rows(result)
        self._writer.add_rows(rows)
        self._complete_bytes = self._file.tell()
        self.rows += len(rows)

    def _commit(self) -> None:
        self._writer.close()
        if self._folder is None:
            self._file.sync()
            move_into_place(self._file, self._path, self._target)
        else:
            self._file.close()
            self._folder.put(self._path, self._target.name)
            self._remove()

    def _keep(self, failure: BaseException) -> None:
        """Keep the complete rows in the partial file, as a valid table."""
        if not self._path.exists():  # the file was already renamed
            return
        if self.rows and self._make_readable():
            self.partial = self._path
        else:
            self._remove()
        if isinstance(failure, WriteError):
            failure.kept = self.kept

    def _make_readable(self) -> bool:
        """Complete the partial file as a valid table. Return whether this was possible."""
        if self._file.closed:
            return True
        try:
            if self._format is not TableFormat.parquet:  # a Parquet file cannot be truncated
                self._file.seek(self._complete_bytes)
                self._file.truncate()
            self._writer.close()
            self._file.close()
        except (OSError, ValueError):
            return self._format is not TableFormat.parquet
        return True

    def _remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
        if self._temporary_folder is not None:
            shutil.rmtree(self._temporary_folder, ignore_errors=True)
