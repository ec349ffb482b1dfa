"""Inputs from the web are those on disk: the same run, planned and begun by whoever asks first."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ftjob import api
from ftjob.cli.app import app
from ftjob.client.cluster_run import pinned
from ftjob.errors import BadDataError, BadNetError, BadSpecError
from ftjob.net import zoo
from ftjob.net.prototxt import to_text
from ftjob.net.zoo import published
from ftjob.plan.plan import Plan
from jobspec import load_spec
from tests.plan.specs import changed
from tests.storage.webserver import Site, file, serve

NET = to_text(zoo.build("squeezenet")).encode()


def pin(data: bytes, algorithm: str = "sha256") -> str:
    return f"#{algorithm}={hashlib.new(algorithm, data).hexdigest()}"


@pytest.fixture
def weights(in_faces: Path) -> bytes:
    return (in_faces / "squeezenet.caffemodel").read_bytes()


@pytest.fixture
def site(weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server with a net and weights."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FTJOB_STORAGE_DEADLINE", "2")
    with serve() as found:
        found.answers |= {
            "/net.prototxt": file(NET),
            "/w.caffemodel": file(weights),
            "/other": file(b"other"),
        }
        yield found


def plan(**base: str) -> Plan:
    spec = changed(
        {"base": {"net": "squeezenet", **base}, "surgery": {"freeze": "none"}, "data": {"crop": 227}}
    )
    return api.plan(spec, to_train=False)


def test_the_same_weights_are_the_same_run(
    site: Site, weights: bytes, in_faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By path, by either digest, from another address, by name; fetched once by each name of its file."""
    address = f"{site.address}/w.caffemodel"
    here = plan(weights="squeezenet.caffemodel")
    known = published.get_published("squeezenet_v1.1")
    row = type(known)(**{**vars(known), "file": api_file(address, weights)})
    monkeypatch.setitem(published._BY_NAME, "squeezenet_v1.1", row)
    named = changed({"base": {"net": "squeezenet", "weights": "known:squeezenet_v1.1"}})

    plans = [
        plan(weights=address + pin(weights)),
        plan(weights=address + pin(weights, "sha1")),
        plan(weights="known:squeezenet_v1.1"),
        plan(weights=f"http://127.0.0.1:9/w.caffemodel{pin(weights)}"),
    ]

    assert {each.run_id for each in plans} == {here.run_id}
    assert len(site.asked) == 2
    assert plans[2].spec.base.weights == str(row.file)
    assert pinned(named, plans[2].spec).base.weights == str(row.file)


def api_file(address: str, data: bytes) -> published.PinnedFile:
    """A file as a row of the table has it."""
    return published.PinnedFile(address, "sha256", hashlib.sha256(data).hexdigest())


def test_a_net_from_the_web_is_the_net(site: Site, in_faces: Path) -> None:
    """Its text counts, as that of a file does."""
    (in_faces / "net.prototxt").write_bytes(NET)

    remote = plan(net=f"{site.address}/net.prototxt{pin(NET)}", weights="squeezenet.caffemodel")

    assert remote.run_id == plan(net="net.prototxt", weights="squeezenet.caffemodel").run_id


def test_a_mistake_names_its_field(site: Site, in_faces: Path) -> None:
    """And is one of the net or of the data, which no attempt can repair."""
    with pytest.raises(BadNetError, match=r"^base.weights: http://.*/gone: is not there"):
        plan(weights=f"{site.address}/gone{pin(b'')}")
    with pytest.raises(BadNetError, match=r"^base.net: http://.*/other: has another file"):
        plan(net=f"{site.address}/other{pin(b'')}")
    with pytest.raises(BadNetError, match=r"^http://.*/other#sha256=.*: is text, not a binary .caffemodel"):
        plan(weights=f"{site.address}/other{pin(b'other')}")
    with pytest.raises(BadDataError, match=r"^data.mean: http://.*/gone.binaryproto: is not there"):
        api.plan(changed({"data": {"mean": f"{site.address}/gone.binaryproto{pin(b'')}"}}))
    with pytest.raises(BadSpecError, match=r"^base.weights: no published weights are called known:googlnet"):
        plan(weights="known:googlnet")


def ftjob(*words: str) -> Result:
    return CliRunner().invoke(app, words, catch_exceptions=True)


def test_pin_prints_what_a_spec_takes(site: Site, weights: bytes, in_faces: Path) -> None:
    """The plan that follows needs no server."""
    address = f"{site.address}/w.caffemodel"

    done = ftjob("pin", address)

    assert done.stdout == f"{address}{pin(weights)}\n"
    site.answers.clear()
    assert plan(weights=done.stdout.strip()).run_id == plan(weights="squeezenet.caffemodel").run_id
    with pytest.raises(BadNetError, match=r"^pin: http://.*/gone: is not there"):
        api.pin(f"{site.address}/gone")


def test_init_writes_the_digest(site: Site, weights: bytes, in_faces: Path, tmp_path: Path) -> None:
    """Of weights and of a net, where an address has none; the plan takes the spec as it is."""
    written = api.init(
        f"{site.address}/net.prototxt", "faces", f"{site.address}/w.caffemodel", tmp_path / "a.yaml"
    )
    base = load_spec(written).base

    assert base.weights == f"{site.address}/w.caffemodel{pin(weights)}"
    assert base.net == f"{site.address}/net.prototxt{pin(NET)}"
    shown = ftjob("plan", str(written))
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "← w.caffemodel\n" in shown.stdout


def test_init_takes_the_net_of_published_weights(in_faces: Path, tmp_path: Path) -> None:
    """With its mean; nothing is fetched, and a spec without weights names those there are."""
    spec = load_spec(api.init(None, "faces", "known:bvlc_googlenet", tmp_path / "a.yaml"))
    assert (spec.base.net, spec.base.weights) == ("googlenet", "known:bvlc_googlenet")
    assert spec.data.mean == [104, 117, 123]

    text = api.init("vgg16", "faces", None, tmp_path / "b.yaml").read_text()
    assert "# weights: known:vgg16" in text
    with pytest.raises(BadSpecError, match=r"^--net: is missing: give a built-in net"):
        api.init(None, "faces", None, tmp_path / "c.yaml")
    with pytest.raises(BadSpecError, match="no published weights are called known:vgg"):
        api.init(None, "faces", "known:vgg", tmp_path / "c.yaml")
