"""First specs: commented, accepted as they are, and never in the way of another file."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from benchmarks.plan import write_lmdb
from ftjob import api
from ftjob.dataset.build.build import BuildOptions
from ftjob.dataset.build.into_store import build_at
from ftjob.errors import BadDataError, BadNetError, BadSpecError
from ftjob.net import zoo
from ftjob.net.prototxt import to_text
from ftjob.prepare.prepare import DEFAULT_SIDE
from ftjob.storage import open_store
from jobspec import load_spec
from tests.storage.servers import Bucket

NET = to_text(zoo.build("squeezenet"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of images for each of two classes, whose name needs quotes in YAML."""
    folder = tmp_path_factory.mktemp("images") / "cats: & dogs"
    for shade, name in ((0, "cat"), (200, "dog")):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (40, 30), (shade, number, 9)).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("net", zoo.NAMES)
def test_a_plan_takes_what_init_writes(images: Path, tmp_path: Path, net: str) -> None:
    """For every built-in net and a folder of images, without a change."""
    written = api.init(net, images, out=tmp_path / "first.yaml")

    planned = api.plan(written, to_train=False)

    assert planned.labels == ("cat", "dog")
    assert planned.deploy.layer[0].input_param.shape[0].dim[2] == zoo.get(net).crop
    assert planned.problems == planned.warnings == ()
    data = load_spec(written).data
    assert 0.8 < (data.crop or 0) / (data.resize or DEFAULT_SIDE) <= 1, "the net sees most of each image"


def test_every_line_that_decides_something_is_explained(images: Path, tmp_path: Path) -> None:
    """The sections of a spec are all there, most with a comment."""
    text = api.init("googlenet", images, out=tmp_path / "first.yaml").read_text()

    sections = {"name", "base", "surgery", "data", "solver", "resources", "output"}
    assert set(yaml.safe_load(text)) == sections
    assert text.count("# ") > 15
    assert "freeze: {up_to: inception_4" in text


def test_what_is_commented_out_would_work(images: Path, tmp_path: Path) -> None:
    """The freeze, budget and accept that are suggested are right for the net."""
    written = api.init("squeezenet", images, out=tmp_path / "first.yaml")
    lines = written.read_text().replace("  freeze: none", "  # freeze: none").splitlines()
    wanted = ("  # freeze: {", "# budget", "# accept")
    written.write_text(
        "\n".join(line.replace("# ", "", 1) if line.startswith(wanted) else line for line in lines)
    )

    spec = load_spec(written)

    assert (spec.budget.usd, spec.accept.accuracy) == (4.0, 0.8)
    assert spec.surgery.freeze.up_to.startswith("fire")


def test_weights_bring_their_mean_and_a_lower_rate(in_faces: Path, tmp_path: Path) -> None:
    """A fine-tune subtracts what its weights were trained with; LMDBs in train and val are found."""
    written = api.init("googlenet", Path("faces"), Path("bvlc_googlenet.caffemodel"), tmp_path / "tune.yaml")
    spec = load_spec(written)

    assert (spec.data.mean, spec.solver.base_lr) == ([104, 117, 123], 0.001)
    assert spec.data.val is not None
    assert Path(spec.data.val) == in_faces / "faces" / "val"
    assert {layer.kind for layer in api.plan(written).transfer} == {"copied", "new", "unused"}


def test_paths_beneath_the_spec_are_relative(in_faces: Path) -> None:
    """So that the folder can be moved with its spec."""
    written = api.init("googlenet", Path("faces"), out=in_faces / "moved.yaml")
    data = load_spec(written).data
    written.unlink()

    assert (data.train, data.val) == ("faces/train", "faces/val")


def test_a_prototxt_gives_its_own_crop_and_mean(in_faces: Path, tmp_path: Path) -> None:
    """A train_val by its data layer, a deploy by its input."""
    (tmp_path / "net.prototxt").write_text(to_text(zoo.build("googlenet")))
    data = load_spec(api.init(str(tmp_path / "net.prototxt"), Path("faces"), out=tmp_path / "a.yaml")).data
    deploy = api.plan(tmp_path / "a.yaml", to_train=False).deploy
    (tmp_path / "deploy.prototxt").write_text(to_text(deploy))
    of_deploy = load_spec(api.init(str(tmp_path / "deploy.prototxt"), Path("faces"), out=tmp_path / "b.yaml"))

    assert (data.crop, data.mean, data.mirror, data.batch_size) == (224, [104, 117, 123], True, 32)
    assert of_deploy.data.crop == 224


@pytest.mark.parametrize(
    ("mean", "written"),
    [
        ("mean_value: 103.94 mean_value: 116.78 mean_value: 123.68", "mean: [103.94, 116.78, 123.68]"),
        ('mean_file: "data/imagenet_mean.binaryproto"', "mean: [104, 117, 123]"),
        ('mean_file: "own/mean.binaryproto"', "mean: auto "),
    ],
)
def test_a_prototxt_is_taken_at_its_word(images: Path, tmp_path: Path, mean: str, written: str) -> None:
    """Its scale and mean are written as a person wrote them, and a plan has nothing more to say."""
    text = re.sub(
        r"mean_value: 104\.0\s+mean_value: 117\.0\s+mean_value: 123\.0", f"scale: 0.017 {mean}", NET
    )
    (tmp_path / "net.prototxt").write_text(text)

    spec = api.init(str(tmp_path / "net.prototxt"), images, out=tmp_path / "a.yaml")

    assert f"  {written}" in spec.read_text()
    assert "  scale: 0.017 " in spec.read_text()
    assert api.plan(spec, to_train=False).warnings == ()


