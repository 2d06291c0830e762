"""How fast schedules are, each beside what a reader would do without lrlib.

Run it with `make bench`. Ratios are of the fastest of several runs, taken in turns, so
that other work on the machine slows both down.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np

import lrlib

STEPS = 1_000_000


def half_wave(x: Any) -> Any:
    return (1 + np.cos(np.pi * x)) / 2


def between(t: Any, points: Any, curve: Callable[[Any], Any] = lambda x: x) -> Any:
    rates = np.full_like(t, points[-1][1])
    for (start, a), (end, b) in reversed(list(pairwise(points))):
        rates = np.where(
            t < end, a + (b - a) * curve((t - start) / (end - start)), rates
        )
    return rates


def restarts(t: Any) -> Any:
    u = t / 100
    i = np.floor(np.log(1 + u) / np.log(2) + 1e-9)
    x = (u - (2**i - 1)) / 2**i
    return 0.1 * half_wave(x)


def cyclic(t: Any) -> Any:
    s = t - 100 * np.floor(t / 100)
    return 0.01 + 0.09 * np.where(s < 50, s / 50, (100 - s) / 50)


def by_hand(t: Any) -> dict[str, Callable[[], Any]]:
    """The formulas of the catalogue with its default parameters, in plain NumPy."""
    x = lambda: np.minimum(t, 100) / 100  # noqa: E731
    return {
        "constant": lambda: np.full_like(t, 0.01),
        "inverse_time": lambda: 0.1 / (1 + 0.5 * t / 100),
        "exponential": lambda: 0.1 * 0.5 ** (t / 100),
        "power": lambda: 0.1 / (1 + np.maximum(t - 0, 0) / 100) ** 0.75,
        "inverse_sqrt": lambda: 0.1 / np.sqrt(1 + np.maximum(t - 0, 0) / 100),
        "noam": lambda: (
            np.minimum((t + 1) ** -0.5, (t + 1) * 4000**-1.5) / np.sqrt(512)
        ),
        "step": lambda: 0.1 * 0.5 ** np.floor(t / 100),
        "piecewise_constant": lambda: np.where(
            t <= 100, 0.1, np.where(t <= 200, 0.05, 0.01)
        ),
        "piecewise_interpolate": lambda: between(
            t, [(0, 0.01), (50, 0.1), (150, 0.02), (200, 0.0)]
        ),
        "linear": lambda: 0.1 * (1 - x()),
        "polynomial": lambda: 0.0001 + 0.0999 * (1 - x()) ** 1.0,
        "cosine": lambda: 0.1 * half_wave(x()),
        "cosine_annealing": lambda: 0.001 + 0.099 * half_wave(x()),
        "cosine_exponent": lambda: 0.1 * half_wave(x()) ** 2.0,
        "cosine_k_decay": lambda: 0.1 * half_wave(x() ** 1.5),
        "polynomial_k_decay": lambda: 0.1 * (1 - x() ** 1.5) ** 1.0,
        "rex": lambda: (lambda x: 0.1 * (1 - x) / (1 - x / 2))(x()),
        "hyperbolic_tangent": lambda: np.where(
            t < 100, 0.1 * (1 - np.tanh(-7 + 10 * t / 100)) / 2, 0.0
        ),
        "knee": lambda: between(t, [(0, 0.1), (50, 0.1), (100, 0.0)]),
        "warmup_cosine": lambda: np.where(
            t < 20, 0.1 * t / 20, 0.1 * half_wave(np.minimum(t - 20, 100) / 100)
        ),
        "warmup_stable_decay": lambda: np.where(
            t < 20,
            0.1 * t / 20,
            np.where(t < 100, 0.1, 0.1 - 0.1 * np.sqrt(np.minimum(t - 100, 50) / 50)),
        ),
        "one_cycle": lambda: between(
            t, [(0, 0.004), (29, 0.1), (99, 4e-7)], lambda x: 1 - half_wave(x)
        ),
        "exponential_sweep": lambda: 1e-7 * 1e8 ** x(),
        "cosine_restarts": lambda: restarts(t),
        "cyclic": lambda: cyclic(t),
    }


def fastest(functions: list[Callable[[], Any]], rounds: int = 7) -> list[float]:
    """Return the shortest time of each, taken in turns, in seconds."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            begin = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - begin)
    return best


