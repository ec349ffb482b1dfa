"""One input: a kind, a verb, and the changes that made it of the good files."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

from tests.fuzz.binaries import records
from tests.fuzz.kinds import KINDS, changes_of
from tests.fuzz.world import run_folder

MOST_EDITS = 3


@dataclass(frozen=True)
class Edit:
    """One change of one file; the number decides what of it is left to chance."""

    file: str
    change: int
    seed: int


@dataclass(frozen=True)
class Case:
    """One input and what is asked of it."""

    kind: str
    verb: int
    edits: tuple[Edit, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The command line, with {run} and {file} still in it."""
        return KINDS[self.kind].verbs[self.verb]

    def command(self, folder: Path) -> list[str]:
        """Return the command line in a folder."""
        run = run_folder(folder) if (folder / "runs" / "little").is_dir() else folder
        named = {
            "run": str(run.relative_to(folder)),
            "file": self.edits[0].file if self.edits else KINDS[self.kind].files[0],
        }
        return [word.format(**named) for word in self.words]

    def apply(self, folder: Path) -> None:
        """Change the good files in a folder. What an earlier edit took away is left alone.

        Records first: a damaged LMDB ends the process that opens it to change another record.
        """
        made = [(edit, changes_of(KINDS[self.kind], edit.file)[edit.change]) for edit in self.edits]
        for edit, change in sorted(made, key=lambda each: each[1].__name__ != records.__name__):
            path = folder / edit.file
            if path.is_file() and not path.is_symlink():
                change(path, Random(edit.seed))

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def of(cls, text: str) -> Self:
        """Read what text() wrote."""
        values = json.loads(text)
        return cls(values["kind"], values["verb"], tuple(Edit(**edit) for edit in values["edits"]))


def draw(good: Path, rng: Random) -> Case:
    """Draw an input; the folder of good files says which there are."""
    name = rng.choice([name for name, kind in KINDS.items() for _ in range(kind.weight)])
    kind = KINDS[name]
    files = [str(path.relative_to(good)) for pattern in kind.files for path in sorted(good.glob(pattern))]
    count = rng.choice((1, 1, 1, 2, MOST_EDITS))
    edits = tuple(
        Edit(file, rng.randrange(len(changes_of(kind, file))), rng.getrandbits(32))
        for file in rng.choices(files, k=count)
    )
    return Case(name, rng.randrange(len(kind.verbs)), edits)
