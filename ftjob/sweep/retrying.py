"""Why no member of a sweep is retried by itself: its sweep has given away what it left of its share. Pure."""

from ftjob.errors import BadSpecError
from jobspec import JobSpec


def refusal(sweep: str) -> str:
    """Return why a run is not retried, where `sweep` names the sweep that it is a member of; else nothing.

    A member that ended gave what it did not spend to those that follow (decision.py), so what another attempt
    spends would be in no account. Members that stopped together with their sweep resume with it.
    """
    if not sweep:
        return ""
    return (
        f"it is a member of the sweep {sweep}, and what it left of its share of the budget belongs to the "
        f"others by now: retry {sweep} to resume members that were stopped with it, or submit this one's "
        "values as a run of another name"
    )


def refuse_member(spec: JobSpec) -> None:
    """Raise BadSpecError for the spec of a sweep's member, which is for its sweep to start."""
    if spec.member_of is not None:
        raise BadSpecError(
            f"member_of: this is the spec of a member of the sweep {spec.member_of}, which starts it itself: "
            "submit the sweep, or remove this field and give the run another name"
        )
