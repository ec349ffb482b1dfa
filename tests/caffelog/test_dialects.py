"""One log of real Caffe in every form in which logs reach people: it is always explained alike."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob import api
from ftjob.errors import BadSpecError, FtjobError
from ftjob.plan.diagnosis.explain import Explanation
from tests.caffelog import dialects
from tests.caffelog.trainings import LOSSES, train, write_data

SOFTMAX = LOSSES["softmax"]
TRAININGS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "went well": (lambda folder: train(folder, SOFTMAX), "nothing is wrong here"),
    "diverged": (
        lambda folder: train(folder, LOSSES["euclidean"], base_lr=1e4, display=1),
        "the loss is inf from iteration",
    ),
    "learns nothing": (lambda folder: train(folder, SOFTMAX, base_lr=1e-9), "nothing is learned"),
    "no data": (
        lambda folder: train(folder, SOFTMAX.replace("fc", "fcx"), net="other.prototxt"),
        "there is no file other.prototxt",
    ),
    "an unknown type": (
        lambda folder: train(folder, SOFTMAX.replace('"InnerProduct"', '"Interp"')),
        "the TRAIN net has a layer of type Interp, which this Caffe does not have",
    ),
    "a bottom that is not there": (
        lambda folder: train(folder, SOFTMAX.replace('bottom: "data"', 'bottom: "dat"')),
        "layer fc of the TRAIN net takes blob dat",
    ),
    "a kernel too large": (
        lambda folder: train(
            folder,
            SOFTMAX.replace(
                '"InnerProduct"', '"Convolution" convolution_param { num_output: 3 kernel_size: 9 }'
            ),
        ),
        "layer fc of the TRAIN net has a kernel larger than its padded input",
    ),
}


@pytest.fixture(scope="module")
def logs(needs_caffe: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the logs of trainings that ended in several ways."""
    folder = tmp_path_factory.mktemp("trainings")
    write_data(folder)
    for name, (make, _) in TRAININGS.items():
        (folder / name).write_bytes(make(folder))
    return folder


def explained(path: Path, log: bytes) -> Explanation:
    path.write_bytes(log)
    return api.explain(str(path))


@pytest.mark.parametrize("name", TRAININGS)
def test_each_training_has_its_cause(tmp_path: Path, logs: Path, name: str) -> None:
    """As Caffe itself wrote it."""
    assert explained(tmp_path / "log", (logs / name).read_bytes()).cause.startswith(TRAININGS[name][1])


def in_any(table: dict[str, Callable[..., object]]) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(table))


@settings(deadline=None, max_examples=200)
@given(
    name=in_any(TRAININGS),
    words=in_any(dialects.WORDS),
    stamp=in_any(dialects.STAMPS),
    carrier=in_any(dialects.CARRIERS),
    file=in_any(dialects.FILES),
    appended=st.booleans(),
)
def test_a_log_means_the_same_in_every_form(
    logs: Path,
    name: str,
    words: str,
    stamp: str,
    carrier: str,
    file: str,
    appended: bool,
) -> None:
    """Cause, remedy, patch and what shows it, whatever stamped, carried or kept it, and came before it."""
    log = dialects.WORDS[words]((logs / name).read_text())
    form = dialects.STAMPS[stamp]
    log = form(dialects.FAILED) * appended + form(log)
    written = dialects.FILES[file](dialects.CARRIERS[carrier](log))

    found, plain = explained(logs / "log", written), api.explain(str(logs / name))

    assert found.attempts == 1 + appended
    closing = plain.seen if plain.healthy else found.seen  # NVIDIA's says besides how long it took
    assert replace(found, attempts=1, seen=closing) == plain


@pytest.mark.parametrize("table", [dialects.STAMPS, dialects.WORDS, dialects.CARRIERS, dialects.FILES])
def test_every_form_is_another(table: dict[str, Callable[[str], object]], logs: Path) -> None:
    """The law above compares texts that differ."""
    forms = [form((logs / "diverged").read_text()) for form in table.values()]

    assert len(set(map(str, forms))) == len(forms)


EDITS = st.tuples(
    st.sampled_from(["cut", "double", "swap", "write"]),
    st.floats(0, 1),
    st.integers(1, 400),
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"I1128 12:51:31.440050 21884 solver.cpp:239] Iteration ",
                b"\nF1128 12:51:31.440050 21884 net.cpp:1] Check failed: mdb_status == 0 (",
                b"\nLayer { layers { layer { name: ",
                b"\n*** SIGBUS (@0x0) received by PID 7 ***\n",
                b"\nIteration 99999999999999999999, loss = 1e9999\n",
                b"Test score #0: -1.#IND",
                b"\nTraceback (most recent call last):\nValueError: x\n",
                b'{"nbformat": {"a": [',
                b"\xff\xfe",
            ]
        ),
    ),
)


def mangled(log: bytes, edits: list[tuple[str, float, int, bytes]]) -> bytes:
    """A log with pieces cut out, doubled, moved to its end, or written over."""
    for kind, where, length, piece in edits:
        at = int(where * len(log))
        head, middle, tail = log[:at], log[at : at + length], log[at + length :]
        log = {
            "cut": head + tail,
            "double": head + middle + middle + tail,
            "swap": head + tail + middle,
            "write": head + piece + tail,
        }[kind]
    return log


@settings(deadline=None, max_examples=300)
@given(name=in_any(TRAININGS), edits=st.lists(EDITS, max_size=12), start=st.floats(0, 1))
def test_a_spoilt_log_is_explained_or_refused(
    logs: Path,
    name: str,
    edits: list[tuple[str, float, int, bytes]],
    start: float,
) -> None:
    """In one sentence each, also where its head is cut off."""
    log = mangled((logs / name).read_bytes(), edits)
    try:
        found = explained(logs / "log", log[int(start * len(log)) :])
        sentence = found.cause + found.fix
    except FtjobError as error:
        sentence = str(error)

    assert sentence
    assert "\n" not in sentence


@settings(deadline=None, max_examples=150)
@given(content=st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_what_is_no_log_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever it is."""
    with pytest.raises(BadSpecError):
        explained(tmp_path_factory.getbasetemp() / "log", content)


OTHERS = {
    "nothing": (b"", "is empty"),
    "blank lines": (b"\n \n", "is empty"),
    "another program": (b"Epoch 1/10\nloss: 0.5\nKilled\n", 'it begins with "Epoch 1/10"'),
    "another program of glog": (b"I1128 12:51:31.4 7 cpu_info.cc:45] hi\n", "has no line from Caffe"),
    "a model of scikit-learn": (b"Iteration 1, loss = 2.3\nIteration 2, loss = 2.2\n", "has no line from"),
    "a program": (
        b"\x7fELF\x02\x01\x01\x00\x03" + bytes(range(1, 9)) * 9 + b"Optimization Done.\n",
        "is not text",
    ),
    "a message of the shell": (b"bash: python: command not found\n", "bash: python: command not found"),
    "a long line": (b"x" * 10**6, f'it begins with "{"x" * 60}"'),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_log_is_called_so(tmp_path: Path, name: str) -> None:
    """With how it begins; never healthy, and never killed."""
    content, reason = OTHERS[name]

    with pytest.raises(BadSpecError) as caught:
        explained(tmp_path / "log", content)

    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'log'}: ")
    assert str(caught.value).endswith("give the log of a `caffe train`, or a run")
