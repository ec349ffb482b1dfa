"""`ftjob schema`: the spec's JSON Schema."""

from ftjob.cli.options import print_json


def schema() -> None:
    """Print the spec's JSON Schema."""
    from jobspec import json_schema

    print_json(json_schema())
