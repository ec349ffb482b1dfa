"""What a worker on the cluster prints: from its pod while that is there, then from the run's folder."""

import pytest

from ftjob.client.cluster_run import ClusterRun
from ftjob.cluster.client import connect
from tests.cluster.controllers import RUN_ID, Controllers
from tests.storage.servers import Server

NAME = "says-a0-b0-s4"
LINES = [f"attempt 1 of {NAME}: 4 s, then 0\n", *(f"{left} s left\n" for left in (3, 2, 1, 0))]


def test_the_log_is_followed_in_the_pod_and_read_from_the_folder_when_that_is_gone(
    controllers: Controllers, swift_server_here: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the worker runs its lines come as it prints them, up to its end, and each comes once."""
    monkeypatch.setenv("KUBECONFIG", str(controllers.cluster.kubeconfig))
    for name, value in swift_server_here.environment().items():
        monkeypatch.setenv(name, value)
    run = ClusterRun(connect(namespace=controllers.namespace), NAME)
    controllers.start()
    controllers.submit(NAME)
    controllers.wait_for(NAME, "Running")
    words = run.log_lines(follow=True)
    first, at_that_moment = next(words), controllers.status(NAME)["state"]
    rest = list(words)
    store, key = swift_server_here.client(), f"{NAME}/{RUN_ID}/logs/attempt-1.log"
    store.put_object(Bucket="runs", Key=key, Body=b"kept in the folder\n")
    controllers.cluster.kubectl("delete", "pods", "--all", f"--namespace={controllers.namespace}")

    assert ([first, *rest], at_that_moment) == (LINES, "Running")
    assert "kept in the folder" in "".join(run.log_lines())
