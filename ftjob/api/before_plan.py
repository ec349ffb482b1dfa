"""What comes before a plan: a look at pictures, and a first spec for them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.api.loading import load
from ftjob.client import lookup
from ftjob.errors import BadDataError

if TYPE_CHECKING:
    from ftjob.dataset.build.build import DataProgress
    from ftjob.dataset.check.check import CheckOptions, CheckReport
    from ftjob.dataset.manifest import Manifest

SPEC_SUFFIXES = (".yaml", ".yml", ".json")


def check_data(
    location: Path | str,
    val: Path | str | None = None,
    options: "CheckOptions | None" = None,
    progress: "Callable[[DataProgress], None] | None" = None,
) -> "CheckReport":
    """Look at every record of an LMDB, of a built dataset (paths or URIs), or of the data a spec names.

    A spec's own crop, mean and num_output go before those of `options`. Raises BadSpecError for a spec and
    BadDataError or StorageError for data that cannot be read at all; what is wrong with the rest is in
    the report.
    """
    from ftjob.dataset.check.check import CheckOptions, check
    from ftjob.dataset.source import kinds
    from ftjob.dataset.source.stored import Objects, filled_place
    from ftjob.prepare.dataset import both_lmdbs
    from ftjob.prepare.prepare import absolute, dataset_of, use_of

    asked, report = options or CheckOptions(), progress or (lambda _: None)
    place = filled_place(location)
    if isinstance(place, Objects) or not place.is_file():
        train, beside = both_lmdbs(place, filled_place(val) if val else None, report)
        return check(train, beside, asked, report)
    if foreign := place.suffix not in SPEC_SUFFIXES and kinds.of_place(place):
        raise BadDataError(f"{place}: {foreign}")
    loaded, folder = load(place)
    context = lookup.context_of(loaded, folder, report)
    spec = absolute(loaded, context)
    dataset = dataset_of(spec, context)
    return check(dataset.train.lmdb, dataset.val.lmdb, use_of(spec, asked), report)


@dataclass(frozen=True)
class Examination:
    """What is known of a dataset."""

    report: "CheckReport"
    built: "Manifest | None"
    """Of what was built in the cache from a folder of pictures; None where it was a dataset already."""


def examine_data(
    location: str,
    options: "CheckOptions | None" = None,
    progress: "Callable[[DataProgress], None] | None" = None,
) -> Examination:
    """Check an LMDB, a built dataset or a folder of pictures (paths or URIs).

    A folder is built in the cache first, as a spec's defaults have it: a plan finds it there. Raises
    FtjobError where nothing can be read at all.
    """
    from ftjob.client.first_spec import VAL_SPLIT
    from ftjob.dataset.build_options import BuildOptions
    from ftjob.dataset.check.check import CheckOptions, check
    from ftjob.dataset.folder import DatasetFolder
    from ftjob.dataset.manifest import read_manifest
    from ftjob.dataset.source.stored import filled_place
    from ftjob.prepare.dataset import dataset_for, is_image_folder, train_and_val

    place, asked, report = filled_place(location), options or CheckOptions(), progress or (lambda _: None)
    if not is_image_folder(place):
        return Examination(check_data(location, None, asked, report), None)
    train, val = train_and_val(place)
    found = dataset_for(train, val, BuildOptions(val_split=None if val else VAL_SPLIT), report)
    whole = DatasetFolder(found.train.path.parent)
    built = read_manifest(whole.manifest) if whole.is_whole else None
    return Examination(check(found.train.lmdb, found.val.lmdb, asked, report), built)


def first_spec(net: str | None, data: str, weights: str | None = None) -> str:
    """Return the text of the spec that `init` would write into the working folder. Raises as that does."""
    from ftjob.client.first_spec import first_spec as text_of

    return text_of(net, data, weights, Path.cwd())
