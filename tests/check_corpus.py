"""Texts as people write them, with the length of their run and the findings expected.

Each entry: a name, the text, what `lrlib.check` is given beside it, and the codes of
the faults that it has; of an entry without faults nothing may be worse than a note.
Each faulty text is the shortest form of a mistake in print or in a public thread.
"""

from textwrap import dedent
from typing import Any, NamedTuple

import lrlib

CIFAR = {"samples": 50_000, "batch_size": 128, "epochs": 90}  # 391 updates an epoch
DIGITS = {"samples": 60_000, "batch_size": 32, "epochs": 10}  # 1,875
SMALL = {"samples": 6_400, "batch_size": 64, "epochs": 20}  # 100


class Entry(NamedTuple):
    """A text, its run, and its faults."""

    name: str
    text: str
    run: dict[str, Any]
    faults: tuple[str, ...] = ()


def entry(name: str, text: str, run: dict[str, Any], *faults: str) -> Entry:
    return Entry(name, dedent(text).strip(), run, faults)


K = "keras.optimizers.schedules."
FAULTY = [
    # Lengths that count something else.
    entry("cosine in epochs", f"{K}CosineDecay(0.1, decay_steps=10)", DIGITS, "LR016"),
    entry(
        "cosine in epochs by name",
        "EPOCHS = 10\nlr = tf.keras.optimizers.schedules.CosineDecay(1e-3, EPOCHS)",
        DIGITS,
        "LR016",
    ),
    entry(
        "polynomial in epochs",
        f"schedule = {K}PolynomialDecay(0.1, 20, 0.001)\n"
        "opt = keras.optimizers.SGD(schedule)",
        SMALL,
        "LR016",
    ),
    entry(
        "exponential in epochs",
        f"{K}ExponentialDecay(0.1, decay_steps=10, decay_rate=0.9)",
        DIGITS,
        "LR016",
    ),
    entry(
        "boundaries in epochs",
        f"{K}PiecewiseConstantDecay([30, 60], [0.1, 0.01, 0.001])",
        CIFAR,
        "LR001",
    ),
    entry("length in samples", f"{K}CosineDecay(0.1, 60_000)", DIGITS, "LR017"),
    entry(
        "samples times epochs",
        f"{K}PolynomialDecay(0.1, 60_000 * 10, 0.0)",
        DIGITS,
        "LR017",
    ),
    entry(
        "forgets validation_split",
        f"{K}CosineDecay(0.1, 18_750)",
        DIGITS | {"validation_split": 0.2},
        "LR018",
    ),
    entry(
        "one epoch",
        """
        steps_per_epoch = 1875
        schedule = optax.cosine_decay_schedule(0.1, decay_steps=steps_per_epoch)
        """,
        DIGITS,
        "LR026",
    ),
    entry(
        "optax in epochs",
        "optax.warmup_cosine_decay_schedule(0.0, 0.1, 2, 20, 0.0)",
        SMALL,
        "LR016",
    ),
    entry(
        "transformers in epochs",
        "get_linear_schedule_with_warmup(optimizer, 0, 20), lr=5e-5",
        SMALL,
        "LR016",
    ),
    entry(
        "one-cycle for one epoch",
        "OneCycleLR(optimizer, max_lr=0.1, total_steps=100), lr=0.1",
        SMALL,
        "LR026",
    ),
    # It never comes down, or not far enough.
    entry(
        "boundaries beyond the end",
        f"{K}PiecewiseConstantDecay([50_000, 80_000], [1.0, 0.5, 0.1])",
        DIGITS,
        "LR002",
    ),
    entry(
        "docs' number",
        f"{K}ExponentialDecay(0.1, decay_steps=100_000, decay_rate=0.96, "
        "staircase=True)",
        SMALL,
        "LR002",
    ),
    entry(
        "decays over ten runs",
        f"{K}CosineDecay(0.1, decay_steps=20_000)",
        SMALL,
        "LR003",
    ),
    entry(
        "hardly decays",
        f"{K}ExponentialDecay(0.1, decay_steps=100_000, decay_rate=0.9)",
        SMALL,
        "LR003",
    ),
    entry(
        "one boundary too late",
        f"{K}PiecewiseConstantDecay([1_000, 80_000], [1.0, 0.1, 0.01])",
        SMALL,
        "LR014",
    ),
    entry(
        "milestones by update beyond the end",
        """
        scheduler = MultiStepLR(torch.optim.SGD(params, lr=0.1), [50_000, 80_000])
        for epoch in range(90):
            for x, y in loader:
                loss.backward()
                optimizer.step()
                scheduler.step()
        """,
        CIFAR,
        "LR002",
    ),
    entry(
        "steps of updates taken once an epoch",
        """
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = CosineAnnealingLR(optimizer, T_max=2000)
        for epoch in range(20):
            for x, y in loader:
                optimizer.step()
            scheduler.step()
        """,
        SMALL,
        "LR027",
    ),
    # Warm-ups.
    entry(
        "no target",
        f"{K}CosineDecay(0.1, 18_000, warmup_steps=750)",
        DIGITS,
        "LR020",
    ),
    entry(
        "warm-up longer than the run",
        "get_linear_schedule_with_warmup(opt, 10_000, 20_000), lr=1e-3",
        SMALL,
        "LR005",
    ),
    entry(
        "keras warm-up longer than the run",
        f"{K}CosineDecay(0.0, 20_000, warmup_target=0.1, warmup_steps=4_000)",
        SMALL,
        "LR005",
    ),
    entry(
        "most of the run",
        "optax.warmup_cosine_decay_schedule(0.0, 0.1, 1_600, 2_000)",
        SMALL,
        "LR023",
    ),
    entry(
        "stays at 0",
        "optax.join_schedules([optax.constant_schedule(0.0), "
        "optax.constant_schedule(0.1)], [1000])",
        SMALL,
        "LR007",
    ),
    entry(
        "jumps",
        "optax.join_schedules([optax.constant_schedule(1e-5), "
        "optax.cosine_decay_schedule(0.1, 1900)], [100])",
        SMALL,
        "LR013",
    ),
    # What it does by itself.
    entry(
        "polynomial that rises",
        f"{K}PolynomialDecay(initial_learning_rate=5e-5, decay_steps=2_000)",
        SMALL,
        "LR012",
    ),
    entry(
        "cosine that rises again",
        """
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        scheduler = CosineAnnealingLR(optimizer, T_max=60)
        for epoch in range(90):
            train()
            scheduler.step()
        """,
        CIFAR,
        "LR011",
    ),
    entry(
        "Transformers' cosine beyond its end",
        "get_cosine_schedule_with_warmup(optimizer, 100, 1_200), lr=1e-3",
        SMALL,
        "LR011",
    ),
    entry(
        "linear beyond its end",
        "get_linear_schedule_with_warmup(optimizer, 50, 1_000), lr=1e-3",
        SMALL,
        "LR007",
    ),
    entry(
        "restart at the end",
        "CosineAnnealingWarmRestarts(optimizer, T_0=30), lr=0.1",
        {"samples": 6_400, "batch_size": 64, "epochs": 92, "unit": "epoch"},
        "LR010",
    ),
    entry(
        "unsorted",
        f"{K}PiecewiseConstantDecay([1500, 500], [1.0, 0.5, 0.1])",
        SMALL,
        "LR015",
    ),
    entry(
        "whole number",
        f"{K}ExponentialDecay(1, 500, 0.5)",
        SMALL,
        "LR019",
    ),
    entry(
        "whole number by name",
        f"initial = 1\ns = {K}CosineDecay(initial, 2000)",
        SMALL,
        "LR019",
    ),
    entry(
        "negative",
        "LambdaLR(optimizer, lambda t: 1 - t / 1000), lr=0.1",
        SMALL | {"unit": "update"},
        "LR008",
    ),
    entry(
        "string",
        """
        sgd = keras.optimizers.SGD(learning_rate=0.5)
        model.compile(optimizer="sgd", loss="mse")
        """,
        SMALL,
        "LR124",
    ),
    entry(
        "step too short",
        "StepLR(optimizer, step_size=1, gamma=0.1), lr=0.1",
        CIFAR,
        "LR001",
    ),
]

