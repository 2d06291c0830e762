"""The digits come whole or not at all, and the network is the tutorial's."""

import hashlib
import urllib.error

import keras
import numpy as np
import pytest

import lrlib
from lrlib import digits


def test_arrays_are_like_those_of_keras():
    (x_train, y_train), (x_test, y_test) = lrlib.load_digits()
    assert x_train.shape == (8000, 28, 28)
    assert x_test.shape == (2000, 28, 28)
    assert y_train.shape == (8000,)
    assert y_test.shape == (2000,)
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype("uint8")}
    assert (x_train.min(), x_train.max()) == (0, 255)


def test_both_parts_hold_every_digit_and_no_image_twice():
    (x_train, y_train), (x_test, y_test) = lrlib.load_digits()
    for y in (y_train, y_test):
        share = np.bincount(y) / len(y)
        assert share.shape == (10,)
        assert share.min() > 0.08
        assert share.max() < 0.12
    hashes = {hashlib.sha256(x).digest() for x in [*x_train, *x_test]}
    assert len(hashes) == 10_000


def test_labels_belong_to_their_images():
    # The nearest mean image of a digit is right four times in five on real MNIST.
    (x_train, y_train), (x_test, y_test) = lrlib.load_digits()
    means = np.array([x_train[y_train == d].mean(axis=0) for d in range(10)])
    distance = ((x_test[:, None] - means) ** 2).sum(axis=(2, 3))
    assert np.mean(distance.argmin(axis=1) == y_test) > 0.75


def test_each_call_returns_arrays_of_its_own():
    (x, _), _ = lrlib.load_digits()
    x[:] = 0
    (again, _), _ = lrlib.load_digits()
    assert again.any()


@pytest.mark.parametrize("where", [0, 1_000_000, -1])
def test_one_damaged_byte_is_found(tmp_path, monkeypatch, where):
    content = bytearray(digits.FILE.read_bytes())
    content[where] ^= 1
    damaged = tmp_path / "digits.npz"
    damaged.write_bytes(content)
    monkeypatch.setattr(digits, "FILE", damaged)
    with pytest.raises(OSError, match=r"damaged: its SHA-256 .* Install lrlib again"):
        lrlib.load_digits()


def test_a_missing_file_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "FILE", tmp_path / "digits.npz")
    with pytest.raises(FileNotFoundError, match="install lrlib again"):
        lrlib.load_digits()


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch, capsys):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    # What Keras itself downloads with, so that its own error is the one we meet.
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", offline)
    monkeypatch.setattr(
        "keras.src.utils.file_utils.config.keras_home", lambda: tmp_path
    )
    with pytest.raises(OSError, match=r"load_digits\(\) needs no network"):
        lrlib.load_digits(full=True)


def test_full_reads_what_keras_has_downloaded(monkeypatch):
    theirs = ((np.zeros((60000, 28, 28), np.uint8),) * 2,) * 2
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: theirs)
    assert lrlib.load_digits(full=True) is theirs


@pytest.mark.parametrize("full", ["yes", 1, None])
def test_full_must_be_a_truth_value(full):
    with pytest.raises(TypeError, match="full must be True or False"):
        lrlib.load_digits(full)


def test_the_network_is_the_one_of_the_tutorial():
    model = lrlib.build_model()
    assert model.input_shape == (None, 28, 28)
    assert model.output_shape == (None, 10)
    assert [type(layer).__name__ for layer in model.layers] == [
        "Flatten",
        "Dense",
        "Dropout",
        "Dense",
    ]
    assert [layer.count_params() for layer in model.layers] == [0, 401_920, 0, 5_130]
    assert model.layers[2].rate == 0.2
    assert np.asarray(model(np.zeros((3, 28, 28)))).sum(1) == pytest.approx(1)


def test_the_convnet_tells_as_many_classes_apart_as_it_is_asked_to():
    model = lrlib.build_convnet(classes=5)
    assert [layer.count_params() for layer in model.layers] == [
        0,
        80,
        1_168,
        0,
        36_928,
        325,
    ]
    assert np.asarray(model(np.zeros((3, 28, 28)))).shape == (3, 5)
    with pytest.raises(ValueError, match="classes must be a whole number of at"):
        lrlib.build_convnet(classes=1)


def test_the_seed_decides_the_weights():
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return lrlib.build_model().get_weights()

    same = zip(weights(1), weights(1), strict=True)
    assert all(np.array_equal(a, b) for a, b in same)
    assert not np.array_equal(weights(1)[0], weights(2)[0])
