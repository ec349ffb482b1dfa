"""Reads what a bundle is used by, from an untrusted source, and opens its net in an engine."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ftjob.bundle.contents import check_labels, checked_files, read_document, require
from ftjob.bundle.hardware import Hardware
from ftjob.bundle.model import ImageShape, read_model
from ftjob.bundle.preprocess import Preprocess
from ftjob.bundle.schema import LARGEST_SCORES, BundleManifest, GoldenScores
from ftjob.engine import DeployNet
from ftjob.engine.open import open_deploy
from ftjob.fs import files
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import to_text
from ftjob.runfolder.layout import BundleFolder


@dataclass(frozen=True)
class CheckedBundle:
    """A bundle's documents and net, each checked alone and against the others."""

    manifest: BundleManifest
    how: Preprocess
    golden: GoldenScores
    net: NetParameter
    image: ImageShape
    """What the net takes."""


def read_checked(root: Path) -> CheckedBundle:
    """Check every file of a bundle.

    Raises BadNetError, naming the file, where something is missing, malformed, too large, or not what the
    bundle was made with.
    """
    bundle = BundleFolder(root)
    manifest = checked_files(bundle)
    how = read_document(Preprocess, bundle.preprocess)
    golden = read_document(GoldenScores, bundle.golden_scores, LARGEST_SCORES)
    require(manifest, bundle, [bundle.golden / each.image for each in golden.images])
    require(manifest, bundle, [bundle.mean] if how.mean_file else [])
    check_labels(bundle, golden)
    net, image = read_model(bundle, how, golden)
    return CheckedBundle(manifest, how, golden, net, image)


@contextmanager
def written_deploy(net: NetParameter) -> Iterator[Path]:
    """Give a checked net as a file in an otherwise empty folder, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ftjob-") as empty:
        deploy = BundleFolder(Path(empty)).deploy
        files.write_text(deploy, to_text(net))
        yield deploy


@contextmanager
def open_checked(
    net: NetParameter, weights: Path, hardware: Hardware, log: Path | None = None
) -> Iterator[DeployNet]:
    """Open a checked net in an engine whose process works in an otherwise empty folder.

    Without `log`, its log is in that folder too. Raises EngineError.
    """
    with (
        written_deploy(net) as deploy,
        open_deploy(
            hardware.engine,
            deploy,
            weights,
            log=log or deploy.with_name("engine.log"),
            cwd=deploy.parent,
            gpu=hardware.index,
            precision=hardware.precision,
        ) as opened,
    ):
        yield opened
