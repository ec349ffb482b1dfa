"""A bundle of colour images that no run had to make: random weights, a crop, a mean, golden scores."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from ftjob.bundle.preprocess import Preprocess, transform
from ftjob.dataset.mean_image import read_mean_image, write_mean_image
from ftjob.engine.open import open_deploy
from ftjob.net.prototxt import parse_net
from tests.bundle.conftest import Changed
from tests.engine.nets import write_random_caffemodel

NET = """
name: "colour"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 20 dim: 20 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "norm" type: "LRN" bottom: "conv" top: "norm" lrn_param { local_size: 5 alpha: 1 } }
layer { name: "pool" type: "Pooling" bottom: "norm" top: "pool"
  pooling_param { pool: AVE kernel_size: 4 stride: 3 pad: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
HEIGHT, WIDTH, CROP, IMAGES = 24, 28, 20, 5
PREPROCESS = Preprocess(3, HEIGHT, WIDTH, "squash", CROP, (104.0, 117.0, 123.0), None, 0.02)


def write_colour_bundle(
    root: Path, engine: str, how: Preprocess = PREPROCESS, net: str = NET, seed: int = 0
) -> Changed:
    """Write a bundle whose golden scores an engine computes; return it."""
    bundle, random = Changed(root), np.random.default_rng(seed)
    bundle.golden.mkdir(parents=True)
    bundle.deploy.write_text(net)
    write_random_caffemodel(parse_net(net, "net"), bundle.weights, seed)
    bundle.labels.write_text("".join(f"class {number}\n" for number in range(5)))
    bundle.preprocess.write_text(json.dumps(how.to_json()))
    bundle.evaluation.write_text("{}")
    mean = None
    if how.mean_file:
        write_mean_image(bundle.mean, random.uniform(80, 160, (HEIGHT, WIDTH, 3)))
        mean = read_mean_image(bundle.mean)
    pictures = random.integers(0, 256, (IMAGES, HEIGHT, WIDTH, 3), np.uint8)
    inputs = np.stack([transform(picture[:, :, ::-1], how, mean) for picture in pictures])
    with open_deploy(engine, bundle.deploy, bundle.weights, log=root.with_suffix(".log")) as opened:
        scores = opened.forward(inputs, ["fc"])["fc"].reshape(IMAGES, -1)
    images = []
    for number, (picture, row) in enumerate(zip(pictures, scores, strict=True)):
        Image.fromarray(picture).save(bundle.golden / f"{number}.png")
        images.append({"image": f"{number}.png", "label": int(row.argmax()), "scores": row.tolist()})
    bundle.golden_scores.write_text(json.dumps({"blob": "fc", "images": images}))
    bundle.manifest.write_text(json.dumps({"name": "colour", "run_id": "0123456789ab", "iteration": 7}))
    bundle.seal()
    return bundle
