"""Runs under Caffe's own Python: build nets and say what Caffe made of them.

Reads a JSON list of {"prototxt": path, "phase": "TRAIN" | "TEST"} and writes a JSON list of their blob shapes,
param shapes and layer names; what only the log says (memory, backward) is between the marks on stderr.
"""

import json
import os
import sys

import caffe


def describe(path, phase):
    os.write(2, b"\nPROBE\n")
    net = caffe.Net(path, getattr(caffe, phase))
    return {
        "blobs": [[name, list(blob.shape)] for name, blob in net.blobs.items()],
        "params": [[name, [list(blob.shape) for blob in blobs]] for name, blobs in net.params.items()],
        "layers": [[name, layer.type] for name, layer in zip(net._layer_names, net.layers)],
    }


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    json.dump([describe(one["prototxt"], one["phase"]) for one in wanted], sys.stdout)
