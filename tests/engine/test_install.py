"""`ftjob engine install caffe`: what it does without the network, and what it says when it cannot."""

import fcntl
import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftjob.engine.caffe.apt import Apt, debian_mirror, explain_apt
from ftjob.engine.caffe.builds import CPU, CUDA, Build
from ftjob.engine.caffe.install import install_caffe
from ftjob.engine.caffe.installed import CaffeInstallation, find_caffe, record_path, write_record
from ftjob.engine.caffe.unpack import PYTHON, drop_unused, unpack, write_launchers
from ftjob.errors import BadSpecError, EngineError, FtjobError, StorageError

Shown = list[tuple[float, float, str]]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing installed."""
    monkeypatch.setenv("FTJOB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FTJOB_DEBIAN_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine: its URL and its folder."""
    (root := tmp_path / "web").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(root))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", root
        server.shutdown()


def silent(*_: object) -> None:
    """Show no progress."""


@pytest.mark.caffe
def test_what_is_installed_is_not_installed_again():
    """A second call returns what is there and shows nothing."""
    shown: Shown = []

    assert install_caffe(progress=lambda *each: shown.append(each)) == find_caffe()
    assert not shown


def test_without_caffe_the_command_to_run_is_named(fresh: Path):
    """Where nothing is installed, where the record is not one, and where its Python is gone."""
    with pytest.raises(EngineError, match="not installed on this machine: run `ftjob engine install caffe`"):
        find_caffe()
    record_path().parent.mkdir(parents=True)
    write_record(CaffeInstallation(fresh / "python", None, "1.0.0", "system"))
    with pytest.raises(EngineError, match=r"python is gone: run `ftjob engine install caffe` again"):
        find_caffe()
    record_path().write_text("{")
    with pytest.raises(EngineError, match=r"cannot be read .*: run `ftjob engine install caffe` again"):
        find_caffe()


def test_a_bundle_may_be_moved_with_its_cache(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its paths are kept relative to the cache."""
    folder = fresh / "engines" / "caffe"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "caffe-python").touch()
    write_record(CaffeInstallation(folder / "bin" / "caffe-python", folder / "bin", "1.0.0", "bundle"))

    fresh.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("FTJOB_CACHE", str(tmp_path / "elsewhere"))

    assert find_caffe().python == tmp_path / "elsewhere/engines/caffe/bin/caffe-python"
    with pytest.raises(EngineError, match=r"no program caffe: .* without --python"):
        find_caffe().program("caffe")


@pytest.mark.caffe
def test_a_pycaffe_that_is_there_is_taken(fresh: Path, monkeypatch: pytest.MonkeyPatch):
    """It is tried with a net before it is recorded, and nothing is downloaded."""
    with monkeypatch.context() as machine:
        machine.delenv("FTJOB_CACHE")
        python = find_caffe().python
    monkeypatch.delenv("FTJOB_ENGINES", raising=False)

    found = install_caffe(python=python, progress=silent)

    assert (found, found.origin, found.version) == (find_caffe(), "system", "1.0.0")


def test_a_python_without_pycaffe_is_refused(fresh: Path):
    """With what it lacks, and nothing recorded."""
    with pytest.raises(
        EngineError, match=r"--python .*: its Python cannot load pycaffe: No module named 'caffe'"
    ):
        install_caffe(python=Path(sys.executable), progress=silent)
    assert not record_path().exists()


def test_too_little_disk_is_reported_before_anything_is_fetched(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
):
    """With what is needed and what is free."""
    monkeypatch.setenv("FTJOB_CACHE", str(small_disk))

    with pytest.raises(StorageError, match=r"Caffe needs 950 MB more under .* and [0-9] MB are free"):
        install_caffe(mirror="http://127.0.0.1:9/debian", progress=silent)


def test_a_mirror_that_cannot_be_reached_is_named(fresh: Path):
    """apt itself is asked; the sentence says what else there is."""
    with pytest.raises(
        EngineError, match=r"mirror http://127.0.0.1:9/debian cannot be reached: .*--mirror URL"
    ):
        install_caffe(mirror="http://127.0.0.1:9/debian", progress=silent)


def test_a_mirror_without_the_release_is_named(fresh: Path, web: tuple[str, Path]):
    """One that answers, but has no Debian 11."""
    with pytest.raises(EngineError, match="does not have Debian's bullseye: name one that does"):
        install_caffe(mirror=web[0], progress=silent)


def test_an_unsigned_mirror_is_refused(fresh: Path, web: tuple[str, Path], monkeypatch: pytest.MonkeyPatch):
    """Even where the machine's own apt settings would let it pass."""
    release = web[1] / "dists" / "bullseye" / "Release"
    release.parent.mkdir(parents=True)
    release.write_text("Origin: Debian\nCodename: bullseye\nSuite: bullseye\nComponents: main\nSHA256:\n")
    lax = web[1] / "apt.conf"
    lax.write_text('Acquire::AllowInsecureRepositories "true"; APT::Get::AllowUnauthenticated "true";\n')
    monkeypatch.setenv("APT_CONFIG", str(lax))

    with pytest.raises(EngineError, match=r"is not signed with a key of .*debian-archive-keyring"):
        install_caffe(mirror=web[0], progress=silent)


DEB822 = (
    "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
)
ONE_LINE = "deb [arch=amd64] http://old.example/debian/ stable main contrib\n"
OTHERS = (
    "deb http://security.example/debian-security bookworm-security main\n"
    "deb http://tools.example/apt nodistro main\ndeb http://ubuntu.example/ubuntu noble main\n"
)


@pytest.mark.parametrize(
    ("name", "text", "mirror"),
    [
        ("a.sources", DEB822, "http://mirror.example/debian"),
        ("a.list", OTHERS + ONE_LINE, "http://old.example/debian"),
        ("a.list", OTHERS, None),
    ],
)
def test_the_mirror_is_the_machines_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, mirror: str | None
):
    """From either format of apt's sources; what is no Debian archive is passed over, none is guessed."""
    monkeypatch.delenv("FTJOB_DEBIAN_MIRROR", raising=False)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / name).write_text(text)
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "{tmp_path / "sources"}";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))

    if mirror:
        assert debian_mirror(tmp_path / "apt", None) == mirror
    else:
        with pytest.raises(EngineError, match="knows no Debian mirror: name one with --mirror URL"):
            debian_mirror(tmp_path / "apt", None)


