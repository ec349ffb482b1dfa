"""k8s/: every overlay builds, today's Kubernetes knows every field, and what runs is restricted."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ftjob.cluster.controller.serving.election import LEASE
from ftjob.cluster.policy.allowance import usd_per_day
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import BUDGET_CONFIG_MAP
from ftjob.cluster.resource.objects import read_fine_tune
from ftjob.cluster.resource.request import read_request
from ftjob.runfolder.progress import PORT
from tests.cluster.unit.builders import NODES

pytestmark = pytest.mark.usefixtures("kubectl")
ROOT = Path(__file__).parents[3]
OVERLAYS = [
    "k8s",
    "k8s/overlays/example",
    "k8s/overlays/eks",
    "k8s/overlays/local-test",
    "k8s/overlays/namespaced",
]


@cache
def built(folder: str) -> tuple[dict[str, Any], ...]:
    """What `kubectl apply -k` would send."""
    command = ["kubectl", "kustomize", folder]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(yaml.safe_load_all(text))


def the_only(folder: str, kind: str, name: str = "") -> dict[str, Any]:
    [found] = [each for each in built(folder) if each["kind"] == kind and name in each["metadata"]["name"]]
    return found


def _settings(folder: str) -> dict[str, Any]:
    text = the_only(folder, "ConfigMap", "ftjob-settings")["data"]["controller-config.yaml"]
    return dict(yaml.safe_load(text))


@pytest.mark.parametrize("folder", OVERLAYS)
def test_today_kubernetes_knows_every_field(folder: str) -> None:
    """By the API's own schemas; the overlay for the old test server has one kind that is gone since 1.25."""
    for manifest in built(folder):
        if manifest["apiVersion"] != "policy/v1beta1":
            kubernetes_validate.validate(manifest, "1.37", strict=True)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_settings_of_every_overlay_can_be_read(folder: str) -> None:
    """By the controller that will be given them."""
    settings = _settings(folder)
    problem = Config.model_validate(settings).images.problem()

    unset = folder in ("k8s", "k8s/overlays/namespaced")
    assert problem.split(";")[0] == ("images: none is set" if unset else "")


