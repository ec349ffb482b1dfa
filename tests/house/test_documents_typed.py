"""Documents go through the program as their models: no dict of anything stands in a public signature."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ftjob
from tests.sources import nodes_of, tree_of

ROOT = Path(ftjob.__file__).parent
FREE = {
    # what Kubernetes is sent or answers, whose schema is its own
    "api.manifest",
    "cluster.client.Cluster.create",
    "cluster.controller.apiserver",
    "cluster.controller.cache.informer",
    "cluster.controller.manifests",
    "client.sweeping.cluster_sweep.sweep_job",
    "cluster.policy.sweeps.decide_parent.ChangeMember.patch",
    "cluster.policy.sweeps.decide_parent.CreateMember.manifest",
    "cluster.resource.member.member_object",
    "cluster.resource.objects.Object",
    "cluster.resource.submission.fine_tune_job",
    # JSON schemas
    "cluster.resource.crd",
    # documents of OpenAPI and of KServe's protocol, whose schemas are theirs
    "serve.openapi.document",
    "serve.serve_pages.docs",
    "serve.tensors.model_metadata",
    # the account's status is cut into JSON there
    "cluster.resource.status.FineTuneStatus.from_json",
    # a pod's last words, which ftjob.runfolder.progress and cluster.planning read
    "client.plan_pod",
    # the header of a message between two processes, of which each kind has its own fields
    "engine.child.Child",
    "engine.process.rows.Rows.take",
    "engine.process.wire.send",
    # what AWS answers
    "nodes.prices.cheapest",
    # fields of a status, whose model checks them
    "cluster.policy.job_outcome.status_actions",
    # what is printed
    "cli.view.nodes.nodes_json",
    # a dataset's own documents, dataset.json and its journal
    "dataset.journal.line_from_json",
    "dataset.manifest.Manifest.options",
}
"""Of modules, or of single functions and attributes. What is called to_json makes JSON and is free too."""


def is_free_form(annotation: ast.expr | None) -> bool:
    """Whether a type, in quotes or not, has a dict or Mapping of anything in it."""
    words = ast.unparse(annotation) if annotation else ""
    return re.search(r"\b(dict|\w*Mapping)\[\w+, (Any|object)\]", words) is not None


def public(body: list[ast.stmt], room: str) -> Iterator[tuple[str, list[ast.expr | None]]]:
    """The public functions, methods and annotated attributes of a module or class, with their types."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, f"{room}.{node.name}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            asked = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield f"{room}.{node.name}", [node.returns, *(each.annotation for each in asked)]
        elif isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            yield f"{room}.{ast.unparse(node.target)}", [node.annotation]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):  # a type with a name
            yield f"{room}.{ast.unparse(node.targets[0])}", [node.value]


def free_forms(tree: ast.Module, room: str) -> list[str]:
    """What of a module takes or gives a dict of anything."""
    found = public(tree.body, room)
    return [name for name, types in found if any(map(is_free_form, types))]


def all_free_forms() -> list[str]:
    """Of all modules, without what makes JSON."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        room = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found += free_forms(tree_of(path), room)
    return [name for name in found if not name.endswith(".to_json")]


def reason_of(name: str) -> str:
    """The entry of the list that a name falls under; nothing where none is."""
    parts = name.split(".")
    return next((free for end in range(len(parts), 0, -1) if (free := ".".join(parts[:end])) in FREE), "")


def test_no_document_is_a_dict_of_anything() -> None:
    """A document that has a schema is handed on as its model; the exceptions have none of ours."""
    assert [name for name in all_free_forms() if not reason_of(name)] == []


def test_every_exception_is_used() -> None:
    """What nobody needs any more leaves the list."""
    assert FREE - set(map(reason_of, all_free_forms())) == set()


def test_the_law_sees_what_it_forbids() -> None:
    """In parameters, returns, attributes, within other types, in quotes and under a name."""
    source = """
def asked(values: Mapping[str, Any]) -> None: ...
def given() -> "list[dict[str, Any]] | None": ...
def fine(values: dict[str, int]) -> dict[str, "Any"]: ...
def _private(values: dict[str, Any]) -> None: ...
class Facts:
    plan: dict[str, Any]
    def read(self, *, read: Callable[[Path], dict[str, Any]]) -> None: ...
Object = Mapping[str, Any]
"""
    found = free_forms(ast.parse(source), "m")

    assert found == ["m.asked", "m.given", "m.Facts.plan", "m.Facts.read", "m.Object"]


def test_documents_have_one_name_each() -> None:
    """No other public class is called as a model of a document is."""
    names: dict[str, list[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef):
                names.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    models = [
        name for name, paths in names.items() if any(path.startswith("runfolder/records/") for path in paths)
    ]

    assert len(models) > 20
    assert {name: names[name] for name in models if len(names[name]) > 1} == {}
