"""The pages on a cluster ask its real API server who a token belongs to."""

import json
from functools import partial

import pytest

from ftjob.cli.web.page import access_of
from ftjob.cluster.client import connect
from ftjob.cluster.resource.names import GROUP, PLURAL
from ftjob.web.bearer import MISSING, Bearer
from ftjob.web.server import ServerOptions
from tests.cluster.bed.cluster import AnyCluster
from tests.web.app import guarded
from tests.web.conftest import answer_to, served

ROLES = "rbac.authorization.k8s.io/v1"


def token_of(cluster: AnyCluster, namespace: str, account: str) -> str:
    """Make an account, and return a token of its."""
    account_of = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
    cluster.apply(account_of, namespace=namespace)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    wanted = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600},
    }
    made = cluster.kubectl("create", "--raw", path, "--filename=-", stdin=json.dumps(wanted))
    return str(json.loads(made)["status"]["token"])


def let_read(cluster: AnyCluster, namespace: str, account: str) -> None:
    """Let an account get FineTuneJobs."""
    rule = {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get"]}
    role = {"apiVersion": ROLES, "kind": "Role", "metadata": {"name": "read"}, "rules": [rule]}
    binding = {
        "apiVersion": ROLES,
        "kind": "RoleBinding",
        "metadata": {"name": "read"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    cluster.apply(role, binding, namespace=namespace)


def test_the_api_server_has_the_word_on_tokens(
    cluster: AnyCluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None, a wrong one, one without the right and one with it: 401, 401, 403 and the page."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    reader, stranger = (token_of(cluster, namespace, name) for name in ("reader", "stranger"))
    let_read(cluster, namespace, "reader")
    review = partial(access_of, connect(namespace=namespace))
    with served(Bearer(guarded(), review), ServerOptions()) as address:

        def get(header: str) -> tuple[int, str]:
            status, _, body = answer_to(address, f"GET / HTTP/1.1\r\nHost: here\r\n{header}\r\n\r\n".encode())
            return status, body.decode().strip()

        assert get("Accept: */*") == (401, MISSING)
        unknown = (401, "the cluster does not know this bearer token: make a new one")
        assert get("Authorization: Bearer nobody") == unknown
        assert get(f"Authorization: Bearer {reader[:-9]}tampered!") == unknown
        status, sentence = get(f"Authorization: Bearer {stranger}")
        assert status == 403
        assert sentence.startswith(f"system:serviceaccount:{namespace}:stranger may not get finetunejobs in ")
        assert get(f"Authorization: Bearer {reader}") == (200, "0")
