"""LMDB's errors on opening and reading: the system's and its own, by number and by text."""

from collections.abc import Iterator

from ftjob.caffelog.rule import FatalRule
from ftjob.errors import BadDataError, FtjobError, StorageError

_AGAIN = "copy or build it again (`ftjob data check` reads every record)"
_LOCAL = (
    "copy it to a disk of this machine: NFS, Lustre, FUSE and a virtual machine's shared folders often have "
    "neither locks nor shared maps"
)

# (numbers on Linux, macOS and Windows, words, kind of error, cause, fix). Words go before numbers, which are
# not the same on all three.
_LMDB = (
    (
        "2|3",
        "No such file|cannot find the (?:file|path)",
        BadDataError,
        "{lmdb} cannot be read ({why})",
        "fix the path in data.train or data.val: it names the folder that holds data.mdb",
    ),
    (
        "20",
        "Not a directory|directory name is invalid",
        BadDataError,
        "{lmdb} cannot be read ({why})",
        "name the folder, not the data.mdb in it",
    ),
    (
        "",
        "end of the file",
        BadDataError,
        "{lmdb} is shorter than it says ({why})",
        _AGAIN,
    ),
    (
        "13|30",
        "Permission denied|Read-only file system|Access is denied",
        BadDataError,
        "{lmdb} cannot be opened ({why}), for LMDB writes a lock file beside its data",
        "let this user write into that folder, or copy it to a disk that has locks",
    ),
    (
        "12|112|8|1455",
        "Cannot allocate memory|not enough (?:space|memory)|paging file is too small",
        BadDataError,
        "{lmdb} cannot be mapped ({why}): LMDB asks for the address space of its whole map, which Caffe "
        "makes a terabyte, and on Windows for as much disk",
        "lift `ulimit -v` or the container's limit, use a Caffe of 64 bits, and on Windows free the disk; a "
        "copy by `ftjob data build` has a map no larger than its data",
    ),
    (
        "38|1|19|22|37|45|77|95",
        "Function not implemented|not (?:permitted|supported)|No locks available|No such device|"
        "Invalid argument|Incorrect function",
        BadDataError,
        "{lmdb} is on a file system without the locks or shared maps that LMDB needs ({why})",
        _LOCAL,
    ),
    (
        "11|16|32|33|35",
        "temporarily unavailable|Resource busy|being used by another|has locked",
        BadDataError,
        "{lmdb} is in use by another process ({why})",
        "wait until what writes it has ended, or copy it",
    ),
    (
        "24|23",
        "Too many open files",
        BadDataError,
        "{lmdb} cannot be opened ({why})",
        "lift `ulimit -n`",
    ),
    (
        "28",
        "No space left on device",
        StorageError,
        "the disk of {lmdb} is full ({why})",
        "free some space, and build it again where it was being written",
    ),
    (
        "5|70|116",
        "Input/output error|[Ss]tale (?:NFS )?file handle",
        StorageError,
        "the disk of {lmdb} failed ({why})",
        "look at `dmesg`, and copy or build it again on another disk",
    ),
    (
        "-3079[567]",
        "MDB_CORRUPTED|MDB_PAGE_NOTFOUND|MDB_PANIC",
        BadDataError,
        "{lmdb} is damaged ({why})",
        _AGAIN,
    ),
    (
        "-30794",
        "MDB_VERSION_MISMATCH",
        BadDataError,
        "{lmdb} was written by another version of LMDB ({why})",
        "build it again here",
    ),
    (
        "-30793",
        "MDB_INVALID",
        BadDataError,
        "{lmdb} cannot be read ({why}): its data.mdb is no LMDB, was cut off, or was written on a machine "
        "with words of another size",
        _AGAIN,
    ),
    (
        "-30792",
        "MDB_MAP_FULL",
        BadDataError,
        "{lmdb} has outgrown its map ({why})",
        "build it with `ftjob data build`, whose map grows with the data",
    ),
    (
        "-30785",
        "MDB_MAP_RESIZED",
        BadDataError,
        "{lmdb} was enlarged by another process while it was read ({why})",
        "start again when what writes it has ended",
    ),
    (
        "-3079[01]|-30789|-30783",
        "MDB_READERS_FULL|MDB_BAD_RSLOT",
        BadDataError,
        "{lmdb} has too many readers ({why}), some of them of processes that were killed",
        "end what reads it, and delete the lock.mdb in it",
    ),
    (
        r"-?\d+",
        "",
        BadDataError,
        "{lmdb} cannot be read ({why})",
        "fix data.train or data.val, or copy or build it again",
    ),
)


def _lmdb_rules() -> Iterator[FatalRule]:
    """Return a rule for the text of each row, then for its numbers; db_lmdb.hpp, data_layer.cpp of 2014."""
    failed = r"[^\n]*?\((?P<code>-?\d+) vs\. 0\) *(?P<why>[^\n]*)"
    rows: tuple[tuple[str, str, type[FtjobError], str, str], ...] = _LMDB
    for _, words, kind, cause, fix in rows:
        if words:
            yield FatalRule(rf"\A(?=[^\n]*mdb_)(?=[^\n]*(?:{words})){failed}", kind, cause, fix)
    for numbers, _, kind, cause, fix in rows:
        if numbers:
            yield FatalRule(rf"\A(?=[^\n]*mdb_)(?=[^\n]*\((?:{numbers}) vs){failed}", kind, cause, fix)


LMDB_RULES = tuple(_lmdb_rules())