@pytest.mark.parametrize("overlay", ["namespaced", "ui"])
def test_an_overlay_for_one_namespace_takes_another_name_for_it(overlay: str, tmp_path: Path) -> None:
    """Its first lines ask for that; and what its accounts may, the accounts of that namespace may."""
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    path = tmp_path / "k8s" / "overlays" / overlay / "kustomization.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("namespace: ftjob ", "namespace: faces "))

    made = built(str(path.parent))

    subjects = [subject for each in made for subject in each.get("subjects", [])]
    assert {each["metadata"].get("namespace", "faces") for each in made} == {"faces"}
    assert {each["namespace"] for each in subjects} == {"faces"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_no_image_is_a_strangers(folder: str) -> None:
    """The base names none that can be pulled, an overlay its owner's by digest; tests pull none."""
    container = the_only(folder, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    workers = [each for each in _settings(folder).get("images", {}).values() if isinstance(each, str)]

    for image in [container["image"], *workers]:
        registry, digest = image.split("/")[0], re.fullmatch(r".*@sha256:[0-9a-f]{64}", image)
        assert registry.endswith(".invalid") or digest or container.get("imagePullPolicy") == "Never", image


def test_the_controller_is_restricted_and_stays_up() -> None:
    """By Pod Security's strictest standard; two of them, of which one may be taken at a time."""
    spec = the_only("k8s", "Deployment")["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]["securityContext"]

    assert (spec["replicas"], the_only("k8s", "PodDisruptionBudget")["spec"]["minAvailable"]) == (2, 1)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (container["readOnlyRootFilesystem"], container["allowPrivilegeEscalation"]) == (True, False)
    assert container["capabilities"] == {"drop": ["ALL"]}


def test_no_right_is_a_wildcard_and_none_reads_secrets() -> None:
    """Verbs and resources are named one by one; the workers' account is bound to nothing."""
    rules = [rule for each in built("k8s") if each["kind"].endswith("Role") for rule in each["rules"]]
    subjects = [
        subject["name"] for each in built("k8s") if "Binding" in each["kind"] for subject in each["subjects"]
    ]

    assert len(rules) > 5
    assert not any(
        "*" in rule["verbs"] + rule["resources"] or "secrets" in rule["resources"] for rule in rules
    )
    assert set(subjects) == {"ftjob-controller"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_right_to_a_lease_is_to_the_one_that_is_used(folder: str) -> None:
    """By its name: kustomize renames whatever is called like a ConfigMap it has made."""
    rules = [rule for each in built(folder) if each["kind"] == "Role" for rule in each["rules"]]
    named = [rule.get("resourceNames") for rule in rules if rule["resources"] == ["leases"]]

    assert named == [None, [LEASE]]


def test_no_config_map_is_read_but_a_namespaces_budget() -> None:
    """Settings and profiles are mounted; what is watched in all namespaces is watched by name."""
    roles = [each for each in built("k8s") if each["kind"].endswith("Role")]
    rules = [rule for role in roles for rule in role["rules"] if "configmaps" in rule["resources"]]

    assert [(rule["resourceNames"], rule["verbs"]) for rule in rules] == [
        ([BUDGET_CONFIG_MAP], ["list", "watch"])
    ]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_controller_has_no_credentials_of_a_store(folder: str) -> None:
    """Neither from a Secret, nor from a cloud's role, nor from the settings."""
    deployment = the_only(folder, "Deployment")["spec"]["template"]["spec"]
    [container] = deployment["containers"]
    names = {each["name"] for each in container["env"]}

    assert "envFrom" not in container
    assert not any("secret" in volume for volume in deployment["volumes"])
    assert names == {"FTJOB_NODES", "HOME", "POD_NAME", "POD_NAMESPACE"}
    assert "annotations" not in the_only(folder, "ServiceAccount", "ftjob-controller")["metadata"]


def test_one_namespace_needs_no_right_beyond_it() -> None:
    """The same rules as Roles, and nothing that belongs to the whole cluster."""
    made = built("k8s/overlays/namespaced")
    rules = {each["metadata"]["name"]: each["rules"] for each in made if each["kind"] == "Role"}
    everywhere = the_only("k8s", "ClusterRole", "ftjob-jobs")["rules"]

    assert not {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"} & {
        each["kind"] for each in made
    }
    assert rules["ftjob-jobs"] == everywhere
    assert the_only("k8s/overlays/namespaced", "RoleBinding", "ftjob-jobs")["roleRef"]["kind"] == "Role"
    [container] = the_only("k8s/overlays/namespaced", "Deployment")["spec"]["template"]["spec"]["containers"]
    assert "--namespace=$(POD_NAMESPACE)" in container["args"]


def test_only_the_controller_may_call_a_worker() -> None:
    """By the policy of the base, and of the component for every namespace that runs jobs."""
    paths = sorted((ROOT / "k8s" / "components" / "network-policy").glob("[psw]*.yaml"))
    policies = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]
    for policy in [*policies, *(each for each in built("k8s") if each["kind"] == "NetworkPolicy")]:
        kubernetes_validate.validate(policy, "1.37", strict=True)
    [pods] = [each for each in policies if each["metadata"]["name"] == "ftjob-pods"]
    for policy in (pods, the_only("k8s", "NetworkPolicy", "ftjob-worker")):
        [ingress] = policy["spec"]["ingress"]
        [caller] = ingress["from"]
        assert caller["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "controller"
        assert [port["port"] for port in ingress["ports"]] == [PORT]


def test_the_samples_can_be_used() -> None:
    """Specs and budgets are read as the controller reads them."""
    paths = sorted((ROOT / "k8s" / "samples").glob("*.yaml"))
    samples = [each for path in paths for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    jobs = [each for each in samples if each["kind"] == "FineTuneJob"]
    budgets = [each for each in samples if each["metadata"]["name"] == BUDGET_CONFIG_MAP]

    assert len([read_request(read_fine_tune(each), NODES).spec.name for each in jobs]) == 2
    assert [usd_per_day(each["data"]) for each in budgets] == [50]
