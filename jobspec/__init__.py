"""The job spec of ftjob: read it, check it, write it. Needs pydantic and yaml only."""

from jobspec.dump import digest, dump_spec, json_schema
from jobspec.load import load_spec, parse_spec
from jobspec.problems import Problem, SpecError
from jobspec.spec import (
    FREE_SECTIONS,
    Accept,
    Base,
    Budget,
    Data,
    FreezeLayers,
    FreezeUpTo,
    JobSpec,
    Resources,
    Solver,
    StageSpec,
    Surgery,
)
from jobspec.sweeps.members import Member, members
from jobspec.sweeps.sweep import Sweep

__all__ = [
    "FREE_SECTIONS",
    "Accept",
    "Base",
    "Budget",
    "Data",
    "FreezeLayers",
    "FreezeUpTo",
    "JobSpec",
    "Member",
    "Problem",
    "Resources",
    "Solver",
    "SpecError",
    "StageSpec",
    "Surgery",
    "Sweep",
    "digest",
    "dump_spec",
    "json_schema",
    "load_spec",
    "members",
    "parse_spec",
]
