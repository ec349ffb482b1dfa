"""What a GPU makes of ftjob: one command, eight minutes, for a machine that has one.

    make bench B=gpu          or python -m benchmarks.gpu [--device cpu] [--smoke] [--seconds 480]

GoogLeNet, VGG-16 and ResNet-50 train from an LMDB in the precision that `auto` takes on the device (bf16 from
Ampere on), against plain PyTorch that trains the same nets (benchmarks/gpu/plainnets.py; a test compares
outputs, gradients, params and operations) with the same batch in the same precision on images that lie on the
device: channels-last, autocast, SGD in one kernel, once eager and once compiled, of which the faster counts.
Beside that: the share of time that training waits for images, operations/s as a share of the peak that a
large product of matrices reaches, memory as a ratio of the plan's forecast, a frozen trunk and its kept
features, how long a snapshot stops training, each engine in each precision with a run that was killed and
resumes, and what a batch beyond the memory ends as.

Every part is a process of its own, with a share of the time and what earlier ones left of theirs. A part that
fails or does not end in time is named, with the reason, in the table and in `left_out`; the exit code is 1
then. The last line is a JSON object of all figures.

--device cpu computes on processors; --smoke takes two images at once of GoogLeNet alone, compiles nothing,
and measures nothing of use: it shows that this program works.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu.parts import Part, parts_of
from benchmarks.gpu.setting import Figures, Setting
from benchmarks.gpu.summary import lines, ratios
from ftjob.engine.inventory import take_inventory
from ftjob.engine.threads import with_threads
from ftjob.nodes.profiles import ENV_NODES

SECONDS = 480.0


def main() -> None:
    """Measure all parts, or the one that `--part` names; print what was found."""
    options = read_options()
    found = take_inventory()
    devices = found.driver.devices if found.driver and options.device == "gpu" else ()
    if options.device == "gpu" and not devices:
        sys.exit("no GPU: no NVIDIA driver answers, or it shows no device (--device cpu tries this program)")
    device = devices[0] if devices else None
    if options.part:
        setting = Setting(options.folder, device, options.smoke)
        [part] = [each for each in parts_of(setting, found)[0] if each.name == options.part]
        print(json.dumps(part.measure(setting)))
        return
    with tempfile.TemporaryDirectory(prefix="ftjob-gpu-") as folder:
        setting = Setting(Path(folder), device, options.smoke)
        parts, left_out = parts_of(setting, found)
        title = f"{device.title}, driver {found.driver.title}" if device and found.driver else "processors"
        print(f"{title}; PyTorch {found.torch}; {setting.precision}", flush=True)
        begin = time.monotonic()
        figures, failed = run_all(parts, setting, options.seconds)
        figures |= ratios(figures, setting.precision, tuple(case.name for case in setting.cases))
        for line in lines(figures):
            print(line)
        for name, why in (left_out | failed).items():
            print(f"left out: {name}: {why}")
        about: Figures = {
            "device": title,
            "torch": found.torch,
            "precision": setting.precision,
            "smoke": setting.smoke,
            "seconds": round(time.monotonic() - begin, 1),
        }
        print(json.dumps({**about, **figures, "left_out": left_out | failed}))
    sys.exit(1 if failed else 0)


def read_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--smoke", action="store_true", help="only see that everything works")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all parts together")
    parser.add_argument("--part", help="measure this part alone, in --folder")
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


def run_all(parts: list[Part], setting: Setting, seconds: float) -> tuple[Figures, dict[str, str]]:
    """Run the parts one after the other; return the figures, and why parts are missing, by name."""
    figures, failed = Figures(), dict[str, str]()
    begin, used, total = time.monotonic(), 0.0, sum(part.share for part in parts)
    environment = with_threads({**os.environ, ENV_NODES: str(setting.write_nodes())})
    for part in parts:
        used += part.share / total
        began = time.monotonic()
        measured, problem = run_part(part, setting, begin + used * seconds - began, environment)
        figures |= measured
        if problem:
            failed[part.name] = problem
        outcome = f"{part.name}: {problem}" if problem else part.name
        print(f"{time.monotonic() - began:6.1f} s  {outcome}", flush=True)
    return figures, failed


def run_part(part: Part, setting: Setting, limit: float, environment: dict[str, str]) -> tuple[Figures, str]:
    """Run a part in a process of its own; return its figures, and what went wrong, empty for nothing."""
    words = ["--part", part.name, "--folder", str(setting.folder)]
    words += ["--device", "gpu" if setting.device else "cpu", *(["--smoke"] if setting.smoke else [])]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gpu", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, log = process.communicate(timeout=max(0.0, limit))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return {}, f"not done within its {max(0.0, limit):.0f} s"
    if process.returncode:
        last = log.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        return {}, last[0]
    return dict(json.loads(out.splitlines()[-1])), ""


if __name__ == "__main__":
    main()
