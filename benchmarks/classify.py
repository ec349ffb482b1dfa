"""Pictures a second of `ftjob classify` beside OpenCV's dnn with the same bundle, files and threads.

A GoogLeNet is trained for one iteration, which makes a bundle, and JPEG files as of a camera's preview are
written. Then, in turn, several rounds: ftjob's classifier from the list of files to the last answer, and the
program that a user of OpenCV writes with the file of `ftjob export --onnx`: imread, resize, crop,
blobFromImages, a forward for each batch. That is measured twice, reading one file after the other, and with
the files of the next batches read by threads; the ratio is against the faster. Starting (Python, the engine,
reading the net) is left out on both sides. The answers of both must be the same.

$IMAGES sets how many (1,000), $ROUNDS the rounds (3), $ENGINE the engine (auto).
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import ftjob
from ftjob.answers.answer import Classification
from ftjob.answers.pictures import find_pictures
from ftjob.bundle.classifier import Classifier, Model, open_classifier, read_for_use, softmax
from ftjob.bundle.export import export
from ftjob.bundle.hardware import choose_hardware
from ftjob.concurrency import processors
from ftjob.concurrency.ahead import in_order
from jobspec import JobSpec

ROUNDS = int(os.environ.get("ROUNDS", "3"))
IMAGES = int(os.environ.get("IMAGES", "1000"))
ENGINE = os.environ.get("ENGINE", "auto")
BATCH = 32
HEIGHT, WIDTH = 480, 640
SAME = 1e-3
"""By which two probabilities may differ."""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        paths = write_photos(root / "photos", IMAGES)
        bundle = make_bundle(root)
        model = read_for_use(bundle)
        hardware = choose_hardware(ENGINE, gpu=False, precision="fp32", fastest_for=model.net)
        figures: dict[str, list[float]] = {"ftjob": [], "opencv": [], "opencv, read ahead": []}
        exported = root / "bench.onnx"
        export(bundle, exported, "onnx")
        net = cv2.dnn.readNetFromONNX(str(exported))
        with open_classifier(model, hardware) as classifier:
            ways: dict[str, Callable[[], NDArray[np.float32]]] = {
                "ftjob": partial(ask_ftjob, classifier, paths),
                "opencv": partial(ask_opencv, net, model, paths, ahead=False),
                "opencv, read ahead": partial(ask_opencv, net, model, paths, ahead=True),
            }
            expected = ways["opencv"]()  # which also warms up
            for _ in range(ROUNDS):
                for name, way in ways.items():
                    begin = time.perf_counter()
                    shares = way()
                    figures[name].append(len(paths) / (time.perf_counter() - begin))
                    assert np.abs(shares - expected).max() < SAME, name
    show(figures, hardware.engine)


def show(figures: dict[str, list[float]], engine: str) -> None:
    """Print a table, and the JSON of the medians and their ratio."""
    medians = {name: statistics.median(each) for name, each in figures.items()}
    for name, each in figures.items():
        print(f"{name:<20} {medians[name]:7.1f} images/s  ({min(each):.1f} to {max(each):.1f})")
    best = max(medians["opencv"], medians["opencv, read ahead"])
    print(
        json.dumps(
            {
                "images": IMAGES,
                "engine": engine,
                "threads": processors.share(),
                **{f"{name} images/s": round(median, 1) for name, median in medians.items()},
                "ratio_classify_opencv": round(medians["ftjob"] / best, 3),
            }
        )
    )


def write_photos(folder: Path, count: int) -> list[str]:
    """Write JPEG files that compress as photos do: smooth shapes with some noise."""
    folder.mkdir()
    random = np.random.default_rng(1)
    paths = []
    for number in range(count):
        coarse = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        noise = random.integers(0, 12, picture.shape, dtype=np.uint8)
        path = folder / f"{number:05}.jpg"
        cv2.imwrite(
            str(path),
            np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8),
            [cv2.IMWRITE_JPEG_QUALITY, 90],
        )
        paths.append(str(path))
    return paths


def make_bundle(root: Path) -> Path:
    """Train GoogLeNet for an iteration on a few pictures, and return the bundle."""
    for split, images in (("train", 8), ("val", 4)):
        for label in ("a", "b", "c"):
            (root / split / label).parent.mkdir(exist_ok=True)
            write_photos(root / split / label, images)
    spec = JobSpec.model_validate(
        {
            "name": "bench",
            "base": {"net": "googlenet"},
            "data": {"train": str(root / "train"), "val": str(root / "val"), "crop": 224, "batch_size": 8},
            "solver": {"max_iter": 1},
            "output": str(root / "runs"),
        }
    )
    run, _ = ftjob.submit(spec)
    run.wait()
    bundle = run.bundle()
    assert bundle is not None, run.status().message
    return Path(bundle)


def ask_ftjob(classifier: Classifier, paths: list[str]) -> NDArray[np.float32]:
    """Return the probabilities (N, K) of every file."""
    labels = classifier.model.labels
    hardware = choose_hardware(ENGINE, gpu=False, precision="fp32")
    answers = Classification(classifier.model, list(find_pictures(paths)), hardware, len(labels), BATCH)
    found = [{guess.name: guess.probability for guess in each.guesses} for each in answers.of(classifier)]
    return np.array([[each[label] for label in labels] for each in found], np.float32)


def ask_opencv(net: cv2.dnn.Net, model: Model, paths: list[str], *, ahead: bool) -> NDArray[np.float32]:
    """Return the same as a program of OpenCV's."""
    how = model.reader.how
    top, left = (how.height - (how.crop or 0)) // 2, (how.width - (how.crop or 0)) // 2

    def read(path: str) -> NDArray[Any]:
        whole = cv2.imread(path)
        assert whole is not None
        small: NDArray[Any] = cv2.resize(whole, (how.width, how.height), interpolation=cv2.INTER_AREA)
        return small[top : top + how.crop, left : left + how.crop] if how.crop else small

    def pictures() -> Iterator[NDArray[Any]]:
        calls = (partial(read, path) for path in paths)
        return in_order(calls, ahead=2 * BATCH) if ahead else (call() for call in calls)

    rows, batch = [], []
    for picture in pictures():
        batch.append(picture)
        if len(batch) == BATCH:
            rows.append(forward(net, model, batch))
            batch = []
    if batch:
        rows.append(forward(net, model, batch))
    return softmax(np.concatenate(rows))


def forward(net: cv2.dnn.Net, model: Model, batch: list[NDArray[Any]]) -> NDArray[np.float32]:
    """Return the scores of some pictures."""
    how = model.reader.how
    net.setInput(cv2.dnn.blobFromImages(batch, scalefactor=how.scale, mean=tuple(how.mean) or (0, 0, 0)))
    return np.asarray(net.forward(model.scores), np.float32).reshape(len(batch), -1)


if __name__ == "__main__":
    main()