GOOD = [
    entry("cosine", f"{K}CosineDecay(0.1, decay_steps=18_750)", DIGITS),
    entry(
        "cosine by arithmetic",
        f"steps = 10 * 60_000 // 32\nlr = {K}CosineDecay(0.1, steps)",
        DIGITS,
    ),
    entry(
        "warm-up and cosine",
        f"{K}CosineDecay(0.0, 18_000, warmup_target=0.1, warmup_steps=750)",
        DIGITS,
    ),
    entry(
        "validation_split counted",
        f"{K}CosineDecay(0.1, 15_000)",
        DIGITS | {"validation_split": 0.2},
    ),
    entry(
        "a tenth every 30 epochs",
        """
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        scheduler = StepLR(optimizer, step_size=30, gamma=0.1)
        for epoch in range(90):
            train(train_loader)
            scheduler.step()
        """,
        CIFAR,
    ),
    entry("the same, pasted bare", "StepLR(optimizer, 30), lr=0.1", CIFAR),
    entry("milestones, bare", "MultiStepLR(optimizer, [30, 60, 80]), lr=0.1", CIFAR),
    entry("torch cosine, bare", "CosineAnnealingLR(opt, T_max=90), lr=0.1", CIFAR),
    entry("torch exponential", "ExponentialLR(opt, gamma=0.95), lr=0.1", CIFAR),
    entry(
        "one-cycle",
        "OneCycleLR(opt, max_lr=0.1, epochs=20, steps_per_epoch=100), lr=0.1",
        SMALL,
    ),
    entry(
        "cyclic",
        "CyclicLR(opt, base_lr=0.001, max_lr=0.01, step_size_up=250), lr=0.001",
        SMALL,
    ),
    entry(
        "restarts that end",
        "CosineAnnealingWarmRestarts(opt, T_0=10), lr=0.1",
        {"samples": 6_400, "batch_size": 64, "epochs": 20},
    ),
    entry("constant", "keras.optimizers.Adam(1e-3)", DIGITS),
    entry(
        "piecewise",
        f"{K}PiecewiseConstantDecay([1_000, 1_500], [1.0, 0.1, 0.01])",
        SMALL,
    ),
    entry("polynomial", f"{K}PolynomialDecay(0.1, 2_000)", SMALL),
    entry(
        "staircase by epoch",
        f"{K}ExponentialDecay(0.01, 10 * 100, 0.5, staircase=True)",
        SMALL,
    ),
    entry(
        "BERT",
        "get_linear_schedule_with_warmup(opt, 200, 2_000), lr=2e-5",
        SMALL,
    ),
    entry(
        "cosine HF", "get_cosine_schedule_with_warmup(opt, 100, 2000), lr=1e-3", SMALL
    ),
    entry("HF constant", "get_constant_schedule_with_warmup(opt, 100), lr=1e-3", SMALL),
    entry("optax linear", "optax.linear_schedule(0.1, 0.0, 2_000)", SMALL),
    entry("optax exp", "optax.exponential_decay(0.1, 500, 0.5)", SMALL),
    entry(
        "optax warm-up",
        "optax.warmup_cosine_decay_schedule(0.0, 0.1, 100, 2_000, 1e-4)",
        SMALL,
    ),
    entry("timm", "CosineLRScheduler(opt, t_initial=20, lr_min=1e-5), lr=0.1", SMALL),
    entry(
        "timm warm-up",
        "CosineLRScheduler(opt, t_initial=100, warmup_t=5, warmup_lr_init=1e-6), "
        "lr=1e-3",
        SMALL | {"epochs": 100},
    ),
    entry("keras restarts", f"{K}CosineDecayRestarts(0.1, 2_000)", SMALL),
    entry("inverse", f"{K}InverseTimeDecay(0.1, 100, 0.5)", SMALL),
    entry(
        "epoch function",
        "def schedule(epoch, lr):\n    return lr if epoch < 10 else lr * 0.9",
        {"samples": 6_400, "batch_size": 64, "epochs": 20, "values": {"lr": 0.01}},
    ),
    entry(
        "range test",
        "def f(epoch):\n    return 1e-6 * 10 ** (epoch / 5)",
        {"samples": 6_400, "batch_size": 64, "epochs": 20},
    ),
]
# The official tutorials' settings, retyped: their data, batch, epochs and schedule.
TUTORIALS = [
    entry(
        "tensorflow: overfit and underfit",
        "keras.optimizers.schedules.InverseTimeDecay(0.001, decay_steps=20 * 1000, "
        "decay_rate=1, staircase=False)",
        {"samples": 10_000, "batch_size": 500, "epochs": 10_000},
    ),
    entry(
        "tensorflow: transformer",
        """
        class CustomSchedule(tf.keras.optimizers.schedules.LearningRateSchedule):
            def __init__(self, d_model, warmup_steps=4000):
                super().__init__()
                self.d_model = tf.cast(d_model, tf.float32)
                self.warmup_steps = warmup_steps

            def __call__(self, step):
                step = tf.cast(step, dtype=tf.float32)
                arg1 = tf.math.rsqrt(step)
                arg2 = step * (self.warmup_steps ** -1.5)
                return tf.math.rsqrt(self.d_model) * tf.math.minimum(arg1, arg2)

        learning_rate = CustomSchedule(128)
        optimizer = tf.keras.optimizers.Adam(learning_rate, beta_1=0.9)
        """,
        {"samples": 51_785, "batch_size": 64, "epochs": 20},
    ),
    entry(
        "tensorflow: distributed training",
        """
        def decay(epoch):
            if epoch < 3:
                return 1e-3
            elif epoch >= 3 and epoch < 7:
                return 1e-4
            else:
                return 1e-5
        """,
        {"samples": 60_000, "batch_size": 64, "epochs": 12},
    ),
    entry(
        "tensorflow: fine-tuning BERT",
        """
        schedule = tf.keras.optimizers.schedules.PolynomialDecay(
            initial_learning_rate=2e-5, decay_steps=345, end_learning_rate=0)
        """,
        {"samples": 3_668, "batch_size": 32, "epochs": 3},
    ),
    entry(
        "keras: LearningRateScheduler's docstring",
        "def scheduler(epoch, lr):\n    if epoch < 10:\n        return lr\n"
        "    else:\n        return lr * 0.9048374",
        {"samples": 5, "batch_size": 32, "epochs": 15, "values": {"lr": 0.01}},
    ),
    entry(
        "keras: speech recognition with transformer, by epoch",
        "optimizer = keras.optimizers.Adam(1e-3)",
        {"samples": 13_100, "batch_size": 64, "epochs": 100},
    ),
    entry(
        "pytorch: transfer learning",
        """
        optimizer_ft = optim.SGD(model_ft.parameters(), lr=0.001, momentum=0.9)
        exp_lr_scheduler = lr_scheduler.StepLR(optimizer_ft, step_size=7, gamma=0.1)
        """,
        {"samples": 244, "batch_size": 4, "epochs": 25},
    ),
    entry(
        "transformers: fine-tuning a masked model",
        'get_scheduler("linear", optimizer=optimizer, num_warmup_steps=0, '
        "num_training_steps=1377), lr=5e-5",
        {"samples": 3_668, "batch_size": 8, "epochs": 3},
    ),
]
ENTRIES = [*FAULTY, *GOOD, *TUTORIALS]

