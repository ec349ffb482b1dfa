"""What copies of a picture mean: for training, for judging, and for the labels."""

from collections.abc import Callable
from dataclasses import dataclass

from ftjob.data.duplicates import exact_groups, near_pairs
from ftjob.data.findings import Finding, Severity
from ftjob.data.survey import Survey, counted, some


@dataclass(frozen=True)
class Place:
    """A picture in a dataset."""

    survey: Survey
    index: int

    @property
    def label(self) -> int:
        return self.survey.labels[self.index]

    def __str__(self) -> str:
        return f"{self.survey.facts.path.name}/{self.survey.keys[self.index]}"


Pair = tuple[Place, Place]


@dataclass(frozen=True)
class _Rule:
    applies: Callable[[Pair], bool]
    severity: Severity
    """Of equal pictures; pictures that are nearly the same are a warning."""
    exact: str
    near: str
    """With {copies}, `3 pictures are`, and {such}, some of the pairs."""


def _two_labels(pair: Pair) -> bool:
    return pair[0].label != pair[1].label


def _across(pair: Pair) -> bool:
    return pair[0].survey is not pair[1].survey


RULES = (
    _Rule(
        _across,
        "error",
        exact="{copies} in train and in val, such as {such}: take them out of one of the two",
        near="{copies} nearly as in train, such as {such}: take copies out of one of the two",
    ),
    _Rule(
        _two_labels,
        "error",
        exact="{copies} there under two labels, such as {such}: mend the labels",
        near="{copies} nearly as one of another label, such as {such}: look which label is right",
    ),
    _Rule(
        lambda pair: not _across(pair) and not _two_labels(pair),
        "warning",
        exact="{copies} there more than once, such as {such}: remove the copies",
        near="{copies} nearly as another, such as {such}: remove copies",
    ),
)


def copy_findings(surveys: list[Survey]) -> list[Finding]:
    """Return the pictures that are there twice: exactly or nearly, in one dataset or in train and val.

    The same picture in train and val makes every accuracy too good, and the same picture under two labels
    cannot be learned: errors where it is exact. All else is told as a warning.
    """
    places = [Place(survey, index) for survey in surveys for index in range(len(survey.keys))]
    prints = [place.survey.prints[place.index] for place in places]
    exact = [(places[group[0]], places[other]) for group in exact_groups(prints) for other in group[1:]]
    near = [(places[left], places[right]) for left, right in near_pairs(prints)]
    where = " and ".join(str(survey.facts.path) for survey in surveys)
    return [*_findings(exact, where, nearly=False), *_findings(near, where, nearly=True)]


def _findings(pairs: list[Pair], where: str, *, nearly: bool) -> list[Finding]:
    findings = []
    for rule in RULES:
        if found := [pair for pair in pairs if rule.applies(pair)]:
            number = len({(place.survey.facts.path, place.index) for _, place in found})
            message = (rule.near if nearly else rule.exact).format(
                copies=counted(number, "picture"), such=some([f"{left} = {right}" for left, right in found])
            )
            findings.append(Finding("warning" if nearly else rule.severity, where, message))
    return findings
