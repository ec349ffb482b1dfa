"""Where Caffe's nets may begin at kept features: worked out from the prototxts, for Caffe's process."""

import hashlib
from pathlib import Path

from ftjob.dataset.lmdb.read import opened
from ftjob.engine import Features
from ftjob.engine.caffe.process.features import TrunkFields
from ftjob.engine.client import text_of
from ftjob.engine.phase_nets import phase_net, shapes_of
from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, Phase, SolverParameter
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.shapes import NetShapes
from ftjob.net.topology.trunk import Trunk, changing, find_trunk

FORMAT = "ftjob features 1 of Caffe"


def kept_trunks(solver: SolverParameter, cwd: Path, wanted: Features, caffe: str) -> list[TrunkFields]:
    """Return the trunks of a solver's two nets, where they have any whose features are wanted.

    Of images that are mirrored at random none are kept: Caffe alone knows which they are. `caffe` is what
    features depend on besides net, weights and data: its version and the kind of device. Paths in the
    prototxts count from `cwd`. Raises BadNetError, and BadDataError for an LMDB that cannot be read.
    """
    if not solver.net:
        return []
    net = parse_net(text_of(cwd / solver.net, BadNetError), solver.net)
    nets = {phase: phase_net(solver, net, phase) for phase in (TRAIN, TEST)}
    shapes = {phase: shapes_of(each, cwd) for phase, each in nets.items()}
    changed = changing(shapes[TRAIN])
    found: list[TrunkFields] = []
    for phase, each in nets.items():
        trunk = find_trunk(each, shapes[phase], phase, changed)
        if isinstance(trunk, str) or trunk.mirrors:
            continue
        data = wanted.digests.get(trunk.source)
        if data is not None:
            before, head = parts_of(shapes[phase], trunk)
            found.append(
                TrunkFields(
                    phase=Phase.Name(phase),
                    before=before,
                    head=head,
                    features=list(trunk.features),
                    labels=list(trunk.labels),
                    records=_count(cwd / trunk.source),
                    digest=_digest(trunk, cwd, data, caffe),
                    folder=str(wanted.folder),
                    limit=wanted.limit,
                )
            )
    return found


def _count(lmdb: Path) -> int:
    with opened(lmdb) as env:
        return int(env.stat()["entries"])


def parts_of(shapes: NetShapes, trunk: Trunk) -> tuple[list[str], list[str]]:
    """Return the layers up to the features, and those after them, as Caffe names them and in its order.

    The Split of a feature is in both, since layers of both may read it.
    """
    after = {layer.name for layer in trunk.head.layer[1:]}
    read, made = {*trunk.features, *trunk.labels}, set[str]()
    before, head = [], []
    for each in shapes.layers:
        bottoms = {*each.layer.bottom} if each.type == "Split" else set[str]()
        is_after = each.name in after or bool(bottoms & made)
        if not is_after:
            before.append(each.name)
        if is_after or bottoms & read:
            head.append(each.name)
        if is_after:
            made.update(each.layer.top)
    return before, head


def _digest(trunk: Trunk, cwd: Path, data: str, caffe: str) -> str:
    digest = hashlib.sha256()
    parts = map(str.encode, (FORMAT, caffe, data))
    for part in (*parts, *trunk.definition, _mean_image(trunk, cwd)):
        digest.update(f"{len(part)}\n".encode() + part)
    return digest.hexdigest()


def _mean_image(trunk: Trunk, cwd: Path) -> bytes:
    path = trunk.transform.mean_file
    try:
        return (cwd / path).read_bytes() if path else b""
    except OSError as error:
        raise BadNetError(f"{path} cannot be read: {error}") from error