# Schedules: the code of their fault, one that has it, and the same corrected.
RUN = {"samples": 6_400, "batch_size": 64, "epochs": 20}  # 2,000 updates
CASES = {
    "LR001": (lrlib.linear(0.1, 90), lrlib.linear(0.1, 2_000)),
    "LR002": (
        lrlib.piecewise_constant([5_000], [0.1, 0.01]),
        lrlib.piecewise_constant([1_000], [0.1, 0.01]),
    ),
    "LR003": (lrlib.cosine(0.1, 3_500), lrlib.cosine(0.1, 2_000)),
    "LR005": (
        lrlib.warmup(lrlib.cosine(0.1, 9_000), 3_000),
        lrlib.warmup(lrlib.cosine(0.1, 1_900), 100),
    ),
    "LR007": (lrlib.linear(0.1, 1_200), lrlib.linear(0.1, 2_000)),
    "LR010": (
        lrlib.cosine_restarts(0.1, 660, t_mul=1.0),
        lrlib.cosine_restarts(0.1, 500, t_mul=1.0),
    ),
    "LR011": (
        lrlib.cycle(lrlib.piecewise_interpolate([1200, 2400], [0.1, 0.0, 0.1]), 2400),
        lrlib.cosine(0.1, 2_000),
    ),
    "LR012": (
        lrlib.polynomial(1e-5, 2_000),
        lrlib.polynomial(1e-5, 2_000, end_learning_rate=0.0),
    ),
    "LR013": (
        lrlib.join([lrlib.constant(1e-5), lrlib.cosine(0.1, 1_900)], [100]),
        lrlib.warmup(lrlib.cosine(0.1, 1_900), 100, start=1e-5),
    ),
    "LR014": (
        lrlib.piecewise_constant([1_000, 5_000], [0.1, 0.01, 0.001]),
        lrlib.piecewise_constant([1_000, 1_500], [0.1, 0.01, 0.001]),
    ),
    "LR016": (lrlib.cosine(0.1, 20), lrlib.cosine(0.1, 20 * 100)),
    "LR017": (lrlib.cosine(0.1, 6_400), lrlib.cosine(0.1, 2_000)),
    "LR023": (
        lrlib.warmup(lrlib.cosine(0.1, 500), 1_500),
        lrlib.warmup(lrlib.cosine(0.1, 1_900), 100),
    ),
    "LR026": (lrlib.cosine(0.1, 100), lrlib.cosine(0.1, 2_000)),
}

