"""`ftjob plan`, `init` and `nodes`, as they are typed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from ftjob.engine.caffe.installed import find_caffe
from ftjob.net.prototxt import parse_net, parse_solver
from tests.plan.specs import SPEC

pytestmark = pytest.mark.slow  # each test starts ftjob


def ftjob(*words: str, code: int = 0, **environment: str) -> str:
    """Call the command line in the working folder; return what it printed, on stderr where it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "ftjob", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", **environment},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout or done.stderr


def write(folder: Path, **changes: Any) -> str:
    """Write the page's spec with some sections changed; its paths count from the faces' folder."""
    spec = {**SPEC, **{name: {**SPEC.get(name, {}), **change} for name, change in changes.items()}}
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec))
    return str(path)


@pytest.fixture
def spec(in_faces: Path) -> str:
    """The page's spec, in the working folder."""
    return write(in_faces)


@pytest.mark.slow
def test_layers_alike_are_one_line(spec: str) -> None:
    """The table is short; --layers has a line for every layer, and what is unused."""
    short = ftjob("plan", spec)
    long = ftjob("plan", spec, "--layers")

    table, every = (text[text.index("LAYER ") :].splitlines() for text in (short, long))
    assert len(table) == 8
    assert "conv1/7x7_s2 … inception_4a/pool_proj" in table[1]
    assert len([line for line in every if line.startswith(("conv", "inception", "loss"))]) == 40 + 21 + 3 + 3


@pytest.mark.slow
def test_names_longer_than_the_screen_are_whole_in_json(spec: str) -> None:
    """-o json is all of it, on stdout, and nothing else is."""
    document = json.loads(ftjob("plan", spec, "-o", "json", COLUMNS="20"))

    assert len(document["transfer"]) == 67
    assert document["run_id"] in ftjob("plan", spec)


def test_nothing_is_written_beside_the_spec(in_faces: Path, spec: str) -> None:
    """A plan starts nothing and leaves nothing."""
    before = sorted(in_faces.rglob("*"))
    ftjob("plan", spec)

    assert sorted(in_faces.rglob("*")) == before


@pytest.mark.slow
def test_the_drawing_is_written_to_the_file(spec: str, tmp_path: Path) -> None:
    """As SVG; a folder that cannot be written to is one sentence."""
    ftjob("plan", spec, "--svg", str(tmp_path / "new" / "net.svg"))

    assert ElementTree.parse(tmp_path / "new" / "net.svg").getroot().tag.endswith("svg")
    (tmp_path / "file").touch()
    assert "cannot be written" in ftjob("plan", spec, "--svg", str(tmp_path / "file" / "net.svg"), code=5)


@pytest.mark.caffe
def test_caffe_trains_what_is_written(in_faces: Path, tmp_path: Path) -> None:
    """--prototxt lays a folder out so that `caffe train` can be called in it, with the mean measured."""
    spec = write(
        in_faces,
        base={"net": "squeezenet", "weights": None},
        surgery={"freeze": "none"},
        data={"mean": "auto", "crop": 64, "batch_size": 2},
        solver={"epochs": None, "max_iter": 2},
    )
    ftjob("plan", spec, "--prototxt", str(tmp_path))

    net = parse_net((tmp_path / "net" / "train_val.prototxt").read_text(), "train_val")
    assert len(net.layer[0].transform_param.mean_value) == 3
    assert parse_solver((tmp_path / "net" / "solver.prototxt").read_text(), "solver").max_iter == 2
    subprocess.run(
        [find_caffe().program("caffe"), "train", "-solver", "net/solver.prototxt"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert (tmp_path / "snapshots" / "caffe_iter_2.caffemodel").is_file()


@pytest.mark.slow
def test_what_would_fail_comes_first_and_is_exit_code_2(in_faces: Path) -> None:
    """The whole plan is shown all the same; a warning alone is exit code 0."""
    output = ftjob("plan", write(in_faces, data={"batch_size": 400}), code=2)

    assert output.splitlines()[1].startswith("✗ data.batch_size: 400 images at once need")
    assert "LAYER" in output
    assert "\n! budget.usd: " in ftjob("plan", write(in_faces, solver={"epochs": 40000}))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["plan"], "plan: no spec: give its path, or --explain LOG\n"),
        (["plan", "--explain", "nobody"], "nobody: no such run"),
    ],
)
def test_a_call_that_names_nothing_is_one_sentence(in_faces: Path, words: list[str], sentence: str) -> None:
    """Exit code 2, and what to give."""
    output = ftjob(*words, code=2)

    assert output.startswith(sentence)
    assert len(output.splitlines()) == 1


@pytest.mark.slow
def test_init_names_the_next_command(in_faces: Path, tmp_path: Path) -> None:
    """The command it names works."""
    out = tmp_path / "new.yaml"
    output = ftjob("init", "--net", "googlenet", "--data", "faces", str(out))

    assert output == f"{out} written; next: ftjob plan {out}\n"
    assert "0:0" in ftjob(*output.split("ftjob ")[1].split())
    assert "--force" in ftjob("init", "--net", "googlenet", "--data", "faces", str(out), code=2)


def test_nodes_are_listed_with_ones_own(tmp_path: Path) -> None:
    """A table for people, and every field for programs."""
    own = tmp_path / "nodes.yaml"
    own.write_text(
        "lab[1]: {gpu: GTX 1080, gpu_memory_gib: 7.9, compute_capability: '6.1', teraflops: 5, "
        "gigabytes_per_second: 90, price: {on_demand: 0}}\n"
    )

    table = ftjob("nodes", FTJOB_NODES=str(own))
    nodes = json.loads(ftjob("nodes", "-o", "json", FTJOB_NODES=str(own)))

    assert table.splitlines()[-1].split() == [
        "lab[1]",
        "GTX",
        "1080",
        "7.9",
        "5",
        "90",
        "0",
        "–",
        "caffe,",
        "torch",
    ]
    assert [node["name"] for node in nodes] == [
        line.split()[0] for line in table.splitlines()[1:] if line[0] != " "
    ]
    assert nodes[-1]["price"] == {"on_demand": 0.0, "spot": None}


def test_a_plan_loads_no_library_for_pixels(spec: str) -> None:
    """Neither numpy nor OpenCV, matplotlib or grandalf: they would double its time."""
    code = (
        "import sys; from ftjob.__main__ import app; from contextlib import suppress\n"
        f"with suppress(SystemExit): app(['plan', {spec!r}])\n"
        "print(sorted({'numpy', 'cv2', 'matplotlib', 'grandalf', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
