"""Which cluster the command line takes: a kubeconfig's or, in a pod without one, the pod's own."""

import json
from pathlib import Path

import pytest

from ftjob.cluster.client import Cluster, connect
from ftjob.errors import BadSpecError

CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "far",
    "clusters": [{"name": "far", "cluster": {"server": "https://far.test"}}],
    "users": [{"name": "me", "user": {"token": "mine"}}],
    "contexts": [{"name": "far", "context": {"cluster": "far", "user": "me", "namespace": "faces"}}],
}


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a pod's service account, in a pod whose home is empty."""
    for name, content in (("token", "first"), ("ca.crt", "authority"), ("namespace", "nightly")):
        (tmp_path / name).write_text(content)
    for constant, name in (("SERVICE_TOKEN_FILENAME", "token"), ("SERVICE_CERT_FILENAME", "ca.crt")):
        monkeypatch.setattr(f"kubernetes.config.incluster_config.{constant}", str(tmp_path / name))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def connection(cluster: Cluster) -> tuple[str, str, str]:
    """Return a cluster's address, the token sent to it, and the namespace."""
    settings = cluster.custom.api_client.configuration
    token = settings.get_api_key_with_prefix("BearerToken", settings.api_key.get("authorization"))
    return settings.host, token, cluster.namespace


def test_a_pod_is_at_its_own_cluster_and_namespace(pod: Path) -> None:
    assert connection(connect()) == ("https://10.0.0.1:443", "bearer first", "nightly")
    assert connect(namespace="faces").namespace == "faces"


def test_a_token_that_is_renewed_is_read_again(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubelet renews it after most of its hour; a run may take days."""
    cluster = connect()
    settings = cluster.custom.api_client.configuration
    loader = settings.refresh_api_key_hook.__closure__[0].cell_contents
    (pod / "token").write_text("second")
    loader.token_expires_at -= loader._token_refresh_period

    assert connection(cluster)[1] == "bearer second"


@pytest.mark.parametrize("is_named", [True, False], ids=["$KUBECONFIG", "~/.kube/config"])
def test_a_kubeconfig_goes_before_the_pods_account(
    pod: Path, monkeypatch: pytest.MonkeyPatch, *, is_named: bool
) -> None:
    path = pod / ("named" if is_named else ".kube/config")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(CONFIG))
    if is_named:
        monkeypatch.setenv("KUBECONFIG", str(path))
    else:
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))

    assert connection(connect()) == ("https://far.test", "Bearer mine", "faces")


def test_a_context_is_a_kubeconfigs(pod: Path) -> None:
    """A pod's own cluster has none."""
    with pytest.raises(BadSpecError, match="no cluster is known"):
        connect("far")


def test_a_pod_without_an_account_is_refused(pod: Path) -> None:
    """Its token is not mounted."""
    (pod / "token").unlink()

    with pytest.raises(BadSpecError, match=r"no cluster is known \(Service token file does not exist"):
        connect()
