"""Runs under Caffe's own Python: build nets and say what Caffe made of them.

Reads a JSON list of {"prototxt": path, "phase": "TRAIN" | "TEST"} and writes one line of JSON per net. Caffe
ends its process over a net it refuses (the line is then null): a child goes on until it dies, then another.
"""

import json
import os
import sys


def describe(path, phase):
    import caffe

    net = caffe.Net(path, getattr(caffe, phase))
    return {
        "blobs": [[name, list(blob.shape)] for name, blob in net.blobs.items()],
        "params": [[name, [list(blob.shape) for blob in blobs]] for name, blobs in net.params.items()],
        "layers": list(net._layer_names),
    }


def until_one_is_refused(wanted):
    """Return the lines of as many nets as one child lives for; each net's log goes to a file beside it."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        for net in wanted:
            log = os.open(net["prototxt"] + ".log", os.O_WRONLY | os.O_CREAT)
            os.dup2(log, 2)
            os.close(log)
            os.write(writer, (json.dumps(describe(net["prototxt"], net["phase"])) + "\n").encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        done = lines.read().splitlines()
    os.wait()
    return done


if __name__ == "__main__":
    import caffe  # noqa: F401 (imported once, before the forks)

    nets = json.load(sys.stdin)
    answers = []
    while len(answers) < len(nets):
        answers += until_one_is_refused(nets[len(answers) :])
        if len(answers) < len(nets):
            answers.append("null")
    sys.stdout.write("\n".join(answers))
