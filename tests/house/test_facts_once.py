"""Each fact stands once: reasons, exit codes, states, the CRD's status, a spec's locations."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic.alias_generators import to_camel

from ftjob.cluster.resource.crd import status_schema
from ftjob.cluster.resource.status import STATES, FineTuneStatus, PodRecord
from ftjob.engine.process.snapshotfile import states_of
from ftjob.errors import FtjobError
from ftjob.errors.outcomes import BY_EXIT_CODE, ENDINGS, ExitCode, Reason
from ftjob.net.solver_types import SOLVER_TYPES
from jobspec.solver_section import WITHOUT_MOMENTUM, Solver
from tests.sources import nodes_of, tree_of
from tools import docs

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "ftjob/errors/outcomes.py"


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the product."""
    for folder in ("ftjob", "jobspec"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.name.endswith("_pb2.py"):
                yield path, tree_of(path)


def enumerations() -> Iterator[tuple[Path, ast.ClassDef]]:
    """Every enumeration of the product."""
    for path, _ in modules():
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
                yield path, node


def literals(tree: ast.Module) -> Iterator[ast.Constant]:
    """The texts of a module that name something: no member of an enumeration, no annotation."""
    named: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
            named |= {id(inner) for inner in ast.walk(node)}
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            named |= {id(inner) for inner in ast.walk(part)} if part else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in named:
            yield node


def test_no_reason_is_written_out_beside_the_enumeration() -> None:
    """A text that is a reason's word stands in ftjob/errors/outcomes.py alone."""
    found = [
        f"{path.relative_to(ROOT)}:{text.lineno}: {text.value}"
        for path, tree in modules()
        if path != TABLE
        for text in literals(tree)
        if text.value in set(Reason)
    ]

    assert found == []


def test_whatever_is_passed_as_a_reason_is_no_literal() -> None:
    """Not even a word that the enumeration does not have."""
    found = [
        f"{path.relative_to(ROOT)}:{node.value.lineno}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "reason"
        if isinstance(node.value, ast.Constant) and node.value.value
    ]

    assert found == []


def test_there_is_one_enumeration_of_reasons_and_one_of_states() -> None:
    """Kubernetes' own reasons are another matter."""
    owners = {
        name: [str(path.relative_to(ROOT)) for path, node in enumerations() if node.name == name]
        for name in ("Reason", "State", "ExitCode")
    }

    assert owners == {
        "Reason": ["ftjob/errors/outcomes.py"],
        "State": ["ftjob/runfolder/status.py"],
        "ExitCode": ["ftjob/errors/outcomes.py"],
    }


def test_each_exit_code_and_each_ending_has_one_row() -> None:
    """And every row and every narrower reason has its place once."""
    codes = Counter(ending.exit_code for ending in ENDINGS if ending.exit_code is not None)
    reasons = Counter(ending.reason for ending in ENDINGS)
    narrower = Counter(reason for ending in ENDINGS for reason in ending.narrower)

    assert codes == Counter(ExitCode)
    assert set(reasons.values()) == set(narrower.values()) == {1}
    assert [ending.reason for ending in ENDINGS if not ending.reason.message] == []


def errors(of: type[FtjobError] = FtjobError) -> Iterator[type[FtjobError]]:
    """Every error that ends a run or a verb, of the modules that are loaded."""
    for error in of.__subclasses__():
        yield error
        yield from errors(error)


@pytest.mark.parametrize("error", [*errors()], ids=lambda error: error.__name__)
def test_an_error_has_its_exit_code_from_the_table(error: type[FtjobError]) -> None:
    """By its reason; no class says it again."""
    row = BY_EXIT_CODE[error.exit_code]

    assert error.reason in (row.reason, *row.narrower)
    assert isinstance(error.reason, Reason)


def test_the_schema_of_a_status_is_made_from_its_model() -> None:
    """Field by field and limit by limit, down to the pods; the states are those that a controller writes."""
    crd = (ROOT / "k8s/base/crd.yaml").read_text(encoding="utf-8")
    [version] = yaml.safe_load(crd)["spec"]["versions"]
    written = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    pods = written["properties"]["attempts"]["items"]["properties"]

    assert written == status_schema()
    assert list(written["properties"]) == [to_camel(name) for name in FineTuneStatus.model_fields]
    assert list(pods) == [to_camel(name) for name in PodRecord.model_fields]
    assert written["properties"]["state"]["enum"] == [state.value for state in STATES]


def test_the_docs_show_the_table() -> None:
    """Every exit code, every ending, every reason why no worker runs."""
    errors_page, cluster_page = (
        (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("errors.md", "kubernetes.md")
    )
    blocks = docs.BLOCKS

    assert blocks["exit-codes"]() in errors_page
    assert blocks["retries"]() in cluster_page
    assert blocks["waiting"]() in cluster_page


def test_solver_types_are_those_of_the_table() -> None:
    """The spec's choices, those that take no momentum, and the blobs an engine writes per param."""
    without_momentum = [name for name, kind in SOLVER_TYPES.items() if "momentum" not in kind.reads]
    kept = {name: kind.history for name, kind in SOLVER_TYPES.items()}

    assert get_args(Solver.model_fields["type"].annotation) == tuple(SOLVER_TYPES)
    assert tuple(without_momentum) == WITHOUT_MOMENTUM
    assert {name: states_of(name) for name in SOLVER_TYPES} == kept
