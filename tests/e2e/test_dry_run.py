"""What `submit --dry-run` shows of a submit to a cluster."""

import yaml

from ftjob.cluster.resource.figures import annotated
from ftjob.cluster.resource.request import identity_of
from ftjob.storage import open_store
from jobspec import parse_spec
from tests.e2e.jobs import Job
from tests.storage.servers import Bucket


def test_a_dry_run_prints_what_would_be_sent(job: Job, s3: Bucket):
    """On stdout the object alone, which comes back as the spec, with the figures of its plan."""
    job.ftjob("data", "build", "train", f"{s3.uri}/data", "--val", "val", "--size", "32", "--grey")
    open_store(s3.uri).upload(job.folder / "net.prototxt", "net.prototxt")
    data = {"train": f"{s3.uri}/data/train", "val": f"{s3.uri}/data/val"}
    spec = job.write(base={"net": f"{s3.uri}/net.prototxt"}, data=data, output=f"{s3.uri}/runs")

    done = job.ftjob("submit", "spec.yaml", "--dry-run", "-n", "faces")

    sent = yaml.safe_load(done.out)
    assert (sent["kind"], sent["metadata"]["namespace"]) == ("FineTuneJob", "faces")
    again = yaml.safe_dump({"name": sent["metadata"]["name"], **sent["spec"]})
    assert parse_spec(again, "sent") == parse_spec(spec.read_text(encoding="utf-8"), "spec.yaml")
    identity = identity_of(parse_spec(again, "sent"))
    figures = annotated(sent["metadata"]["annotations"], identity)
    assert figures is not None
    assert figures.max_iter == 30
    assert not open_store(s3.uri).list("runs")


def test_what_lies_on_this_machine_is_refused_for_a_cluster(job: Job):
    """The field is named, and what to do; nothing was asked of a cluster."""
    refused = job.ftjob("submit", "spec.yaml", "--dry-run", code=2)

    assert "base.net: " in refused.err
    assert "is on this machine only" in refused.err
