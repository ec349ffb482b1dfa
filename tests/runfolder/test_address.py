"""Laws of how a run is named: what is written is read back, and means the same."""

import pytest

from ftjob.errors import BadSpecError
from ftjob.runfolder.address import RunAddress, RunReference, snapshot_of

EKS = "arn:aws:eks:us-east-1:1234:cluster/training"


@pytest.mark.parametrize(
    "output", ["/runs", "", ".", "./runs", "s3://bucket/a/b", "gs://bucket", "ftj:///faces"]
)
def test_an_address_is_read_as_it_is_rendered(output: str):
    address = RunAddress(output, "emotions", "1f3b9c02aa")

    assert RunAddress.parse(str(address)) == address
    assert str(address) == f"{output}/emotions/1f3b9c02aa"


def test_a_relative_folder_stays_relative():
    assert str(RunAddress.parse("emotions/1f3b9c02aa")) == "./emotions/1f3b9c02aa"


@pytest.mark.parametrize("context", [None, "minikube", EKS])
def test_the_address_of_a_run_on_a_cluster_has_its_context_and_namespace(context: str | None):
    """Also where the context has slashes, as those of EKS do."""
    address = RunAddress.on_cluster(context, "faces", "emotions", "1f3b9c02aa")

    assert str(address) == f"ftj://{context or ''}/faces/emotions/1f3b9c02aa"
    assert RunAddress.parse(str(address)) == address
    assert address.cluster == (context, "faces")
    assert RunAddress.parse("s3://bucket/emotions/1f3b9c02aa").cluster is None


@pytest.mark.parametrize(
    "text", ["", "emotions", "/emotions/", "s3://bucket", "a/../b", "ftj://faces/emotions/1f"]
)
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(BadSpecError, match="is no run"):
        RunAddress.parse(text)


@pytest.mark.parametrize("text", ["emotions", "emotions/1f3b", "1f3b"])
def test_a_reference_is_read_as_it_is_rendered(text: str):
    assert str(RunReference.parse(text)) == text


def test_a_reference_names_the_newest_or_whatever_its_id_begins():
    old, new, other = (RunAddress("/runs", *names) for names in [("a", "11"), ("a", "12"), ("b", "2a")])
    meant = {
        text: RunReference.parse(text).among([old, new, other])
        for text in ("a", "a/1", "a/11", "2", "1", "c")
    }

    assert meant == {"a": [new], "a/1": [old, new], "a/11": [old], "2": [other], "1": [old, new], "c": []}


def test_a_snapshot_is_named_by_its_iteration():
    assert snapshot_of("emotions") == ("emotions", None)
    assert snapshot_of("emotions@2000") == ("emotions", 2000)
