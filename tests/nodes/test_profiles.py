"""Node profiles: the built-in ones, the user's over them, and what is refused."""

from pathlib import Path

import pytest

from ftjob.errors import BadSpecError
from ftjob.nodes.profiles import get_node, load_nodes

OWN = """
p2.xlarge:
  price: {on_demand: 0.45}
lab:
  gpu: NVIDIA GTX 1080
  gpu_memory_gib: 7.9
  compute_capability: "6.1"
  teraflops: 5
  gigabytes_per_second: 90
  price: {on_demand: 0}
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A nodes file of the user's, empty at first."""
    path = tmp_path / "nodes.yaml"
    path.write_text("")
    monkeypatch.setenv("FTJOB_NODES", str(path))
    return path


def test_built_in_profiles_are_there() -> None:
    """p2.xlarge comes first, local last; every GPU node has a GPU, memory and a price on spot."""
    nodes = load_nodes()

    single = ["p2.xlarge", "g4dn.xlarge", "g5.xlarge", "p3.2xlarge"]
    several = ["p2.8xlarge", "g4dn.12xlarge", "g5.12xlarge", "p3.8xlarge"]
    assert list(nodes) == [*single, *several, "local"]
    for small, large in zip(single, several, strict=True):
        own = {"name", "gpus", "price", "labels"}
        assert nodes[small].model_dump(exclude=own) == nodes[large].model_dump(exclude=own)
        assert nodes[small].gpus == 1 < nodes[large].gpus
    for node in list(nodes.values())[:-1]:
        assert node.instance_type == node.name
        assert node.memory_bytes
        assert 0 < node.usd_per_hour(spot=True) < node.usd_per_hour(spot=False)
        assert node.tolerations[0].key == "nvidia.com/gpu"


def test_local_is_free() -> None:
    """This machine costs nothing, on spot or not, and has no GPU to fit into."""
    local = get_node("local")

    assert local.usd_per_hour(spot=False) == local.usd_per_hour(spot=True) == 0
    assert local.memory_bytes is None


def test_caffe_runs_before_ampere() -> None:
    """Caffe has kernels for the K80, V100 and T4, not for the A10G; on processors it always runs."""
    assert [node.name for node in load_nodes().values() if not node.runs_caffe] == [
        "g5.xlarge",
        "g5.12xlarge",
    ]


def test_users_profiles_are_laid_over(own: Path) -> None:
    """A built-in profile keeps the fields the user leaves out; a new one is added."""
    own.write_text(OWN)
    nodes = load_nodes()

    assert nodes["p2.xlarge"].usd_per_hour(spot=False) == 0.45
    assert nodes["p2.xlarge"].gpu == "NVIDIA K80, one of its two halves"
    assert nodes["lab"].runs_caffe


def test_configuration_folder_is_read_without_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without $FTJOB_NODES the file is ftjob/nodes/nodes.yaml in the user's configuration."""
    monkeypatch.delenv("FTJOB_NODES")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "ftjob").mkdir()
    (tmp_path / "ftjob" / "nodes.yaml").write_text(OWN)

    assert "lab" in load_nodes()


WRONG = {
    "p2.xlarge: {teraflop: 2}": r":1: p2\.xlarge\.teraflop: .*did you mean teraflops",
    "p2.xlarge:\n  price: {spott: 1}": r":2: p2\.xlarge\.price\.spott: .*did you mean spot",
    "p2.xlarge:\n\n  teraflops: fast": r":3: p2\.xlarge\.teraflops: ",
    "p2.xlarge: {teraflops: -1}": r"p2\.xlarge\.teraflops: .*greater than 0",
    "g5.xlarge:\n  teraflops_in: {fp8: 90}": r":2: g5\.xlarge\.teraflops_in\.fp8.*'tf32', 'bf16' or 'fp16'",
    "g5.xlarge: {teraflops_in: {bf16: 0}}": r"g5\.xlarge\.teraflops_in\.bf16: .*greater than 0",
    "mine: {gpu: x}": r"mine\.teraflops: is needed in a profile that is not built in",
    "mine: 3": r":1: mine: must be a profile's fields",
    "- mine": "must be profiles by name",
    "mine: {": "nodes.yaml:1",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_profile_is_named_with_its_line(own: Path, text: str) -> None:
    """Every mistake is a sentence with file, line and field."""
    own.write_text(text)

    with pytest.raises(
        BadSpecError, match=rf"nodes\.yaml.*{WRONG[text]}" if text != "mine: {" else WRONG[text]
    ):
        load_nodes()


def test_a_file_that_is_not_there_or_not_text(own: Path) -> None:
    """A named file that cannot be read is an error, not an empty one."""
    own.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSpecError, match="is no text in UTF-8"):
        load_nodes()
    own.unlink()
    with pytest.raises(BadSpecError, match="FTJOB_NODES names this file, which is not there"):
        load_nodes()


def test_an_unknown_node_is_answered_with_the_nearest() -> None:
    """A misspelt node says which one was meant, and which there are."""
    with pytest.raises(BadSpecError, match=r"no node p2\.xlrge; did you mean p2\.xlarge\? .*g4dn\.xlarge"):
        get_node("p2.xlrge")
