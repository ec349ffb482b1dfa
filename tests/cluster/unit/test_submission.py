"""What `ftjob submit` writes onto the cluster, and the controller reads."""

from hypothesis import given
from hypothesis import strategies as st

from ftjob.cluster.resource.figures import annotated
from ftjob.cluster.resource.names import ANNOTATION_PLAN
from ftjob.cluster.resource.request import identity_of
from ftjob.cluster.resource.status import Figures
from ftjob.cluster.resource.submission import fine_tune_job
from jobspec import JobSpec

SPEC = {
    "name": "emotions",
    "base": {"net": "googlenet"},
    "data": {"train": "s3://data/train", "val_split": 0.25},
    "output": "s3://runs",
}
AMOUNTS = st.floats(0, 1e9)
SIZES = st.integers(0, 2**50)
FIELDS = st.fixed_dictionaries(
    {
        "run_id": st.text("0123456789abcdef", min_size=8, max_size=64),
        "engine": st.sampled_from(["caffe", "torch"]),
        "max_iter": st.integers(0, 2**31 - 1),
        "snapshot_bytes": SIZES,
        "memory_bytes": SIZES,
        "data_bytes": SIZES | st.none(),
        "seconds": AMOUNTS,
        "usd": AMOUNTS,
    }
)


@given(FIELDS.map(Figures.model_validate))
def test_the_annotation_of_a_plan_is_one_short_line(figures: Figures) -> None:
    """Of ASCII that can be seen, whatever stands in it; and what is read of it is what was planned."""
    spec = JobSpec.model_validate(SPEC)
    job = fine_tune_job(spec, "team", figures)

    annotations = job["metadata"]["annotations"]
    text = annotations[ANNOTATION_PLAN]
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 1000
    assert annotated(annotations, identity_of(spec)) == figures


def test_the_object_has_what_its_user_wrote() -> None:
    """Its name stands in the metadata alone; no default is filled in, no label made."""
    job = fine_tune_job(JobSpec.model_validate(SPEC), "team")

    assert job["metadata"] == {"name": "emotions", "namespace": "team"}
    assert job["spec"] == {key: value for key, value in SPEC.items() if key != "name"}
