"""The action, workflow, template and samples of docs/ci.md: well formed, and safe with any names."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.ci.conftest import SCRIPT

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "retrain" / "action.yml"
GITHUB, GITLAB = (ROOT / "examples" / "ci" / f"{name}.yml" for name in ("github", "gitlab"))
SAMPLES = ROOT / "k8s" / "samples"
SCRIPT_IN_POD = "/etc/retrain/retrain.sh"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    """The steps of an action, or of a workflow's jobs."""
    values = read(path)
    if "runs" in values:
        return list(values["runs"]["steps"])
    return [step for job in values["jobs"].values() for step in job["steps"]]


def objects(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((SAMPLES / f"retrain-{name}.yaml").read_text(encoding="utf-8")))


def pods() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The pod and the container of both samples."""
    [cron], [argo, *_] = objects("cronjob"), objects("argo")
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    yield pod, pod["containers"][0]
    yield argo["spec"], argo["spec"]["templates"][0]["container"]


@pytest.mark.parametrize("path", [ACTION, GITHUB], ids=["action", "workflow"])
def test_no_script_has_an_expression_in_it(path: Path) -> None:
    """Values come as environment variables; each script names its shell."""
    scripts = [step for step in steps(path) if "run" in step]

    assert scripts
    assert [step["name"] for step in scripts if "${{" in step["run"] or "shell" not in step] == []


def test_every_action_is_pinned() -> None:
    """The action itself uses none."""
    assert [step for step in steps(ACTION) if "uses" in step] == []
    used = [step["uses"] for step in steps(GITHUB) if "uses" in step]
    assert all(re.search(r"@(v\d+\.\d+\.\d+|[0-9a-f]{40})$", each) for each in used)


def test_the_workflow_gives_the_action_what_it_takes() -> None:
    [step] = [step for step in steps(GITHUB) if "retrain" in step.get("uses", "")]

    assert set(step["with"]) <= set(read(ACTION)["inputs"])
    assert set(read(ACTION)["outputs"]) == {"run", "accuracy", "promoted", "exit-code"}


def test_every_pipeline_runs_the_script() -> None:
    assert any("examples/ci/retrain.sh" in step.get("run", "") for step in steps(ACTION))
    assert read(GITLAB)["retrain"]["script"] == ['sh ci/retrain.sh "$SPEC" --namespace="$NAMESPACE"']
    assert [container["command"][1] for _, container in pods()] == [SCRIPT_IN_POD] * 2
    assert SCRIPT.stat().st_mode & 0o111


@pytest.mark.parametrize("name", ["access", "cronjob"])
def test_today_kubernetes_knows_every_field_of_the_samples(name: str) -> None:
    for manifest in objects(name):
        kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_the_pods_are_restricted() -> None:
    """By Pod Security's strictest standard; with their account's token, which only they mount."""
    for pod, container in pods():
        security = container["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("ftjob-retrain", True)
        mounted = {each["name"] for each in container["volumeMounts"]}
        assert mounted == {each["name"] for each in pod["volumes"]}


def test_the_account_may_submit_and_nothing_else() -> None:
    """Argo's sidecar reports with it, where Argo is used."""
    account, role, binding = objects("access")
    _, argo, for_argo = objects("argo")

    assert account["automountServiceAccountToken"] is False
    [rule] = role["rules"]
    assert (rule["apiGroups"], rule["resources"]) == (["ftjob.dev"], ["finetunejobs"])
    assert set(rule["verbs"]) == {"get", "list", "watch", "create", "patch"}
    assert [each["resources"] for each in argo["rules"]] == [["workflowtaskresults"]]
    for rights, bound in ((role, binding), (argo, for_argo)):
        assert bound["roleRef"]["name"] == rights["metadata"]["name"]
        assert [each["name"] for each in bound["subjects"]] == [account["metadata"]["name"]]


def test_argo_puts_parameters_into_variables_only() -> None:
    """Not into the command, where a shell would read them."""
    *_, (_, container) = pods()

    assert not any("{{" in word for word in container["command"])
