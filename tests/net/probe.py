"""Runs under Caffe's own Python: answer questions about nets, one line of JSON for each.

Reads lines ["question", {arguments}]; every answer is made in a fork, whose log goes to the file `log` of the
folder it is given. The answer is null where Caffe ended.
"""

import base64
import json
import os
import sys

UNTOUCHED = 1234.5


def load(prototxt, phase):
    import caffe

    net = caffe.Net(str(prototxt), getattr(caffe, phase))
    return {
        "blobs": {name: list(blob.shape) for name, blob in net.blobs.items()},
        "params": {name: [list(blob.shape) for blob in blobs] for name, blobs in net.params.items()},
        "outputs": list(net.outputs),
    }


def compute(prototxt, inputs, caffemodel=None):
    """The last blob from inputs, and the gradient of its sum at each input."""
    import caffe
    import numpy as np

    net = caffe.Net(prototxt, caffe.TEST)
    if caffemodel:
        net.copy_from(caffemodel)
    for name, values in inputs.items():
        net.blobs[name].data[...] = np.array(values, "f4").reshape(net.blobs[name].data.shape)
    net.forward()
    last = net.blobs[net.outputs[-1]]
    last.diff[...] = 1
    answer = {"output": last.data.ravel().tolist()}
    net.backward(**{net.outputs[-1]: last.diff})
    answer["gradient"] = {name: net.blobs[name].diff.ravel().tolist() for name in inputs}
    return answer


def save(prototxt, caffemodel):
    import caffe

    caffe.Net(prototxt, caffe.TEST).save(caffemodel)
    return {}


def copied(prototxt, caffemodel):
    """The layers whose params a caffemodel overwrites, all of them or not at all."""
    import caffe

    net = caffe.Net(prototxt, caffe.TRAIN)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = UNTOUCHED
    net.copy_from(caffemodel)
    return {
        "copied": [
            name for name, blobs in net.params.items() if all((b.data != UNTOUCHED).all() for b in blobs)
        ],
        "untouched": [
            name for name, blobs in net.params.items() if all((b.data == UNTOUCHED).all() for b in blobs)
        ],
    }


def step(solver, caffemodel, iterations):
    """Which params are bit-equal after some updates."""
    import caffe

    solver = caffe.get_solver(solver)
    if caffemodel:
        solver.net.copy_from(caffemodel)
    before = {name: [blob.data.copy() for blob in blobs] for name, blobs in solver.net.params.items()}
    solver.step(iterations)
    solver.test_nets[0].forward()
    after = solver.net.params
    return {
        "same": {
            name: [bool((blob.data == before[name][i]).all()) for i, blob in enumerate(after[name])]
            for name in before
        },
        "outputs": list(solver.net.outputs),
        "test_outputs": list(solver.test_nets[0].outputs),
    }


def updates(solver, iterations):
    import caffe

    caffe.get_solver(solver).step(iterations)
    return {}


def descriptor():
    from caffe.proto import caffe_pb2

    return {"file": base64.b64encode(caffe_pb2.DESCRIPTOR.serialized_pb).decode()}


def layer_types():
    import caffe

    return {"types": list(caffe.layer_type_list())}


QUESTIONS = {f.__name__: f for f in (load, compute, save, copied, step, updates, descriptor, layer_types)}


def in_a_child(log, what, arguments):
    child = os.fork()
    if child == 0:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        line = json.dumps(QUESTIONS[what](**arguments)) + "\n"
        os.write(1, line.encode())
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        os.write(1, b"null\n")


if __name__ == "__main__":
    import caffe  # noqa: F401 (imported once, before the forks)

    for question in sys.stdin:
        in_a_child(sys.argv[1] + "/log", *json.loads(question))
