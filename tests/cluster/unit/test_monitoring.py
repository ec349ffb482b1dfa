"""k8s/overlays/monitoring: alerts fire when they should; all name metrics that the controller prints."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ftjob.cluster.controller.serving.prometheus import REGISTRY
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.status import State
from tests.cluster.bed.promtool import ensure_promtool

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "k8s" / "overlays" / "monitoring"
ALERTS = Path(__file__).with_name("alerts.yaml")


@pytest.fixture(scope="module")
def promtool(needs_cluster: None) -> str:
    """Debian's."""
    return str(ensure_promtool())


def rules() -> dict[str, Any]:
    """The groups of rules, as Prometheus itself reads them."""
    return dict(yaml.safe_load((FOLDER / "rules.yaml").read_text())["spec"])


def expressions() -> list[str]:
    """Everything that is asked of Prometheus, by alerts and by the dashboard."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    alerts = [rule["expr"] for group in rules()["groups"] for rule in group["rules"]]
    return alerts + [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def label_names() -> dict[str, set[str]]:
    """The labels of every series that the controller's /metrics prints, by the name of the series."""
    found: dict[str, set[str]] = {}
    for metric in REGISTRY._names_to_collectors.values():
        if not metric._labelnames:
            continue
        metric.labels(*("any",) * len(metric._labelnames))
    try:
        for family in text_string_to_metric_families(generate_latest(REGISTRY).decode()):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    finally:
        for metric in {*REGISTRY._names_to_collectors.values()}:
            if metric._labelnames:
                metric.remove(*("any",) * len(metric._labelnames))
    return found


def test_every_metric_and_label_is_printed_by_the_controller() -> None:
    """A renamed one would leave an alert silent for ever."""
    printed = label_names()
    for expression in expressions():
        names = set(re.findall(r"\bftjob_\w+", expression))
        labels = {
            label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")
        } | set(re.findall(r"(\w+)=~?\"", expression))
        assert names, expression
        assert names <= printed.keys(), expression
        assert labels <= set().union(*(printed[name] for name in names)), expression


def test_states_and_reasons_are_those_that_there_are() -> None:
    """As the controller writes them."""
    known = {"state": {each.value for each in State}, "reason": {each.value for each in Reason}}
    for expression in expressions():
        for label, values in re.findall(r"(\w+)=~?\"([^\"]+)\"", expression):
            assert set(values.split("|")) <= known[label], expression


def test_every_metric_is_shown() -> None:
    """On the dashboard, or it need not be there."""
    shown = " ".join(expressions())
    for name in {re.sub(r"_(bucket|sum|count|created|total)$", "", each) for each in label_names()}:
        assert name in shown


def test_promtool_takes_the_rules_and_they_fire_when_they_should(promtool: str, tmp_path: Path) -> None:
    """By tests/cluster/unit/alerts.yaml, which has series and what fires at which minute."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    (tmp_path / "alerts.yaml").write_text(ALERTS.read_text())
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", "alerts.yaml"]):
        done = subprocess.run([promtool, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    """Each fires in one of the cases."""
    tried = {
        case["alertname"]
        for test in yaml.safe_load(ALERTS.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }

    assert tried == {rule["alert"] for group in rules()["groups"] for rule in group["rules"]}


@pytest.mark.usefixtures("kubectl")
def test_the_overlay_is_what_the_operator_and_grafana_pick_up() -> None:
    """A PodMonitor for the controller's port, the rules, and the dashboard with the sidecar's label."""
    text = subprocess.run(
        ["kubectl", "kustomize", FOLDER], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    built = {each["kind"]: each for each in yaml.safe_load_all(text)}
    controller = yaml.safe_load((ROOT / "k8s/base/controller.yaml").read_text().split("---")[0])
    pod = controller["spec"]["template"]

    assert built.keys() == {"PodMonitor", "PrometheusRule", "ConfigMap"}
    assert built["ConfigMap"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(built["ConfigMap"]["data"]["dashboard.json"])["uid"] == "ftjob"
    assert built["PodMonitor"]["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    ports = {each["name"] for each in pod["spec"]["containers"][0]["ports"]}
    assert {each["port"] for each in built["PodMonitor"]["spec"]["podMetricsEndpoints"]} <= ports
