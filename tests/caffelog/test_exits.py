"""Ends without words of Caffe's: each is called what it was, and killed only what was."""

from pathlib import Path

import pytest

from ftjob import api

STAMP = "1121 22:57:00.828 15820 "
TRAINING = f"I{STAMP}solver.cpp:289] Solving tiny\nI{STAMP}solver.cpp:239] Iteration 20, loss = 1\n"
MAKING = (
    f"I{STAMP}solver.cpp:102] Creating training net\nI{STAMP}layer_factory.hpp:77] Creating layer conv1\n"
)
STEPPED = f"I{STAMP}solver.cpp:57] Solver scaffolding done.\nI{STAMP}solver.cpp:239] Iteration 20, loss = 1\n"
MEMORY = "Caffe read memory that is not its own (SIGSEGV)"
SHORT = "Caffe read a part of a file that is not there (SIGBUS): an LMDB is shorter than it says"
OUTSIDE = "the process was killed from outside"
TRACE = 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    solver.step(1)\n'

IMPORT = 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    import caffe\n'
STARTS = {
    "./build/tools/caffe: error while loading shared libraries: libcudart.so.8.0: cannot open shared object "
    "file: No such file or directory": "the library libcudart.so.8.0, which it was built with, is not found",
    f"{IMPORT}ImportError: libcudnn.so.5: cannot open shared object file: No such file or directory": (
        "the library libcudnn.so.5, which it was built with, is not found"
    ),
    f"{IMPORT}ImportError: No module named caffe": "there is no module caffe",
    f"{IMPORT}ModuleNotFoundError: No module named '_caffe'": "there is no module _caffe",
    f"{IMPORT}ModuleNotFoundError: No module named 'skimage'": "its Python has no module skimage",
    f"{IMPORT}ImportError: caffe/_caffe.so: undefined symbol: x": "cannot load pycaffe: caffe/_caffe.so",
    f"{IMPORT}ImportError: numpy.core.multiarray failed to import": "cannot load pycaffe: numpy.core",
    "[libprotobuf FATAL google/protobuf/stubs/common.cc:61] This program requires version 3.2.0 of the "
    "Protocol Buffer runtime library, but the installed version is 2.6.1.  Please update your library.\n"
    "terminate called after throwing an instance of 'google::protobuf::FatalException'": (
        "it was built with protobuf 3.2.0, and 2.6.1 is installed"
    ),
    "ERROR: unknown command line flag 'solvr'": "`caffe` has no option -solvr",
    "./train.sh: line 3: caffe: command not found": "the program caffe is not found here",
    "./train.sh: 3: ./train.sh: ./build/tools/caffe: not found": "the program caffe is not found here",
    "bash: ./build/tools/caffe: No such file or directory": "the program caffe is not found here",
}
ENDS = {
    # glog, shells, MPI, DIGITS, Docker, PyCharm
    "*** SIGSEGV (@0x0) received by PID 8640 (TID 0x7ed8) from PID 0; stack trace: ***": MEMORY,
    "./train.sh: line 3: 12345 Segmentation fault      (core dumped) caffe train": MEMORY,
    "[2]    17376 segmentation fault (core dumped)  caffe train": MEMORY,
    "Segmentation fault: 11": MEMORY,
    "2018-05-19 17:34:03 [20180519-173401-20b7] [ERROR] Train Caffe Model task failed with error code -11": (
        MEMORY
    ),
    "Process finished with exit code -1073741819 (0xC0000005)": MEMORY,
    "*** SIGBUS (@0x7f0f6be91000) received by PID 8640 (TID 0x7ed81e0cd700); stack trace: ***": SHORT,
    "Bus error (core dumped)": SHORT,
    "[n7:00334] Signal: Bus error (7)": SHORT,
    "mpirun noticed that process rank 0 with PID 7 on node n7 exited on signal 7 (Bus error).": SHORT,
    "ERROR: error code -7": SHORT,
    "Floating point exception (core dumped)": "Caffe divided by zero",
    "zsh: illegal hardware instruction  caffe train\nIllegal instruction: 4": "built for another processor",
    "Aborted (core dumped)": "Caffe aborted (SIGABRT), and this log does not say why",
    "terminate called after throwing an instance of 'cv::Exception'\n  what():  !ssize.empty()\nAborted": (
        "Caffe ended with an exception, cv::Exception: !ssize.empty()"
    ),
    f"{TRACE}IndexError: no such index": "the program around Caffe ended with IndexError: no such index",
    "Killed": f"{OUTSIDE} (SIGKILL)",
    "./train.sh: line 3: 12345 Killed                  caffe train": f"{OUTSIDE} (SIGKILL)",
    "Killed: 9": f"{OUTSIDE} (SIGKILL)",
    "trainer-1 exited with code 137": f"{OUTSIDE} (SIGKILL)",
    "Terminated": f"{OUTSIDE} (SIGTERM)",
    '*** Aborted at 1438051127 (unix time) try "date -d @1438051127" if you are using GNU date ***\n'
    "*** SIGTERM (@0x7f0f6be91000) received by PID 8640; stack trace: ***": f"{OUTSIDE} (SIGTERM)",
    "Hangup": f"{OUTSIDE} (SIGHUP), as its terminal was closed",
    f"I{STAMP}blocking_queue.cpp:49] Waiting for data": "the training was waiting for data",
    "Data layer prefetch queue empty": "the training was waiting for data",
    f"I{STAMP}blocking_queue.cpp:49] Waiting for data\nKilled": f"{OUTSIDE} (SIGKILL)",
    # circumstances
    "slurmstepd: error: *** JOB 7 ON n7 CANCELLED AT 2026-05-12T10:00:00 DUE TO TIME LIMIT ***": "time limit",
    "slurmstepd: error: *** JOB 7 ON n7 CANCELLED AT 2026-05-12T10:00:00 DUE TO PREEMPTION ***": (
        "took the node back"
    ),
    "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch.\nKilled": "the memory of its machine",
    "The node was low on resource: ephemeral-storage. Container caffe was using 40Gi": "evicted it",
    f"{TRACE}KeyboardInterrupt": "it was interrupted at the keyboard",
    "^C": "it was interrupted at the keyboard",
    "": f"{OUTSIDE}, unless it is still running",
}


