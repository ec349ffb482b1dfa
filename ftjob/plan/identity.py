"""The identity of the run that a plan describes."""

import hashlib
import json

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.plan.inputs import Inputs

RUN_ID_LENGTH = 10


def run_id(inputs: Inputs, changed: NetParameter | None = None, *, keeps_heads: bool = False) -> str:
    """Return the digest of all that the result depends on.

    `changed` is the train_val net where surgery changed more of the base net than the spec asks for: then
    what is trained counts too, so that a run of an ftjob that took the net as it was is another one.

    The same net, weights, data and settings are the same run, wherever they lie. Where it runs, what it may
    spend, what ends it early and what it must reach (resources, budget, guards, accept, output) are not part
    of it: a run resumes with another budget or on another node. The data's mean is not either: it follows
    from the data.
    """
    spec = inputs.spec.canonical()
    identity = {key: spec[key] for key in ("name", "surgery", "data", "solver", "engine")}
    identity["data"] |= {"train": inputs.train.digest, "val": inputs.val.digest, "val_split": None}
    if inputs.mean_file:
        identity["data"]["mean"] = inputs.mean_file_digest
    identity["net"] = net_digest(inputs)
    identity["weights"] = inputs.weights.digest if inputs.weights else None
    if keeps_heads:
        identity["heads"] = "kept"
    if changed is not None:
        identity["changed"] = _digest(_without_places(changed))
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:RUN_ID_LENGTH]


def net_digest(inputs: Inputs) -> str:
    """Return the sha256 (hex) of the base net, which comments and spaces in its prototxt do not change."""
    return _digest(inputs.net)


def _digest(net: NetParameter) -> str:
    return hashlib.sha256(net.SerializeToString(deterministic=True)).hexdigest()


def _without_places(net: NetParameter) -> NetParameter:
    """The net without its data layers, which hold the data's place and the test batch size."""
    kept = NetParameter()
    kept.CopyFrom(net)
    del kept.layer[:]
    kept.layer.extend(layer for layer in net.layer if layer.type != "Data")
    return kept
