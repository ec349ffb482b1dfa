"""What test_images runs in a worker's image, given an engine: three shades of grey and a small net."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import simplejpeg

rng = np.random.default_rng(1)
for label in range(3):
    for number in range(12):
        picture = np.full((32, 32, 3), 60 + 60 * label, np.uint8) + rng.integers(0, 30, (32, 32, 3), np.uint8)
        path = Path("train", f"class{label}", f"{number}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture)))
spec = """
name: tiny
base: {net: lenet}
data: {train: train, val_split: 0.25, crop: 28, resize: 32, batch_size: 8, scale: 0.00390625}
solver: {base_lr: 0.01, max_iter: 20, test_interval: 10, snapshot: 10}
output: runs
"""
Path("spec.yaml").write_text(f"{spec}engine: {sys.argv[1]}\n")
subprocess.run(["ftjob", "submit", "spec.yaml", "--local", "--wait"], check=True)
subprocess.run(["ftjob", "get", "tiny", "bundle"], check=True)
subprocess.run(["ftjob", "verify", "bundle"], check=True)
