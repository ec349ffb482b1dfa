"""The records of the previous build, reused for images that have not changed."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import lmdb

from ftjob.dataset.build.convert import NOTHING, Earlier
from ftjob.dataset.folder import SPLITS, DatasetFolder
from ftjob.dataset.journal import JournalLine, read_lines
from ftjob.dataset.manifest import Manifest
from ftjob.errors import BadDataError


@contextmanager
def earlier_records(folder: DatasetFolder, manifest: Manifest | None) -> Iterator[Earlier]:
    """Give the records of a whole OUT; none without the manifest of a build like this one."""
    if manifest is None:
        yield NOTHING
        return
    lines: dict[str, dict[str, JournalLine]] = defaultdict(dict)
    for line in read_lines(folder.sources):
        lines[manifest.sources[line.split]][line.source] = line
    with ExitStack() as stack:
        environments = {
            split: stack.enter_context(lmdb.open(str(folder.split(split)), readonly=True, lock=False))
            for split in SPLITS
            if split in manifest.splits
        }

        def read(line: JournalLine) -> bytes:
            key = line.key.encode(errors="surrogateescape")
            with environments[line.split].begin() as transaction:
                record = transaction.get(key)
            if record is None:
                raise BadDataError(
                    f"{folder.root}: has lost its record {line.key}: remove it and build again"
                )
            return bytes(record)

        yield Earlier(lines, read)