@pytest.mark.parametrize("end", ENDS)
def test_each_end_has_its_name(tmp_path: Path, end: str) -> None:
    """With what to do; what shows it is the line that says so."""
    (tmp_path / "log").write_text(f"{TRAINING}{end}\n")

    found = api.explain(str(tmp_path / "log"))

    assert ENDS[end] in found.cause
    assert not found.healthy
    assert found.seen in f"{TRAINING}{end}"


@pytest.mark.parametrize(
    "end",
    [
        "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2: Resource temporarily unavail",
        "libgomp: Thread creation failed: Resource temporarily unavailable",
        "/home/u/caffe/bin/caffe-python: 3: Cannot fork",
        f"{TRACE}RuntimeError: can't start new thread",
    ],
)
def test_a_limit_on_processes_is_named_with_its_remedy(tmp_path: Path, end: str) -> None:
    """Libraries, shell and Python call it differently."""
    (tmp_path / "log").write_text(f"{TRAINING}{end}\n")

    found = api.explain(str(tmp_path / "log"))

    assert found.cause == "no more processes and threads can be started here"
    assert "ulimit -u" in found.fix
    assert "pids.max" in found.fix


@pytest.mark.parametrize("end", ENDS)
def test_what_follows_the_end_of_a_training_is_not_its_end(tmp_path: Path, end: str) -> None:
    """Other commands of a script may fail after it."""
    (tmp_path / "log").write_text(f"{TRAINING}I{STAMP}caffe.cpp:250] Optimization Done.\n{end}\n")

    assert api.explain(str(tmp_path / "log")).healthy


@pytest.mark.parametrize(
    ("log", "cause", "healthy"),
    [
        (f"{MAKING}Segmentation fault\n", "(SIGSEGV) as it made a net, before it read any label", False),
        (MAKING, OUTSIDE, False),
        (STEPPED, "nothing is wrong here", True),
        (f"{STEPPED}Killed\n", f"{OUTSIDE} (SIGKILL)", False),
        (f"I{STAMP}caffe.cpp:281] Running for 50 iterations.\n", "no training is in this log", True),
        (f"E{STAMP}io.cpp:80] Could not open or find file /a b/c.jpg\nI{STAMP}x.cpp:1] Processed 3 files.\n",
         "the image /a b/c.jpg is missing or unreadable, and was left out", False),
        (f"I{STAMP}convert_imageset.cpp:86] A total of 0 images.\nI{STAMP}db_lmdb.cpp:35] Opened lmdb x\n",
         "convert_imageset found no image in its list, so the LMDB it made is empty", False),
        (f"I{STAMP}caffe.cpp:309] Loss: 0.3\n", "no training is in this log", True),
        (f"{TRAINING}I{STAMP}solver.cpp:1] [0 - 0] Optimization stopped early.\n", "by a signal", True),
        (f"{TRAINING}I{STAMP}caffe.cpp:1] Optimization Done in 7m 5s\n", "nothing is wrong here", True),
        ("    @ 0x566ab3 caffe::Solver<>::Step()\nAborted (core dumped)\n", "does not say why", False),
        ("2026-11-28T14:49:23Z own: attempt 1 begins\n", OUTSIDE, False),
        ("2026-11-28T14:49:23Z own: attempt 1 begins\n2026-11-28T14:49:27Z Failed: no net: mend it\n",
         "no net: mend it", False),
        ("2026-11-28T14:49:23Z own: attempt 2 begins\n2026-11-28T14:49:27Z Succeeded: bundle made\n",
         "nothing is wrong here", True),
        ("own/1f10053cbc Running 2/9, loss 1\nown/1f10053cbc Failed 2/9, loss nan: the loss is nan\n",
         "the loss is nan", False),
    ],
)  # fmt: skip
def test_what_was_going_on_decides(tmp_path: Path, log: str, cause: str, healthy: bool) -> None:
    """A crash before any label was read, a solver stepped by a program, other programs of Caffe's, a run."""
    (tmp_path / "log").write_text(log)

    found = api.explain(str(tmp_path / "log"))

    assert cause in found.cause
    assert found.healthy == healthy


@pytest.mark.parametrize("log", STARTS)
def test_a_program_that_did_not_start_is_explained(tmp_path: Path, log: str) -> None:
    """Although nothing in its log is Caffe's; and not where Caffe wrote after it."""
    (tmp_path / "log").write_text(f"+ run\n{log}\n")
    (tmp_path / "again").write_text(f"{log}\n{TRAINING}I{STAMP}caffe.cpp:259] Optimization Done.\n")

    found = api.explain(str(tmp_path / "log"))

    assert STARTS[log] in found.cause
    assert found.fix
    assert found.seen in log
    assert api.explain(str(tmp_path / "again")).healthy
