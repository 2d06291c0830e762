"""lrlib.simulate against the model itself, played many times, and its closed forms."""

import numpy as np
import pytest

import lrlib
from lrlib.show.simulate import DIRECTIONS


def curvatures(condition_number):
    return condition_number ** -(np.arange(DIRECTIONS) / (DIRECTIONS - 1))


def test_it_is_the_mean_of_many_noisy_runs():
    schedule = lrlib.cosine(0.5, decay_steps=40)
    condition_number, noise, batch_size = 10.0, 3.0, 4
    h = curvatures(condition_number)
    rng = np.random.default_rng(0)
    # Any start with the right expected square will do.
    weights = rng.choice([-1, 1], (20_000, DIRECTIONS)) / np.sqrt(h)
    losses = [np.mean(h * weights**2)]
    for t in range(40):
        gradient_noise = rng.normal(0, np.sqrt(noise * h / batch_size), weights.shape)
        weights = weights - schedule(t) * (h * weights + gradient_noise)
        losses.append(np.mean(h * weights**2))
    expected = lrlib.simulate(
        schedule,
        40,
        condition_number=condition_number,
        noise=noise,
        batch_size=batch_size,
    )
    np.testing.assert_allclose(expected, losses, rtol=0.01)


def test_without_noise_every_direction_shrinks_on_its_own():
    t = np.arange(31)[:, None]
    by_hand = np.mean((1 - 0.3 * curvatures(50)) ** (2 * t), axis=1)
    losses = lrlib.simulate(lrlib.constant(0.3), 30, condition_number=50, noise=0)
    np.testing.assert_allclose(losses, by_hand, rtol=1e-12)


def test_a_constant_rate_stalls_where_the_theory_says():
    rate, noise, batch_size = 0.4, 2.0, 8
    h = curvatures(5)
    # Where an update adds as much error as it takes away.
    floor = np.mean(h * rate * noise / batch_size / (2 - rate * h))
    losses = lrlib.simulate(
        rate, 1000, condition_number=5, noise=noise, batch_size=batch_size
    )
    assert losses[-1] == pytest.approx(floor, rel=1e-9)


def test_it_starts_at_one_and_counts_the_updates():
    losses = lrlib.simulate(lrlib.linear(0.1, 10), 10)
    assert losses.shape == (11,)
    assert losses.dtype == np.float64
    assert losses[0] == 1
    assert lrlib.simulate(lrlib.constant(0.0), 5).tolist() == [1.0] * 6


def test_a_high_rate_is_fast_then_stalls_and_decay_lowers_the_floor():
    high = lrlib.simulate(lrlib.constant(0.5), 400)
    low = lrlib.simulate(lrlib.constant(0.05), 400)
    decayed = lrlib.simulate(lrlib.cosine(0.5, decay_steps=400), 400)
    assert high[20] < low[20]
    assert low[400] < high[400]
    assert decayed[400] < low[400]


def test_a_rate_above_two_over_the_largest_curvature_blows_up():
    assert lrlib.simulate(lrlib.constant(1.99), 300, noise=0)[-1] < 1
    assert lrlib.simulate(lrlib.constant(2.01), 300, noise=0)[-1] > 1


def test_beyond_all_floats_is_infinity_never_nan():
    # At the rate 1 the largest curvature's error would be undone: 0 · inf.
    losses = lrlib.simulate(lrlib.piecewise_constant([4000], [5.0, 1.0]), 4010)
    assert losses[-1] == np.inf
    assert not np.isnan(losses).any()


def test_a_larger_batch_is_less_noise():
    one = lrlib.simulate(0.1, 100, noise=1, batch_size=1)
    many = lrlib.simulate(0.1, 100, noise=64, batch_size=64)
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"steps": 0}, ValueError, "steps must be a whole number of at least 1"),
        ({"steps": 2.5}, ValueError, "steps"),
        ({"condition_number": 0.5}, ValueError, "condition_number must be a number in"),
        ({"noise": -1}, ValueError, "noise must be a number in"),
        ({"noise": float("nan")}, ValueError, "noise"),
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number in"),
        ({"batch_size": "32"}, TypeError, "batch_size"),
        ({"schedule": "cosine"}, TypeError, "source must be a Schedule"),
    ],
)
def test_it_names_the_argument_that_is_wrong(arguments, error, words):
    with pytest.raises(error, match=words):
        lrlib.simulate(**{"schedule": lrlib.constant(), "steps": 5, **arguments})