def test_a_prototxts_words_stay_in_a_comment(images: Path, tmp_path: Path) -> None:
    """A line break in the name of its mean is not one of the spec's."""
    mean = r'mean_file: "own.binaryproto\noutput: elsewhere"'
    text = re.sub(r"mean_value: 104\.0\s+mean_value: 117\.0\s+mean_value: 123\.0", lambda _: mean, NET)
    (tmp_path / "net.prototxt").write_text(text)

    spec = api.init(str(tmp_path / "net.prototxt"), images, out=tmp_path / "a.yaml")

    assert "or the net's own, own.binaryproto\\noutput: elsewhere" in spec.read_text()
    assert load_spec(spec).output == "runs"


def test_a_folder_that_no_spec_can_name_is_refused(images: Path, tmp_path: Path) -> None:
    """Nothing is written then."""
    shutil.copytree(images, tmp_path / "a\nb: c")

    with pytest.raises(BadSpecError, match=r"data\.train: contains an invisible character"):
        api.init("lenet", tmp_path / "a\nb: c", out=tmp_path / "a.yaml")
    assert not (tmp_path / "a.yaml").exists()


def test_a_file_that_is_there_is_left_alone(images: Path, tmp_path: Path) -> None:
    """Unless it is forced."""
    path = tmp_path / "mine.yaml"
    path.write_text("mine")

    with pytest.raises(BadSpecError, match=r"mine\.yaml: already exists: .*--force"):
        api.init("lenet", images, out=path)
    assert path.read_text() == "mine"
    api.init("lenet", images, out=path, force=True)
    assert load_spec(path).name == "mine"


def test_the_data_gives_the_name(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a DNS label, whatever the folder is called."""
    monkeypatch.chdir(tmp_path)

    assert api.init("lenet", images) == Path("cats-dogs.yaml")
    assert load_spec(Path("cats-dogs.yaml")).name == "cats-dogs"


@pytest.mark.parametrize(("train", "val"), [("train", "valid"), ("Train", "test"), ("training", "val")])
def test_splits_are_found_by_the_names_they_have(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: str, val: str
) -> None:
    """Such folders are no classes, so a spec names both."""
    monkeypatch.chdir(tmp_path)
    for split in (train, val):
        shutil.copytree(images, tmp_path / "photos" / split)

    data = load_spec(api.init("lenet", Path("photos"))).data
    assert (data.train, data.val, data.val_split) == (f"photos/{train}", f"photos/{val}", None)


def test_what_no_spec_can_be_made_of_is_reported(in_faces: Path, tmp_path: Path) -> None:
    """An LMDB without val, an empty folder, images too small, weights and nets that are not there."""
    out = tmp_path / "out.yaml"
    (tmp_path / "small").mkdir()
    for split in ("train", "val"):
        write_lmdb(tmp_path / "small" / split, 4, side=32)

    with pytest.raises(BadDataError, match="is one LMDB, and val is missing"):
        api.init("lenet", Path("faces/train"), out=out)
    with pytest.raises(BadDataError, match="has neither one folder of images per class"):
        api.init("lenet", tmp_path, out=out)
    with pytest.raises(BadDataError, match="images are 32x32, and googlenet takes 224x224"):
        api.init("googlenet", tmp_path / "small", out=out)
    with pytest.raises(BadNetError, match=r"none\.caffemodel is not there"):
        api.init("lenet", Path("faces"), Path("none.caffemodel"), out)
    with pytest.raises(
        BadNetError, match=r"base\.net: .*lenot is not there: give .*squeezenet\); did you mean lenet\?$"
    ):
        api.init("lenot", Path("faces"), out=out)
    assert not out.exists()


@pytest.mark.parametrize("built", [False, True])
def test_net_and_data_in_a_store(images: Path, s3: Bucket, tmp_path: Path, built: bool) -> None:
    """URIs stand in the spec as they were given; a plan takes it as it is."""
    store = open_store(s3.uri)
    store.write("nets/small.prototxt", to_text(zoo.build("lenet")).encode())
    if built:
        build_at(str(images), f"{s3.uri}/pets/set", BuildOptions(28, 28, color=False, val_split=0.25))
    else:
        for path in images.rglob("*.png"):
            store.write(f"pets/set/{path.relative_to(images).as_posix()}", path.read_bytes())

    written = api.init(f"{s3.uri}/nets/small.prototxt", f"{s3.uri}/pets/set/", out=tmp_path / "first.yaml")

    data = load_spec(written).data
    assert data.train == (f"{s3.uri}/pets/set/train" if built else f"{s3.uri}/pets/set")
    assert data.val == (f"{s3.uri}/pets/set/val" if built else None)
    assert api.plan(written, to_train=False).labels == ("cat", "dog")


def test_what_is_not_in_a_store_is_named(images: Path, s3: Bucket, tmp_path: Path) -> None:
    """With the field of the spec that would name it."""
    out = tmp_path / "first.yaml"
    with pytest.raises(BadDataError, match=f"data.train: {s3.uri}/no: nothing is there"):
        api.init("lenet", f"{s3.uri}/no", out=out)
    with pytest.raises(BadNetError, match=f"base.weights: {s3.uri}/no: is not there"):
        api.init("lenet", images, f"{s3.uri}/no", out=out)
    assert not out.exists()
