"""Part files. Together, they are the table of a job that writes into a folder."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import IO, Any

from ..storage.folder import Folder
from .sources import Source
from .table import TableError, TableFormat, read_rows
from .table.formats import TableWriter, make_writer, read_cells, read_states
from .table.rows import COLUMNS, SourceState, TableRow
from .tasks import PartContents, video_part_name

PART_NAME = re.compile(r"(pictures-[0-9a-f]{16}|video-[0-9a-f]{16})(?:-(\d{9}))?")


class PartFiles:
    """The part files in a folder.

    Args:
        folder: Folder of the part files.
        format: Format of all part files.
        csv_safe: Whether to protect CSV text that a spreadsheet could read as a formula.
        columns: Columns of the table (see `table_columns`).
        video_reader: Reader of videos with its version, for the metadata of Parquet.
    """

    def __init__(
        self,
        folder: Folder,
        format: TableFormat,
        *,
        csv_safe: bool = False,
        columns: Sequence[str] = COLUMNS,
        video_reader: str | None = None,
    ) -> None:
        self.folder = folder
        self.format = format
        self._csv_safe = csv_safe
        self._columns = columns
        self._video_reader = video_reader

    def file_name(self, part: str, start: int | None = None) -> str:
        """Return the name of a part file.

        For a chunk of a video, `start` is the index of its first frame. For images, `start` is None.
        """
        return f"{part}{'' if start is None else f'-{start:09d}'}.{self.format.value}"

    def starts(self, part: str) -> list[int]:
        """Return the chunks of a video that have a part file, given by the indices of their first frames."""
        matches = (PART_NAME.fullmatch(name.rpartition(".")[0]) for name in self.folder.names())
        return [int(match[2]) for match in matches if match and match[1] == part and match[2]]

    def read_contents(self) -> PartContents:
        """Read the state of every source.

        Raises:
            TableError: A part file is damaged, or two part files contain the same images or frames.
        """
        contents = PartContents()
        part_of_source: dict[str, str] = {}
        for name in self.folder.names():
            stem, _, extension = name.rpartition(".")
            match = PART_NAME.fullmatch(stem)
            if match is None or extension != self.format.value:
                if name[0] not in "._" and TableFormat.from_name(name) is self.format:
                    with contextlib.suppress(TableError):
                        contents.other_tables[name] = set(self._read_states(name))
                continue
            states = self._read_states(name)
            part, start = match.groups()
            for source in states:
                if part_of_source.setdefault(source, part) != part:
                    raise self._copy_error(source, name, f"{part_of_source[source]}…")
            if part.startswith("pictures"):
                contents.images[part] = states
            else:
                self._add_chunk(contents, name, part, int(start or 0), states)
        return contents

    def check_other_tables(self, contents: PartContents, sources: Iterable[Source]) -> None:
        """Raise TableError if a table in the folder is not a part file and has rows of a source of the job.

        The sources of the job are `sources` and the sources in the part files (`contents`).
        """
        known = {source.name for source in sources} if contents.other_tables else set()
        known.update(contents.video_names.values(), *contents.images.values())
        for name, others in contents.other_tables.items():
            if repeated := sorted(known & others):
                raise self._copy_error(repeated[0], name, "the part files of this job")

    def remove_rows(self, part: str, sources: Collection[str]) -> None:
        """Remove the rows of these sources from a part file. If no rows remain, remove the file."""
        kept = [row for row in self.read_rows(part) if row["source"] not in sources]
        if not kept:
            self.folder.remove(self.file_name(part))
            return
        with self.folder.open_for_writing(self.file_name(part)) as file:
            writer = self.make_writer(file)
            writer.add_rows(kept)
            writer.close()

    def make_writer(self, file: IO[bytes]) -> TableWriter:
        """Create a writer for a part file."""
        return make_writer(
            self.format,
            file,
            columns=self._columns,
            csv_safe=self._csv_safe,
            video_reader=self._video_reader,
        )

    def read_rows(self, part: str, start: int | None = None) -> Iterator[TableRow]:
        """Read the rows of a part file. Raises TableError if the file is damaged."""
        name = self.file_name(part, start)
        with self.folder.open(name) as file:
            yield from read_rows(file, self.format, name=f"{self.folder.name}/{name}")

    def read_all(self, columns: Sequence[str]) -> Iterator[tuple[bool, Iterator[list[Any]]]]:
        """Yield, for each part file, whether it belongs to a video, and the values of these columns.

        Raises TableError if a part file is damaged.
        """
        for name in self.folder.names():
            stem, _, extension = name.rpartition(".")
            if PART_NAME.fullmatch(stem) and extension == self.format.value:
                with self.folder.open(name) as file:
                    cells = read_cells(file, self.format, columns, name=f"{self.folder.name}/{name}")
                    yield stem.startswith("video"), cells

    def _read_states(self, name: str) -> dict[str, SourceState]:
        with self.folder.open(name) as file:
            return read_states(file, self.format, name=f"{self.folder.name}/{name}")

    def _add_chunk(
        self, contents: PartContents, name: str, part: str, start: int, states: dict[str, SourceState]
    ) -> None:
        """Add a chunk of a video to `contents`. Raises TableError if it overlaps a chunk in `contents`."""
        chunks = contents.videos.setdefault(part, {})
        state = SourceState(0, "")
        for source, state in states.items():
            if video_part_name(source) != part:
                raise self._copy_error(source, name, f"the part files {video_part_name(source)}…")
            if any(state.first <= other.last for other in chunks.values()):
                raise self._copy_error(source, name, f"other part files {part}…")
            contents.video_names[part] = source
        chunks[start] = state

    def _copy_error(self, source: str, name: str, owner: str) -> TableError:
        return TableError(
            f"{self.folder.name.rstrip('/')}/{name} contains rows of {source}, but these rows belong to "
            f"{owner} and would be counted twice; if the file is a copy, remove it or move it to another "
            "folder"
        )
