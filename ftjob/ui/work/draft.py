"""A spec that is being written: its text is the truth, and the form is another way to change it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ftjob.errors import FtjobError
from jobspec import JobSpec, Problem, SpecError, parse_spec
from jobspec.forms.edit import edited
from jobspec.forms.spec_form import field_of, form_changes, form_texts
from jobspec.load import MAX_BYTES
from jobspec.problems import SHOWN

SOURCE = "spec.yaml"
"""What sentences call the text."""
_BEGINS_WITH_FIELD = re.compile(r"(?P<field>[a-z_0-9]+(?:\.[a-z_0-9]+|\[\d+\])*): (?P<message>.*)", re.DOTALL)


@dataclass(frozen=True)
class DraftProblem:
    """What is wrong, at a field of the form where it is about one."""

    sentence: str
    field: str | None


@dataclass(frozen=True)
class Draft:
    """A spec's text, and what the form shows of it."""

    text: str
    texts: Mapping[str, str]
    """By the names of the form's fields."""
    problems: tuple[DraftProblem, ...] = ()
    spec: JobSpec | None = None
    """None where there are problems."""

    def at(self, field: str) -> list[str]:
        """Return what is wrong with a field of the form."""
        return [problem.sentence for problem in self.problems if problem.field == field]


def draft_of(text: str) -> Draft:
    """Return a draft of a spec's text as it stands."""
    try:
        _refuse_long(text)
        texts = form_texts(text)
        return Draft(text, texts, spec=parse_spec(text, SOURCE))
    except SpecError as error:
        shown = _texts_or_none(text)
        return Draft(text, shown, _at_fields(error))


def changed_draft(text: str, before: str, fields: Mapping[str, str]) -> Draft:
    """Return the draft of a text that was edited beside a form, which showed what `before` has.

    What was changed in the form is changed in the text. Where the text is no YAML, nothing can be, and the
    form keeps what it has.
    """
    try:
        _refuse_long(text)
        return draft_of(edited(text, form_changes(_texts_or_none(before), fields)))
    except SpecError as error:
        return Draft(text, fields, _at_fields(error))


def refused(draft: Draft, error: FtjobError) -> Draft:
    """Return a draft with what a plan of it was refused for."""
    return replace(draft, problems=tuple(_of_sentence(line) for line in str(error).splitlines()))


def _texts_or_none(text: str) -> dict[str, str]:
    try:
        return form_texts(text)
    except SpecError:
        return {}


def _refuse_long(text: str) -> None:
    if len(text) > MAX_BYTES:
        raise SpecError(SOURCE, [Problem("", f"has more than {MAX_BYTES} letters, so it is not a spec")])


def _at_fields(error: SpecError) -> tuple[DraftProblem, ...]:
    return tuple(
        DraftProblem(": ".join(filter(None, (_line(each), each.field, each.message))), field_of(each))
        for each in error.problems[:SHOWN]
    )


def _line(problem: Problem) -> str:
    return f"line {problem.line}" if problem.line else ""


def _of_sentence(sentence: str) -> DraftProblem:
    """Return a sentence at the field with which it begins."""
    begun = _BEGINS_WITH_FIELD.fullmatch(sentence)
    field = field_of(Problem(begun["field"], begun["message"])) if begun else None
    return DraftProblem(sentence, field)
