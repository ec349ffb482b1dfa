"""How fast `data build` makes LMDBs of 256x256 from JPEGs, beside Caffe's convert_imageset.

5,000 JPEGs of about 500x375 and 65 KB are made once. Both tools then make a raw LMDB and one of JPEG records
from them, in turn, ROUNDS times; what is timed is a whole process from its start to its end, on disk, and the
figure is the median over the rounds of the ratio within a round. Of ours also: the most memory, the cost per
image at 1,000, 5,000 and 50,000 images (the same files under more names), and the time of `data check`.

$ROUNDS sets the rounds, $LARGE the largest number of images.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ftjob.concurrency import processors
from ftjob.engine.caffe.installed import find_caffe

ROUNDS = int(os.environ.get("ROUNDS", "5"))
LARGE = int(os.environ.get("LARGE", "50000"))
IMAGES = 5000
CLASSES = 10
SIDE = 256
FOLDER = Path(".cache/bench/data_build").absolute()
BUILD = """
import sys
from pathlib import Path
from ftjob.dataset.build.build import BuildOptions, build
build(Path(sys.argv[1]), Path(sys.argv[2]), BuildOptions(encoding=sys.argv[3]))
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
CHECK = """
import sys
from pathlib import Path
from ftjob.dataset.check.check import check
check(Path(sys.argv[1]))
"""


@dataclass(frozen=True)
class Run:
    """One process, from its start to its end."""

    seconds: float
    output: str
    """What it printed; ftjob's programs print their peak resident KiB, mapped files included."""


def main() -> None:
    """Run everything; print a table and the figures."""
    images = make_images(FOLDER / f"images-{IMAGES}", IMAGES)
    figures: dict[str, Any] = {"images": IMAGES, "cores": processors.share(), "rounds": ROUNDS}
    for kind in ("encoded", "raw"):
        figures |= against_caffe(images, kind)
    figures |= growth(images)
    fresh("out"), fresh("theirs")
    print(json.dumps(figures))


def against_caffe(images: Path, kind: str) -> dict[str, Any]:
    """Time both tools in alternation, and the check of what ours made."""
    found: dict[str, list[Run]] = {"convert_imageset": [], "ftjob": [], "check": []}
    for _ in range(ROUNDS):
        found["convert_imageset"].append(convert_imageset(images, kind))
        found["ftjob"].append(data_build(images, kind))
        found["check"].append(timed(images, [sys.executable, "-c", CHECK, str(FOLDER / "out" / "train")]))
        speeds = {name: IMAGES / runs[-1].seconds for name, runs in found.items()}
        print(
            f"{kind:<8}" + "".join(f"{name:>18} {speed:7.0f}/s" for name, speed in speeds.items()), flush=True
        )
    pairs = zip(found["convert_imageset"], found["ftjob"], strict=True)
    medians = {name: statistics.median(run.seconds for run in runs) for name, runs in found.items()}
    return {
        f"ratio_{kind}": round(statistics.median(theirs.seconds / ours.seconds for theirs, ours in pairs), 3),
        f"seconds_{kind}": {name: round(seconds, 2) for name, seconds in medians.items()},
        f"peak_mib_{kind}": max(peak_mib(run) for run in found["ftjob"]),
    }


def growth(images: Path) -> dict[str, Any]:
    """Time ours, encoded, on fewer and on many more images."""
    cost, peak = {}, {}
    for count in (1000, IMAGES, LARGE):
        some = images if count == IMAGES else same_images(images, FOLDER / f"images-{count}", count)
        run = data_build(some, "encoded")
        cost[count], peak[count] = round(run.seconds / count * 1000, 3), peak_mib(run)
        if some != images:
            shutil.rmtree(some)
        print(f"{count:>8} images: {cost[count]} ms per image, {peak[count]} MiB", flush=True)
    return {"ms_per_image": cost, "peak_mib": peak}


def convert_imageset(images: Path, kind: str) -> Run:
    """Time Caffe's tool on the same files."""
    flags = ["--encoded", "--encode_type=jpg"] if kind == "encoded" else []
    size = [f"--resize_width={SIDE}", f"--resize_height={SIDE}"]
    out = fresh("theirs")
    program = str(find_caffe().program("convert_imageset"))
    return timed(images, [program, *size, *flags, f"{images}/", f"{images}.txt", str(out)])


def data_build(images: Path, kind: str) -> Run:
    """Time ours."""
    encoding = {"encoded": "jpg", "raw": "raw"}[kind]
    return timed(images, [sys.executable, "-c", BUILD, str(images), str(fresh("out")), encoding])


def timed(images: Path, command: list[str]) -> Run:
    """Run a process with nothing left to be written to disk from before, and all images in memory: whoever
    comes first must not read them for the others."""
    for path in images.glob("*/*.jpg"):
        path.read_bytes()
    os.sync()
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return Run(time.perf_counter() - began, done.stdout)


def peak_mib(run: Run) -> int:
    return round(int(run.output) / 1024)


def fresh(name: str) -> Path:
    """A path where nothing is."""
    path = FOLDER / name
    shutil.rmtree(path, ignore_errors=True)
    return path


def make_images(folder: Path, count: int) -> Path:
    """Write the JPEGs, a folder per class, and the list that convert_imageset reads; once."""
    listing = folder.with_suffix(".txt")
    if not listing.exists():
        for label in range(CLASSES):
            (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda seed: (folder / name_of(seed)).write_bytes(picture(seed)), range(count)))
        listing.write_text("".join(f"{name_of(seed)} {seed % CLASSES}\n" for seed in range(count)))
    return folder


def same_images(images: Path, folder: Path, count: int) -> Path:
    """Give the files of a folder other names in another, as many as wanted."""
    shutil.rmtree(folder, ignore_errors=True)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
    for seed in range(count):
        (folder / name_of(seed)).hardlink_to(images / name_of(seed % IMAGES))
    return folder


def name_of(seed: int) -> str:
    return f"class{seed % CLASSES}/{seed:06d}.jpg"


def picture(seed: int) -> bytes:
    """A JPEG with large shapes, fine texture and some noise, as photographs have; every fourth upright."""
    chance = np.random.default_rng(seed)
    image = sum(octave[chance.integers(len(octave))] for octave in textures()) + chance.uniform(90, 150)
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    if seed % 4 == 0:
        pixels = np.ascontiguousarray(pixels.swapaxes(0, 1))
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


@cache
def textures() -> list[list[NDArray[np.float32]]]:
    """A dozen fields of noise for each of five scales, mostly grey, the larger the stronger."""
    chance = np.random.default_rng(0)
    octaves = []
    for waves, strength in ((4, 70), (12, 40), (40, 24), (120, 14), (400, 7)):
        fields = chance.standard_normal((12, waves * 3 // 4, waves, 3)).astype(np.float32)
        fields = 0.8 * fields.mean(axis=3, keepdims=True) + 0.5 * fields
        octaves.append(
            [strength * cv2.resize(field, (500, 375), interpolation=cv2.INTER_CUBIC) for field in fields]
        )
    return octaves


if __name__ == "__main__":
    main()
