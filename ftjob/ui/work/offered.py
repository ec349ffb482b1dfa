"""What the newest runs name: datasets to look at, models to ask."""

import re
from collections.abc import Iterator

from ftjob import api
from ftjob.client.handle import RunHandle
from ftjob.errors import FtjobError
from ftjob.ui.settings import UiSettings
from jobspec import SpecError, parse_spec
from jobspec.grammar import ALIAS_NAME, ALIAS_REFERENCE, PROMOTION, RUN_NAME

NEWEST = 30
"""Runs that are looked into for a list."""
_REFERENCE = re.compile(f"{RUN_NAME}(?:/[0-9a-f]+)?|{ALIAS_REFERENCE}{ALIAS_NAME}(?:@{PROMOTION})?", re.ASCII)


def is_reference(model: str) -> bool:
    """Return whether a model is named as a run or an alias, and not by a place."""
    return bool(_REFERENCE.fullmatch(model))


def known_datasets(settings: UiSettings) -> list[str]:
    """Return the paths and URIs of the newest runs' data, each once, newest first."""
    return list(dict.fromkeys(place for run in _newest(settings) for place in _data_of(run)))


def known_models(settings: UiSettings) -> list[str]:
    """Return the references of the newest runs that have a bundle, and of the aliases."""
    runs = [str(run.reference) for run in _newest(settings) if _has_bundle(run)]
    if settings.context or settings.namespace:
        return runs
    models, _ = api.list_aliases()
    return [f"{ALIAS_REFERENCE}{each.alias}" for each in models if not each.promotion.removed] + runs


def _newest(settings: UiSettings) -> list[RunHandle]:
    return list(reversed(api.list_runs("*", settings.context, settings.namespace)))[:NEWEST]


def _data_of(run: RunHandle) -> Iterator[str]:
    """Yield the data of a run; nothing of one that cannot be read, which its own page explains."""
    try:
        data = parse_spec(run.spec_text(), "spec.yaml").data
    except (FtjobError, SpecError):
        return
    yield data.train
    if data.val:
        yield data.val


def _has_bundle(run: RunHandle) -> bool:
    try:
        return run.bundle() is not None
    except FtjobError:
        return False
