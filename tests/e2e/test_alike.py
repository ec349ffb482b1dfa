"""The worst end there is: a run that succeeds, a bundle that verifies, and a model that is wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ftjob.bundle.alike import ALIKE, difference
from ftjob.bundle.preprocess import Preprocess, transform
from ftjob.bundle.write import write_bundle
from ftjob.dataset.lmdb.read import records
from ftjob.engine.open import open_deploy
from ftjob.errors import BadNetError
from ftjob.fs import files
from ftjob.fs.documents import read_as
from ftjob.prepare.prepare import Context, prepare, write_prototxts
from ftjob.runfolder.layout import BundleFolder
from jobspec import load_spec
from tests.e2e.jobs import Job
from tests.engines import ENGINES

NET = """
layer { name: "data" type: "Data" top: "data" top: "label" }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 8 kernel_size: 5 stride: 2 weight_filler { type: "msra" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { use_global_stats: VALUE } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def normed(job: Job, value: str, engine: str) -> None:
    """Write a job of a net whose BatchNorm says use_global_stats for all phases."""
    (job.folder / "net.prototxt").unlink()
    (job.folder / "net.prototxt").write_text(NET.replace("VALUE", value))
    job.write(
        engine=engine, data={"batch_size": 10}, solver={"base_lr": 0.01, "max_iter": 60, "momentum": 0.9}
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", ["true", "false"])
def test_a_bundle_answers_in_any_company_as_the_run_was_tested(job: Job, value: str, engine: str):
    """Asked alone, all at once and class by class, with the accuracy that the run reports."""
    normed(job, value, engine)
    job.submit()

    bundle = BundleFolder(job.run().bundle)
    how = read_as(Preprocess, bundle.preprocess)
    plan = json.loads(job.run().plan.read_text())
    data = list(records(Path(plan["val"]["path"])))
    images = np.stack([transform(record.image, how) for record in data])
    labels = np.array([record.label for record in data])
    with open_deploy(engine, bundle.deploy, bundle.weights, log=job.folder / "log") as net:
        alone, together = (net.forward(images, ["fc_digits"], at_once=n)["fc_digits"] for n in (1, len(data)))
        by_class = np.empty_like(alone)
        for label in set(labels):
            mine = images[labels == label]
            by_class[labels == label] = net.forward(mine, ["fc_digits"], at_once=len(mine))["fc_digits"]

    assert difference(alone, together) <= ALIKE
    assert difference(alone, by_class) <= ALIKE
    accuracy = json.loads(bundle.evaluation.read_text())["accuracy"]
    assert (alone.argmax(axis=1) == labels).mean() == pytest.approx(accuracy)
    assert accuracy > 0.6


@pytest.mark.parametrize("engine", ENGINES)
def test_a_classifier_for_train_alone_is_trained_and_not_tested(job: Job, engine: str):
    """As the second ones of GoogLeNet often are; however heavy its loss, the one in TEST is the main one."""
    normed(job, "false", engine)
    aux = """
    layer { name: "aux" type: "InnerProduct" bottom: "conv" top: "aux" include { phase: TRAIN }
            inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
    layer { name: "aux_loss" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" top: "aux_loss"
            loss_weight: 2 include { phase: TRAIN } }
    """
    with (job.folder / "net.prototxt").open("a") as net:
        net.write(aux)
    job.submit()

    assert list(json.loads(job.run().evaluation.read_text())["heads"]) == ["fc_digits"]
    heads = json.loads(job.run().plan.read_text())["heads"]
    assert [(head["source"], head["main"], head["tested"]) for head in heads] == [
        ("fc", True, True),
        ("aux", False, False),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bundle_scores_before_a_dropout_that_the_loss_reads(job: Job, engine: str):
    """The bundle has no Dropout, and so not the blob that scores are in while the net is trained."""
    normed(job, "false", engine)
    net = job.folder / "net.prototxt"
    dropout = 'layer { name: "drop" type: "Dropout" bottom: "fc" top: "dropped" }\n'
    before, loss = net.read_text().split('layer { name: "loss"')
    net.write_text(before + dropout + 'layer { name: "loss"' + loss.replace('"fc"', '"dropped"'))
    job.write(engine=engine, data={"batch_size": 10}, solver={"base_lr": 0.01, "max_iter": 4})

    job.submit()

    golden = json.loads(BundleFolder(job.run().bundle).golden_scores.read_text())
    assert golden["blob"] == "fc_digits"
    job.ftjob("verify", str(job.run().bundle))


@pytest.mark.caffe
def test_a_net_that_mixes_images_after_all_gets_no_bundle(job: Job):
    """Had surgery let it through, the golden images would show it: the run fails, what was there stays."""
    normed(job, "false", "caffe")
    job.submit()
    run = job.run()
    spec = load_spec(run.spec)
    plan = prepare(spec, Context(job.folder))
    for layer in plan.deploy.layer:
        if layer.type == "BatchNorm":
            layer.batch_norm_param.use_global_stats = False
    write_prototxts(plan, run)
    before = files.sha256(BundleFolder(run.bundle).manifest)

    with pytest.raises(BadNetError, match=r"an image's scores change by .* with the images asked beside it"):
        write_bundle(plan, run, 60, job.folder / "log")

    assert files.sha256(BundleFolder(run.bundle).manifest) == before


@pytest.mark.caffe
def test_verify_counts_the_right_answers(job: Job):
    """Of the golden images; a bundle that misses all of its own is warned of, and still answers the same."""
    job.submit()
    bundle = BundleFolder(job.run().bundle)
    golden = json.loads(bundle.golden_scores.read_text())
    highest = [int(np.argmax(image["scores"])) for image in golden["images"]]
    labels = [image["label"] for image in golden["images"]]

    found = job.ftjob("verify", str(bundle.root), "-o", "json").json()

    assert found["right_answers"] == sum(map(int.__eq__, highest, labels))
    assert found["together_difference"] <= ALIKE
    wrong = BundleFolder(shutil.copytree(bundle.root, job.folder / "wrong"))
    for image, answer in zip(golden["images"], highest, strict=True):
        image["label"] = (answer + 1) % 3
    files.write_json(wrong.golden_scores, golden)
    manifest = json.loads(wrong.manifest.read_text())
    manifest["files"]["golden/scores.json"] = files.sha256(wrong.golden_scores)
    files.write_json(wrong.manifest, manifest)
    assert "! 0 of 3 golden images answered correctly" in job.ftjob("verify", str(wrong.root)).out
