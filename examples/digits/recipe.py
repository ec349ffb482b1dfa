"""Write what recipe.yaml names into a folder: digits as images, few and many of them, and the net."""

import shutil
import sys
from pathlib import Path

from examples.digits.images import write_digits
from examples.digits.net import build
from ftjob.net.prototxt import to_text

SPEC = Path(__file__).with_name("recipe.yaml")
FEW, MANY = slice(10), slice(100)
"""Images of each class to learn from, the few among the many; the rest, about 75 per class, judge."""


def write_recipe(folder: Path) -> Path:
    """Write images, net and spec; return the spec's path."""
    for name, count in (("few", FEW), ("many", MANY), ("judges", slice(MANY.stop, None))):
        write_digits(folder / name, range(10), count)
    (folder / "net.prototxt").write_text(to_text(build()), encoding="utf-8")
    return Path(shutil.copyfile(SPEC, folder / "spec.yaml"))


if __name__ == "__main__":
    sys.stdout.write(f"{write_recipe(Path(sys.argv[1] if len(sys.argv) > 1 else '.cache/recipe'))}\n")
