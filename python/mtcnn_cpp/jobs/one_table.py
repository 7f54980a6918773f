"""A table in one file, or in an object store as one object."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from ..files import OutputFile, WriteError, check_output, replace_by, shortened, write_error
from ..stores import is_address
from ..stores.remote import RemoteFolder
from ..stores.system import system
from ..table import Format, Result, Writer, make_writer, rows

PARTIAL = ".partial"


class OneTable:
    """A table in one file; a context manager that takes results.

    While the block runs, the rows are in NAME.partial (NAME.2.partial if that exists), beside the table or,
    for an object store, in a temporary folder. Each result is written at once, except to Parquet. When the
    block ends, the file gets its name, or is uploaded. If the block raises, an interrupt included, the
    complete rows stay: `partial` is their file, a valid table, and `rows` how many there are.

    Rows are written on a thread of their own, because Python interrupts only the main thread: so no row is
    written by half.

    Raises FileNotFoundError if the folder does not exist, `WriteError` or another OSError if the table cannot
    be written, ImportError for Parquet without pyarrow.
    """

    def __init__(self, name: str, format: Format, *, csv_safe: bool = False) -> None:
        self.name = name
        self.rows = 0
        self.partial: Path | None = None
        self._format = format
        self._csv_safe = csv_safe
        self._folder: RemoteFolder | None = None
        self._place: str | None = None  # the temporary folder
        self._complete = 0  # bytes

    def __enter__(self) -> OneTable:
        if is_address(self.name):
            where, _, file_name = self.name.rpartition("/")
            self._folder = RemoteFolder(where)
            system(self._folder.address)  # a missing package is reported now, not when all is done
            self._place = tempfile.mkdtemp(prefix="mtcnn-cpp-")
            self._target = Path(self._place, file_name)
        else:
            self._target = check_output(Path(self.name))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mtcnn_cpp table")
        self._path, self._file = self._open()
        try:
            self._writer: Writer = make_writer(
                self._format, cast("IO[bytes]", self._file), csv_safe=self._csv_safe
            )
        except BaseException:
            self._remove()
            raise
        self._complete = self._file.tell()
        return self

    def add(self, result: Result) -> None:
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
        """What is there after a failure."""
        if self.partial is None:
            return WriteError.kept
        noun = "row is" if self.rows == 1 else "rows are"
        return (
            f"{self.rows:,} complete {noun} kept in {self.partial}; a job with --output FOLDER/ can be "
            "continued by --resume"
        )

    def _open(self) -> tuple[Path, OutputFile]:
        name = self._target.name
        for number in count(1):
            ending = PARTIAL if number == 1 else f".{number}{PARTIAL}"
            path = self._target.with_name(shortened(name, 255 - len(ending)) + ending)
            try:
                return path, OutputFile(path, lambda error: write_error(self.name, error))
            except FileExistsError:  # rows of an earlier run, or a file of the user
                continue
        raise AssertionError

    def _add(self, result: Result) -> None:
        found = rows(result)
        self._writer.add_rows(found)
        self._complete = self._file.tell()
        self.rows += len(found)

    def _commit(self) -> None:
        self._writer.close()
        if self._folder is None:
            self._file.sync()
            replace_by(self._file, self._path, self._target)
        else:
            self._file.close()
            self._folder.put(self._path, self._target.name)
            self._remove()

    def _keep(self, failure: BaseException) -> None:
        """Keep what is complete, as a table that can be read."""
        if not self._path.exists():  # it has its name already
            return
        if self.rows and self._is_readable():
            self.partial = self._path
        else:
            self._remove()
        if isinstance(failure, WriteError):
            failure.kept = self.kept

    def _is_readable(self) -> bool:
        """Make the partial file a whole table, if that is possible."""
        if self._file.closed:
            return True
        try:
            if self._format is not Format.parquet:  # which has no place to go on from
                self._file.seek(self._complete)
                self._file.truncate()
            self._writer.close()
            self._file.close()
        except (OSError, ValueError):
            return self._format is not Format.parquet
        return True

    def _remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)
