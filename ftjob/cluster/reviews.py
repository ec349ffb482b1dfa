"""Asks the API server who a bearer token belongs to, and whether they may read FineTuneJobs."""

from enum import Enum
from typing import Any

from ftjob.cluster.client import TIMEOUT, Cluster, no_answer, refusal
from ftjob.cluster.resource.names import GROUP, PLURAL
from jobspec.text import plain

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"


class Right(Enum):
    """What a token's owner may do."""

    UNKNOWN = "the token is nobody's"
    NONE = "they may not read"
    READ = "they may read"


def review(cluster: Cluster, token: str) -> tuple[Right, str]:
    """Return what a token's owner may do in the cluster's namespace, and their name.

    The client's own account must be allowed to create TokenReviews and SubjectAccessReviews. Raises
    StorageError where the API server does not answer, BadSpecError where it refuses to.
    """
    found = _status(cluster, AUTHENTICATION, "TokenReview", {"token": token})
    if not found.get("authenticated"):
        return Right.UNKNOWN, ""
    user = found["user"]
    wanted = {"group": GROUP, "resource": PLURAL, "verb": "get", "namespace": cluster.namespace}
    asked = {
        "user": user["username"],
        "uid": user.get("uid", ""),
        "groups": user.get("groups", []),
        "extra": user.get("extra", {}),
        "resourceAttributes": wanted,
    }
    allowed = _status(cluster, AUTHORIZATION, "SubjectAccessReview", asked).get("allowed")
    return (Right.READ if allowed else Right.NONE), plain(user["username"], 200)


def _status(cluster: Cluster, group: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Create a review, and return its status."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    manifest = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
    resource = f"{kind.lower()}s"
    try:
        made = cluster.custom.create_cluster_custom_object(
            group, "v1", resource, manifest, _request_timeout=TIMEOUT
        )
    except ApiException as error:
        raise refusal(error, resource, cluster.namespace) from None
    except HTTPError as error:
        raise no_answer(error) from None
    return dict(made["status"])
