"""The spec of docs/plan.md, with parts of it changed."""

import re
from pathlib import Path
from typing import Any

import yaml

from ftjob import api
from ftjob.plan.plan import Plan
from ftjob.plan.plan_json import document_of
from ftjob.plan.shortfall import shortfall_of
from ftjob.runfolder.records.plan import PlanDocument
from jobspec import JobSpec

PAGE = (Path(__file__).parents[2] / "docs" / "plan.md").read_text(encoding="utf-8")
SPEC: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n([^`]+)```", PAGE)[0])


def changed(changes: dict[str, Any]) -> JobSpec:
    """The page's spec with some sections laid over it; a null takes a field out."""
    values = dict(SPEC)
    for section, change in changes.items():
        before = values.get(section, {})
        values[section] = {**before, **change} if isinstance(change, dict) else change
        if isinstance(change, dict):
            values[section] = {name: value for name, value in values[section].items() if value is not None}
    return JobSpec.model_validate(values)


def plan(**changes: Any) -> Plan:
    """Plan the page's spec with some sections changed, in the working folder."""
    return api.plan(changed(changes), to_train=False)


def document(made: Plan) -> PlanDocument:
    """A plan as plan.json has it."""
    return document_of(made, shortfall_of(made))


def relearned() -> Plan:
    """GoogLeNet with all four kinds of layers that have params: copied, frozen, new, and heads."""
    return plan(surgery={"relearn": ["inception_5b/5x5"]})