def numpy_formulas() -> float:
    """Print lrlib beside NumPy by hand; return the largest ratio."""
    t = np.arange(STEPS, dtype=np.float64)
    print(f"{STEPS:,} steps in NumPy{'lrlib':>18}{'by hand':>12}{'ratio':>8}")
    worst = 0.0
    # Rates far past the end underflow, in either.
    with np.errstate(all="ignore"):
        for name, hand in by_hand(t).items():
            s = lrlib.catalogue[name]()
            np.testing.assert_allclose(s(t), hand(), rtol=1e-9, atol=1e-12)
            ours, theirs = fastest([lambda s=s: s(t), hand])
            worst = max(worst, ours / theirs)
            times = f"{ours * 1e3:>13.1f} ms{theirs * 1e3:>9.1f} ms"
            print(f"  {name:<24}{times}{ours / theirs:>8.2f}")
    return worst


def keras_in_a_loop() -> None:
    """Print what a value costs from Keras' own class, called as a reader would."""
    s = lrlib.cosine()
    own = s.to_keras()
    t = np.arange(STEPS, dtype=np.float64)
    ours, theirs = fastest(
        [lambda: s(t), lambda: [float(own(i)) for i in range(300)]], rounds=3
    )
    ratio = theirs / 300 / (ours / STEPS)
    print("\ncosine, a value")
    print(f"  lrlib, of a million       {ours / STEPS * 1e9:10.1f} ns")
    print(f"  Keras' class in a loop    {theirs / 300 * 1e9:10.1f} ns, {ratio:,.0f} ×")
    if find_spec("optax"):
        import jax
        import optax

        schedule = jax.jit(optax.cosine_decay_schedule(0.1, 100))
        count = jax.numpy.arange(STEPS)
        schedule(count).block_until_ready()
        (peer,) = fastest([lambda: schedule(count).block_until_ready()])
        print(f"  optax under jit, float32  {peer / STEPS * 1e9:10.1f} ns")


def in_training() -> None:
    """Print what a step of `model.fit` costs with a schedule and with a number."""
    import keras

    x, y = np.ones((20_000, 8), "float32"), np.ones((20_000, 1), "float32")

    def training(rate: Any) -> Callable[[], Any]:
        model = keras.Sequential([keras.Input([8]), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        model.fit(x, y, batch_size=10, verbose=0)  # compiles
        return lambda: model.fit(x, y, batch_size=10, verbose=0, shuffle=False)

    rates = {
        "a number": 1e-3,
        "Keras' cosine": lrlib.cosine(1e-3, 9999).to_keras(),
        "lrlib's one_cycle": lrlib.one_cycle(1e-3, 9999).to_keras(),
    }
    times = fastest([training(rate) for rate in rates.values()], rounds=5)
    print("\na step of model.fit, 9 weights, batches of 10")
    for name, seconds in zip(rates, times, strict=True):
        print(f"  {name:<20}{seconds / 2000 * 1e6:>8.0f} µs")


def imports() -> float:
    """Print how long `import lrlib` takes in a new process; return it, in seconds."""
    code = (
        "import time; begin = time.perf_counter(); import lrlib; lrlib.cosine()(5); "
        "import sys; assert 'tensorflow' not in sys.modules; "
        "assert 'keras' not in sys.modules; print(time.perf_counter() - begin)"
    )
    run = [sys.executable, "-c", code]
    seconds = min(
        float(subprocess.run(run, capture_output=True, check=True).stdout)
        for _ in range(3)
    )
    print(f"\nimport lrlib and a first rate: {seconds:.2f} s")
    return seconds


if __name__ == "__main__":
    ratio = numpy_formulas()
    keras_in_a_loop()
    in_training()
    seconds = imports()
    print(f"\nlargest ratio to NumPy by hand: {ratio:.2f} (at most 1.5 is wanted)")
    print(f"import: {seconds:.2f} s (below 0.7 is wanted)")