def test_a_mirror_asked_for_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before the environment's, which is before the machine's; it is to be a URL."""
    monkeypatch.setenv("FTJOB_DEBIAN_MIRROR", "http://env.example/debian")

    assert debian_mirror(tmp_path, "http://asked.example/debian/") == "http://asked.example/debian"
    assert debian_mirror(tmp_path, None) == "http://env.example/debian"
    with pytest.raises(BadSpecError, match="is not a URL"):
        debian_mirror(tmp_path, "http://a.example/debian\nTrusted: yes")


@pytest.mark.parametrize(
    ("stderr", "kind", "sentence"),
    [
        ("E: Write error - write (28: No space left on device)", StorageError, "cache is full"),
        ("W: GPG error: x InRelease: NO_PUBKEY 0E98404D386FA1D9", EngineError, "not signed with a key"),
        ("W: Failed to fetch x Temporary failure resolving 'm'", EngineError, "cannot be reached"),
        ("E: Something new\nE: More", EngineError, "Something new; run the same command again to continue"),
    ],
)
def test_what_apt_prints_becomes_a_sentence(stderr: str, kind: type[FtjobError], sentence: str):
    """Its first error where the reason is not known."""
    with pytest.raises(kind, match=sentence):
        raise explain_apt(stderr, "http://mirror.example/debian")


@pytest.fixture
def make_deb(tmp_path: Path) -> Callable[[str], Path]:
    """Build a package of one file, /usr/share/doc/<name>/readme, and a copyright."""

    def make(name: str) -> Path:
        tree = tmp_path / "trees" / name
        (doc := tree / "usr" / "share" / "doc" / name).mkdir(parents=True)
        (doc / "readme").write_text(name)
        (doc / "copyright").write_text("free")
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: d\n"
        )
        deb = tmp_path / f"{name}.deb"
        subprocess.run(["dpkg-deb", "--build", tree, deb], check=True, capture_output=True)
        return deb

    return make


def test_unpacking_goes_on_where_it_was(tmp_path: Path, make_deb: Callable[[str], Path]):
    """What was unpacked before is not unpacked again; a damaged package is removed, to be fetched anew."""
    first, second = make_deb("first"), make_deb("second")
    good, shown = second.read_bytes(), Shown()
    second.write_bytes(good[:300])
    root, done = tmp_path / "root", tmp_path / "done"

    with pytest.raises(EngineError, match=r"second.deb cannot be unpacked and was removed"):
        unpack([first, second], root, done, silent)
    assert not second.exists()
    (root / "usr/share/doc/first/readme").write_text("kept")
    second.write_bytes(good)
    unpack([first, second], root, done, lambda *each: shown.append(each))

    assert (root / "usr/share/doc/first/readme").read_text() == "kept"
    assert (root / "usr/share/doc/second/readme").read_text() == "second"
    assert shown == [(2, 2, "packages unpacked")]


def test_documentation_goes_and_copyrights_stay(tmp_path: Path, make_deb: Callable[[str], Path]):
    """What the packages' licences ask for is kept."""
    unpack([make_deb("one")], tmp_path / "root", tmp_path / "done", silent)

    drop_unused(tmp_path / "root")

    assert [path.name for path in (tmp_path / "root/usr/share/doc/one").iterdir()] == ["copyright"]