# Texts that mean harm.
HOSTILE = {
    "deep": "(" * 50_000 + ")" * 50_000,
    "lists": "x = " + "[" * 3_000 + "]" * 3_000,
    "a megabyte": "CosineDecay(0.1, 10)\n" * 50_000,
    "unbalanced": "CosineDecay(0.1, (10)",
    "constructor": "constructor.constructor('alert(1)')()",
    "a prototype": "__proto__ = 3\nx = {'__proto__': 1}\ntoString(1)\nvalueOf()",
    "an import": "__import__('os').system('true')",
    "eval": "eval('1')\nexec('2')",
    "look-alikes": "СosineDecay(0.1, 10)",
    "a row's property": "hasOwnProperty(1, 2)",
    "power": "CosineDecay(0.1, 9**9**9**9)",
    "a long list": "PiecewiseConstantDecay([1] * 10**9, [1] * 10**9)",
    "a long range": "x = [a for a in range(10**12)]\nCosineDecay(0.1, x)",
    "calls itself": "def f(t):\n    return f(t)\nLambdaLR(opt, f), lr=1.0",
    "endless": "f = lambda t: f(t + 1)\nCosineDecay(f(1), 10)",
    "doubling": "x = [1]\n" + "x = x + x\n" * 60 + "CosineDecay(x[0], 10)",
    "doubling text": "x = 'a'\n" + "x = x + x\n" * 60 + "CosineDecay(len(x), 10)",
    "many ifs": "def f(t):\n    x = 0\n"
    + "    if t > 1:\n        x = 1\n" * 40
    + "    return x\nopt = SGD(params, lr=1.0)\nLambdaLR(opt, f)",
    "null": "CosineDecay(0.1, 10)\0",
    "html": "<img src=x onerror=alert(1)>",
}
