"""`ftjob serve` as users run it."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from ftjob.errors import ExitCode
from ftjob.web.installed import require_extra
from ftjob.web.server import listen
from tests.serve.conftest import Address, ask
from tests.storage.processes import wait_until

COMMAND = [sys.executable, "-m", "ftjob", "serve"]


@contextmanager
def program(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", Address]]:
    """Run the program until it has printed its address."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            address = urlsplit(running.stdout.readline())
            yield running, (address.hostname or "", address.port or 0)
        finally:
            running.kill()


@pytest.mark.torch
def test_a_server_that_is_stopped_answers_what_has_begun(made: Path) -> None:
    """It ends well, and none of the requests before, during and after SIGTERM is lost."""
    picture = (made / "golden" / "00.png").read_bytes()
    lost: list[object] = []
    answers: list[int] = []

    def classify() -> None:
        while True:
            try:
                answers.append(ask(address, "POST", "/classify", picture)[0])
            except ConnectionRefusedError:
                return
            except OSError as error:
                lost.append(error)

    with program(str(made), "--port", "0", "--linger", "1") as (running, address):
        callers = [threading.Thread(target=classify) for _ in range(4)]
        for caller in callers:
            caller.start()
        wait_until(lambda: len(answers) > 20, 60, "the callers are answered")
        running.send_signal(signal.SIGTERM)
        for caller in callers:
            caller.join(60)
        assert running.wait(60) == 0
    assert not lost
    assert set(answers) == {200}


@pytest.mark.torch
def test_a_server_that_is_stopped_is_first_not_ready(made: Path) -> None:
    """While it still answers: whoever balances loads sends nothing more before connections are refused."""
    picture = (made / "golden" / "00.png").read_bytes()
    with program(str(made), "--port", "0", "--linger", "120") as (running, address):
        assert ask(address, "GET", "/v2/health/ready")[0] == 200
        running.send_signal(signal.SIGTERM)
        wait_until(lambda: ask(address, "GET", "/v2/health/ready")[0] == 503, 60, "it is not ready")
        assert ask(address, "GET", "/v2/health/live")[0] == 200
        assert ask(address, "POST", "/classify", picture)[0] == 200


@pytest.mark.torch
def test_a_caffe_that_is_killed_is_started_again(made: Path) -> None:
    """Its caller is answered all the same, and the metrics show it."""
    picture = (made / "golden" / "00.png").read_bytes()
    with program(str(made), "--port", "0", "--engine", "caffe") as (running, address):
        before = ask(address, "POST", "/classify", picture)
        [caffe] = psutil.Process(running.pid).children()
        caffe.kill()
        assert ask(address, "POST", "/classify", picture)[::2] == before[::2]
        assert "ftjob_serve_engine_restarts_total 1.0" in ask(address, "GET", "/metrics")[2].decode()
        running.terminate()
        assert running.wait(60) == 0


@pytest.mark.torch
def test_a_port_that_is_taken_is_one_sentence(made: Path) -> None:
    """Before the net is opened."""
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, str(made), "--port", port], capture_output=True, text=True)
    assert done.returncode == ExitCode.BAD_SPEC
    assert done.stderr == f"--host 127.0.0.1 --port {port}: cannot listen there: Address already in use\n"


def test_a_missing_extra_is_one_sentence() -> None:
    """With how to install it."""
    with pytest.raises(
        Exception, match=r"no_such_module is not installed .*: `pip install 'ftjob\[serve\]'`"
    ):
        require_extra("serve", "json", "no_such_module")
