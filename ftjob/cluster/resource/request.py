"""Reads a FineTuneJob's request: its validated spec, its node profile, its budget."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import yaml
from pydantic import ValidationError

from ftjob.cluster.resource.objects import FineTune
from ftjob.errors import BadSpecError
from ftjob.money.limits import BudgetLimits
from ftjob.net import zoo
from ftjob.nodes.profiles import Node
from ftjob.suggest import did_you_mean
from jobspec import FREE_SECTIONS, JobSpec, Member, SpecError, dump_spec, members, parse_spec
from jobspec.locations import locations
from jobspec.spec import FREE_OF_STAGE

LARGEST_SPEC = 100_000
"""Characters: a pod's annotations have 256 KiB together (validation.TotalAnnotationSizeLimitB)."""


@dataclass(frozen=True)
class Request:
    """A spec that can run, and the node that it requests."""

    spec: JobSpec
    node: Node
    identity: str

    @property
    def budget(self) -> BudgetLimits:
        return BudgetLimits.of(self.spec.budget)

    def usd_per_hour(self, *, spot: bool) -> float:
        """Return the price of an attempt that begins now. Raises BadSpecError for spot without a price."""
        return self.node.usd_per_hour(spot=spot)

    def folder(self, run_id: str) -> str:
        """Return the URI of the run's folder."""
        return f"{self.spec.output.rstrip('/')}/{self.spec.name}/{run_id}"


def read_request(object_: FineTune, nodes: Mapping[str, Node]) -> Request:
    """Return the request of a FineTuneJob. Raises BadSpecError, whose message names the field."""
    spec, identity, problem = _parsed(_text(object_))
    if spec is None or problem:
        raise BadSpecError(problem)
    if spec.name != object_.name:
        raise BadSpecError(f"name: {spec.name} is not the object's name, {object_.name}: leave it out")
    name = spec.resources.node
    if name not in nodes:
        hint = did_you_mean(name, nodes)
        raise BadSpecError(
            f"resources.node: this cluster has no profile {name}{hint} (there are {', '.join(nodes)})"
        )
    request = Request(spec, nodes[name], identity)
    nodes[name].refuse_more_gpus(spec.gpus)
    request.usd_per_hour(spot=spec.resources.begins_on_spot)  # raises now where there is none
    return request


def identity_of_object(object_: FineTune) -> str:
    """Return the identity of a FineTuneJob's spec; empty where that cannot be read."""
    return _parsed(_text(object_))[1]


def members_of(object_: FineTune) -> tuple[Member, ...]:
    """Return the members of a sweep's FineTuneJob, whose spec `read_request` has read."""
    return _members(_text(object_))


@lru_cache(maxsize=64)
def _members(text: str) -> tuple[Member, ...]:
    spec, _, _ = _parsed(text)
    assert spec
    return members(spec)


def _text(object_: FineTune) -> str:
    fields = {key: value for key, value in object_.spec.items() if key != "suspend"}
    return json.dumps({"name": object_.name, **fields})


@lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[JobSpec | None, str, str]:
    """Return a spec, its identity and what is wrong with it; cached, since every reconcile reads each."""
    with suppress(ValidationError, SpecError):  # parse_spec below explains it, as it does for files
        spec = JobSpec.model_validate(json.loads(text))
        members(spec)
        return spec, identity_of(spec), _problem(spec)
    try:
        spec = parse_spec(yaml.safe_dump(json.loads(text), allow_unicode=True), "spec")
        return spec, identity_of(spec), _problem(spec)
    except SpecError as error:
        problems = (
            f"{each.field}: {each.message}" if each.field else each.message for each in error.problems
        )
        return None, "", "; ".join(problems)


def _problem(spec: JobSpec) -> str:
    """Return why no pod could run a spec that is valid elsewhere; empty where one could."""
    if len(dump_spec(spec)) > LARGEST_SPEC:
        return f"spec: has more than {LARGEST_SPEC:,} characters, and a pod is given no more"
    for field, location in locations(spec, zoo.NAMES).items():
        if "://" not in location:
            return (
                f"{field}: {location} is a path, and a pod cannot read your machine: "
                "copy it to a bucket and give its URI"
            )
    return ""


def identity_of(spec: JobSpec) -> str:
    """Return a digest of what may not change once a run or a sweep began."""
    kept = {key: value for key, value in spec.canonical().items() if key not in (*FREE_SECTIONS, "sweep")}
    if "stages" in kept:
        stages = kept["stages"]
        kept["stages"] = [{key: each[key] for key in each if key not in FREE_OF_STAGE} for each in stages]
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