@pytest.mark.parametrize("build", [CPU, CUDA], ids=["cpu", "cuda"])
def test_a_launcher_finds_its_bundle_through_a_link(tmp_path: Path, build: Build):
    """It runs the bundle's program with the bundle's loader from wherever it is called."""
    loader = tmp_path / "bundle/root/lib/x86_64-linux-gnu/ld-2.31.so"
    loader.parent.mkdir(parents=True)
    loader.write_text('#!/bin/sh\necho "$PYTHONHOME" "$2" "$3" "$4"\n')
    loader.chmod(0o755)
    write_launchers(tmp_path / "bundle", "x86_64-linux-gnu", build)
    (tmp_path / "link").symlink_to(tmp_path / "bundle/bin/caffe-python")

    output = subprocess.run([tmp_path / "link", "x.py"], check=True, capture_output=True, text=True).stdout
    home, libraries, *words = output.split()

    root = tmp_path.resolve() / "bundle/root"
    assert [home, *words] == [f"{root}/usr", f"{root}/usr/bin/{PYTHON}", "x.py"]
    assert libraries.endswith(build.last or f"{root}/usr/lib")


def test_an_image_has_its_engines_apart_from_the_cache(fresh: Path, monkeypatch: pytest.MonkeyPatch):
    """Below $FTJOB_ENGINES, so that a volume may be mounted over the cache."""
    monkeypatch.setenv("FTJOB_ENGINES", str(fresh / "part of the image"))
    record_path().parent.mkdir(parents=True)
    write_record(CaffeInstallation(Path("/bin/true"), None, "1.0.0", "bundle"))
    monkeypatch.setenv("FTJOB_CACHE", str(fresh / "volume"))

    assert find_caffe().python == Path("/bin/true")


def test_a_second_install_waits_for_the_first(fresh: Path):
    """And says so; then it finds what the first has done."""
    (fresh / "engines").mkdir(parents=True)
    shown: Shown = []
    with (fresh / "engines" / "caffe.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(0.3, lock.close).start()

        with pytest.raises(EngineError, match="cannot be reached"):
            install_caffe(mirror="http://127.0.0.1:9/debian", progress=lambda *each: shown.append(each))

    assert shown[:2] == [(0, 1, "waiting for another install"), (1, 1, "waiting for another install")]


@pytest.mark.parametrize("has_them", [True, False])
def test_security_updates_are_taken_where_the_mirror_has_them(tmp_path: Path, has_them: bool):
    """Beside its release; a mirror that has no such folder gives the release alone, signed as before."""
    mirror = tmp_path / "debian"

    class Recorded(Apt):
        def command(self, *arguments: str) -> list[str]:
            return ["sh", "-ec", f"cat {self.folder}/sources/* >> {tmp_path}/asked; {fails}"]

    fails = "true" if has_them else f"! grep -q debian-security {tmp_path}/apt/sources/*"
    apt = Recorded(tmp_path / "apt", str(mirror), "amd64", 0)
    apt.prepare()
    apt.update()

    asked = (tmp_path / "asked").read_text().split("Types: deb\n")[1:]
    assert f"URIs: {mirror}-security\nSuites: bullseye-security\n" in asked[1]
    assert [f"URIs: {mirror}\n" in each for each in asked] == (
        [True, False] if has_them else [True, False, True]
    )
