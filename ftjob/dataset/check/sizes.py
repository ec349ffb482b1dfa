"""Sizes and channels of images that a net cannot be trained or used on, alone or together."""

from collections.abc import Iterable, Iterator

from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.findings import Finding, error, warning
from ftjob.dataset.lmdb.flaws import COLOURS


def crop_findings(datasets: Iterable[DatasetFacts], crop: int) -> Iterator[Finding]:
    """Yield an error for every dataset with an image that a crop does not fit into.

    Images of several sizes are each cropped as they are (data_transformer.cpp).
    """
    for facts in datasets:
        smallest = facts.smallest
        if crop > smallest.side:
            which = f"the image of record {smallest.key} is" if smallest.key else "images are"
            yield error(
                facts,
                f"{which} {smallest}, smaller than the crop of {crop}: crop at most {smallest.side}, or "
                "build larger images",
                *([smallest.key] if smallest.key else []),
            )


def size_findings(train: DatasetFacts, val: DatasetFacts | None, crop: int | None) -> Iterator[Finding]:
    """Yield what is wrong with images of several sizes: an error without a crop, since Caffe then takes
    images of one size only (data_layer.cpp), else a warning, since a bundle makes every picture the size of
    the first of train."""
    if train.others:
        yield _of_several_sizes(train, crop)
    if val and val.others and crop is None:
        yield _of_several_sizes(val, crop)
    if val and val.size != train.size and not (train.others or val.others):
        found = error if crop is None else warning
        remedy = "give data.crop, or build" if crop is None else "build"
        yield found(
            val, f"images are {val.size}, those of train {train.size}: {remedy} both with the same options"
        )


def channel_findings(
    train: DatasetFacts, val: DatasetFacts | None, channels: int | None = None
) -> Iterator[Finding]:
    """Yield an error for a val with other channels than train, and for a train with others than the net's."""
    if val and val.channels != train.channels:
        yield error(
            val,
            f"images are {COLOURS[val.channels]}, those of train {COLOURS[train.channels]}: build both alike",
        )
    if channels is not None and channels != train.channels:
        yield error(
            train,
            f"images have {train.channels} channels and the net takes {channels}: build the dataset in "
            "colour for 3, grey for 1",
        )


def _of_several_sizes(facts: DatasetFacts, crop: int | None) -> Finding:
    others = facts.others
    assert others, "a dataset of several sizes"
    counted = "1 record is" if others.records == 1 else f"{others.records} records are"
    what = f"{counted} not {facts.size} as the first is, such as {others.first.key}, which is {others.first}"
    if crop is None:
        remedy = "give data.crop, or build the dataset again, all in one size"
        return error(facts, f"{what}: {remedy}", others.first.key)
    return warning(
        facts,
        f"{what}: each is cropped as it is, and a bundle makes its pictures {facts.size} "
        "first: build the dataset again, all in one size",
        others.first.key,
    )
