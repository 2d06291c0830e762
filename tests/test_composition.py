"""Schedules made of schedules: values, formula, Keras, all alike."""

import json
import pickle

import keras
import numpy as np
import pytest

import lrlib
from lrlib.schedules.schedule import from_config
from lrlib.show.mathml import mathml

t = np.arange(40)
cosine = lrlib.cosine(0.1, 10, 0.1)
step = lrlib.step(0.2, 4, 0.5)

#: A composed schedule, and what it is in NumPy.
COMPOSED = {
    "join": (
        lrlib.join([cosine, step, lrlib.constant(0.01)], [10, 25]),
        np.concatenate([cosine(t[:10]), step(t[:15]), np.full(15, 0.01)]),
    ),
    "warmup": (
        lrlib.warmup(step, 8, 0.04),
        np.concatenate([np.linspace(0.04, 0.2, 9)[:8], step(t[:32])]),
    ),
    "warmup polynomial": (
        lrlib.warmup(cosine, 5, 0.02, "polynomial", power=3),
        np.concatenate([0.02 + 0.08 * (t[:5] / 5) ** 3, cosine(t[:35])]),
    ),
    "warmup exponential": (
        lrlib.warmup(cosine, 5, 1e-4, "exponential"),
        np.concatenate([np.geomspace(1e-4, 0.1, 6)[:5], cosine(t[:35])]),
    ),
    "scale": (cosine * 0.5, cosine(t) / 2),
    "product": (cosine * step, cosine(t) * step(t)),
    "clip": (lrlib.clip(step, 0.03, 0.15), np.clip(step(t), 0.03, 0.15)),
    "cycle": (lrlib.cycle(cosine, 7), np.tile(cosine(t[:7]), 6)[:40]),
    "all at once": (
        lrlib.warmup(lrlib.clip(lrlib.cycle(cosine * step, 6), 0.005, 1), 4),
        np.concatenate(
            [
                np.linspace(0, 0.02, 5)[:4],
                np.maximum(np.tile((cosine(t) * step(t))[:6], 6), 0.005),
            ]
        ),
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
class TestComposed:
    def test_it_has_the_rates_of_its_parts(self, name):
        schedule, expected = COMPOSED[name]
        np.testing.assert_allclose(schedule(t), expected, rtol=1e-12, atol=1e-15)

    def test_keras_computes_the_same_also_after_saving(self, name):
        schedule, expected = COMPOSED[name]
        in_keras = schedule.to_keras()
        config = keras.saving.serialize_keras_object(in_keras)
        loaded = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
        for each in (in_keras, loaded):
            np.testing.assert_allclose(np.array(each(t)), expected, rtol=1e-6)

    def test_copies_are_equal(self, name):
        schedule, _ = COMPOSED[name]
        assert pickle.loads(pickle.dumps(schedule)) == schedule
        assert from_config(schedule.get_config()) == schedule

    def test_its_formula_can_be_drawn(self, name):
        schedule, _ = COMPOSED[name]
        assert mathml(schedule.latex(), display=True).startswith("<math")


def test_a_boundary_is_step_0_of_the_next_one():
    joined = lrlib.join([lrlib.constant(0.5), lrlib.linear(0.1, 4)], [3])
    assert joined([2, 3, 4]).tolist() == [0.5, 0.1, pytest.approx(0.075)]


def test_a_warm_up_climbs_to_the_first_rate_whatever_it_is():
    rising = lrlib.linear(0.02, 10, 0.1)
    assert lrlib.warmup(rising, 4)(4) == rising(0) == pytest.approx(0.02)


def test_a_polynomial_warm_up_of_power_1_is_the_line():
    line = lrlib.warmup(cosine, 5)
    np.testing.assert_allclose(
        lrlib.warmup(cosine, 5, shape="polynomial", power=1)(t), line(t)
    )


def test_conditions_of_a_part_are_conditions_of_the_whole():
    part = lrlib.piecewise_constant([3, 6], [1.0, 0.5, 0.1])
    for whole in lrlib.join([cosine, part], [9]), lrlib.warmup(part, 5), part * cosine:
        ((words, relation),) = whole.conditions()
        assert words == "piecewise_constant: boundaries must increase"
        low, high = sorted(relation.free_symbols, key=str)
        assert not relation.subs({low: 6, high: 3})
        assert relation.subs({low: 3, high: 6})


def test_what_the_readers_see_of_the_parts_is_told_apart():
    latex = lrlib.join([cosine, lrlib.cosine(0.2, 5)], [10]).latex()
    assert r"{T}^{(1)}" in latex
    assert r"{T}^{(2)}" in latex
