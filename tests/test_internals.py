"""What a race uses of other libraries' insides is what lrlib takes it for."""

import concurrent.futures
import multiprocessing
import random

import keras
import numpy as np
import pytest

from lrlib.experiments import internals


def first_weights():
    return keras.layers.Dense(4).kernel_initializer.get_config()["seed"]


def test_keras_draws_the_seeds_of_layers_where_lrlib_puts_its_own_generator():
    keras.utils.set_random_seed(3)
    drawn = first_weights(), first_weights()
    state = random.getstate()
    with internals.layer_seeds(3):
        random.random()  # as another thread might
        assert (first_weights(), first_weights()) == drawn
    random.setstate(state)
    keras.utils.set_random_seed(3)
    assert first_weights() == drawn[0]  # Keras has its own generator back


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.SGD(0.1),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.Adam(0.1),
        lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1),
    ],
)
def test_an_update_in_one_pass_is_the_update_that_keras_makes(make):
    gradients = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    weights = [keras.Variable(np.ones(7, "float32")) for _ in range(2)]
    fused, plain = make(), make()
    for optimizer, weight in zip((fused, plain), weights, strict=True):
        optimizer.build([weight])
    internals.fuse(fused)
    assert fused.update_step is not plain.update_step
    assert fused.update_step.__module__ == internals.__name__
    for gradient in gradients:
        for optimizer, weight in zip((fused, plain), weights, strict=True):
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        ours, own = (weight.numpy() for weight in weights)
        # TensorFlow's kernel for Adam takes 1 - beta in float32, Keras in Python.
        np.testing.assert_allclose(ours, own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_new_pool_is_like_the_one_that_broke(method):
    context = multiprocessing.get_context(method)
    arguments = {"mp_context": context, "initializer": print, "initargs": ("a", "b")}
    with concurrent.futures.ProcessPoolExecutor(3, **arguments) as pool:
        assert internals.start_method(pool) == method
        with internals.same_pool(pool) as again:
            assert again is not pool
            for name in ("_max_workers", "_mp_context", "_initializer", "_initargs"):
                assert getattr(again, name) == getattr(pool, name)
            assert again._initargs == ("a", "b")
            assert again._max_workers == 3
