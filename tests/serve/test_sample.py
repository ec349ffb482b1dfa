"""k8s/samples/serve.yaml: valid today, restricted, and in step with the program."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from typer.testing import CliRunner

from ftjob.cli.app import app
from ftjob.web.server import ServerOptions

SAMPLE = Path(__file__).parents[2] / "k8s" / "samples" / "serve.yaml"
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(SAMPLE.read_text(encoding="utf-8")))
[DEPLOYMENT, SERVICE, BUDGET] = OBJECTS
POD = DEPLOYMENT["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]


def test_today_kubernetes_knows_every_field() -> None:
    """None is misspelt."""
    for each in OBJECTS:
        kubernetes_validate.validate(each, "1.37", strict=True)


def test_the_pod_is_restricted() -> None:
    """By Pod Security's strictest standard, and without a token."""
    security = CONTAINER["securityContext"]
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"]
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert {each["name"] for each in CONTAINER["volumeMounts"]} == {each["name"] for each in POD["volumes"]}


def test_objects_select_the_same_pods() -> None:
    """Deployment, Service and budget."""
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == labels
    assert BUDGET["spec"]["selector"] == DEPLOYMENT["spec"]["selector"] == {"matchLabels": labels}


def test_a_pod_has_time_to_finish() -> None:
    """What it waits for, one after the other, ends before Kubernetes kills it."""
    linger = int(next(each for each in CONTAINER["args"] if each.startswith("--linger=")).partition("=")[2])
    before = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > before + linger + ServerOptions().drain_seconds


def test_the_command_line_has_its_options() -> None:
    """The verb parses them, and then finds no such bundle."""
    arguments = [each if not each.startswith("s3:") else "no/such/run" for each in CONTAINER["args"]]
    done = CliRunner().invoke(app, arguments)
    assert "no/such/run" in str(done.exception)
