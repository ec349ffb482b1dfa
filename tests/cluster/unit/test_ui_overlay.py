"""k8s/overlays/ui: valid today, restricted, and with no right that the pages do not need."""

import kubernetes_validate
import pytest
from typer.testing import CliRunner

from ftjob.cli.app import app
from ftjob.cluster.reviews import AUTHENTICATION, AUTHORIZATION
from ftjob.web.bearer import ALIVE
from tests.cluster.unit.test_kustomize import built, the_only

pytestmark = pytest.mark.usefixtures("kubectl")
FOLDER = "k8s/overlays/ui"


def test_today_kubernetes_knows_every_field_of_the_pages() -> None:
    """None is misspelt."""
    for manifest in built(FOLDER):
        kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_the_pages_may_read_and_ask_only() -> None:
    """FineTuneJobs of their namespace; who a token is, and what they may."""
    rights = [
        (each["kind"], rule["apiGroups"], rule["resources"], sorted(rule["verbs"]))
        for each in built(FOLDER)
        for rule in each.get("rules", [])
    ]
    assert sorted(rights) == [
        ("ClusterRole", [AUTHENTICATION], ["tokenreviews"], ["create"]),
        ("ClusterRole", [AUTHORIZATION], ["subjectaccessreviews"], ["create"]),
        ("Role", ["ftjob.dev"], ["finetunejobs"], ["get", "list", "watch"]),
    ]


def test_the_pages_pod_is_restricted() -> None:
    """By Pod Security's strictest standard; its Service finds it."""
    deployment = the_only(FOLDER, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    security = container["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert the_only(FOLDER, "Service")["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {ALIVE}


def test_the_pages_are_started_with_options_of_the_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    """And behind tokens; here, without a cluster, that is where it ends."""
    [container] = the_only(FOLDER, "Deployment")["spec"]["template"]["spec"]["containers"]
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    done = CliRunner().invoke(app, container["args"])
    assert "--bearer" in container["args"]
    assert "no cluster is known" in str(done.exception)
