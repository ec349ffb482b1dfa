"""Who promotes a run: a person on a machine, or a pipeline."""

import os
import socket
from collections.abc import Mapping

from ftjob.fs.user import user_name
from ftjob.models.promotion import LONGEST
from jobspec.text import plain


def person() -> str:
    """Return USER@HOST of this process."""
    return plain(f"{user_name()}@{socket.gethostname()}", LONGEST)


def pipeline(env: Mapping[str, str] | None = None) -> str:
    """Return the repository, ref and run of the GitHub or GitLab pipeline that an environment (by default
    this process's) belongs to; empty outside of both."""
    env = os.environ if env is None else env
    if env.get("GITHUB_ACTIONS") == "true":
        words = env.get("GITHUB_REPOSITORY"), env.get("GITHUB_REF"), env.get("GITHUB_RUN_ID")
    elif env.get("GITLAB_CI") == "true":
        words = env.get("CI_PROJECT_PATH"), env.get("CI_COMMIT_REF_NAME"), env.get("CI_JOB_ID")
    else:
        return ""
    repository, ref, run = (word or "?" for word in words)
    return plain(f"{repository} {ref} run {run}", LONGEST)
