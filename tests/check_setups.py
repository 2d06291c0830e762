"""Setups as people write them: a compiled model, what fit gets, the findings expected.

Written, as `check_forum`, to find what the check misses or says wrongly.
"""

import math
import random

import keras
import numpy as np
import tensorflow as tf
from keras import callbacks as C
from keras import optimizers as O

S = O.schedules
X, Y = np.zeros([6_400, 2], np.float32), np.zeros([6_400, 1], np.float32)
RUN = {"x": X, "y": Y, "batch_size": 64, "epochs": 20}  # 2,000 updates
CASES = []


def case(*codes):
    def keep(make):
        CASES.append((make.__name__, make, set(codes)))
        return make

    return keep


def model_with(optimizer, outputs=1, **more):
    given = keras.Input([2])
    made = [keras.layers.Dense(1, name=f"out{i}")(given) for i in range(outputs)]
    model = keras.Model(given, made if outputs > 1 else made[0])
    model.compile(optimizer=optimizer, loss="mse", **more)
    return model


@case("LR016")
def epochs_len():
    return model_with(O.Adam(S.CosineDecay(1e-3, 20))), RUN


@case()
def good_cos():
    return model_with(O.Adam(S.CosineDecay(1e-3, 2000))), RUN


@case()
def good_split():
    return model_with(O.Adam(S.CosineDecay(1e-3, 80 * 20))), dict(
        RUN, validation_split=0.2
    )


@case("LR018")
def bad_split():
    return model_with(O.Adam(S.CosineDecay(1e-3, 2000))), dict(
        RUN, validation_split=0.2
    )


@case("LR018")
def bad_split_warm():
    return model_with(
        O.Adam(S.CosineDecay(0.0, 1900, warmup_target=1e-3, warmup_steps=100))
    ), dict(RUN, validation_split=0.25)


@case("LR016")
def ds_known():
    ds = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(100).batch(64).prefetch(2)
    return model_with(O.SGD(S.PolynomialDecay(0.1, 20, 0.0))), dict(x=ds, epochs=20)


@case("LR003")
def ds_repeat_spe():
    ds = tf.data.Dataset.from_tensor_slices((X, Y)).batch(64).repeat()
    return model_with(O.SGD(S.PolynomialDecay(0.1, 2000, 0.0))), dict(
        x=ds, epochs=20, steps_per_epoch=50
    )


@case()
def ds_repeat_good():
    ds = tf.data.Dataset.from_tensor_slices((X, Y)).batch(64).repeat()
    return model_with(O.SGD(S.PolynomialDecay(0.1, 1000, 0.0))), dict(
        x=ds, epochs=20, steps_per_epoch=50
    )


@case()
def ds_unknown_spe():
    ds = tf.data.Dataset.from_generator(
        lambda: iter([]),
        output_signature=(tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1])),
    )
    return model_with(O.SGD(S.PolynomialDecay(0.1, 1000, 0.0))), dict(
        x=ds, epochs=10, steps_per_epoch=100
    )


@case("LR108", "LR001")
def accum():
    return model_with(
        O.SGD(S.CosineDecay(0.1, 500), gradient_accumulation_steps=4)
    ), RUN


@case()
def accum_good():
    return model_with(
        O.SGD(S.CosineDecay(0.1, 2000), gradient_accumulation_steps=4)
    ), RUN


@case("LR108", "LR001")
def accum_warm():
    return model_with(
        O.SGD(
            S.CosineDecay(0.0, 450, warmup_target=0.1, warmup_steps=50),
            gradient_accumulation_steps=4,
        )
    ), RUN


@case()
def loss_scale():
    return model_with(O.LossScaleOptimizer(O.SGD(S.CosineDecay(0.1, 2000)))), RUN


@case("LR016")
def loss_scale_bad():
    return model_with(O.LossScaleOptimizer(O.SGD(S.CosineDecay(0.1, 20)))), RUN


@case("LR104")
def loss_scale_plateau():
    return model_with(O.LossScaleOptimizer(O.SGD(S.CosineDecay(0.1, 2000)))), dict(
        RUN, callbacks=[C.ReduceLROnPlateau("loss", patience=3)]
    )


@case("LR101")
def string():
    return model_with("adam"), RUN, O.Adam(1e-4)


@case()
def lrs_closure():
    base = 0.1

    def f(epoch):
        return base * 0.9**epoch

    return model_with(O.SGD(0.1)), dict(RUN, callbacks=[C.LearningRateScheduler(f)])


@case("LR115")
def lrs_state():
    state = {"n": 0}

    def f(epoch, lr):
        state["n"] += 1
        return 0.1 / (1 + state["n"])

    return model_with(O.SGD(0.1)), dict(RUN, callbacks=[C.LearningRateScheduler(f)])


@case("LR120")
def lrs_int():
    return model_with(O.SGD(0.1)), dict(
        RUN, callbacks=[C.LearningRateScheduler(lambda e: 1 if e < 3 else 0.1)]
    )


@case("LR120")
def lrs_none():
    def f(epoch, lr):
        if epoch < 10:
            return lr

    return model_with(O.SGD(0.1)), dict(RUN, callbacks=[C.LearningRateScheduler(f)])


@case()
def lrs_np():
    return model_with(O.SGD(0.1)), dict(
        RUN, callbacks=[C.LearningRateScheduler(lambda e: np.float32(0.1 * 0.9**e))]
    )


@case("LR120")
def lrs_tensor():
    return model_with(O.SGD(0.1)), dict(
        RUN, callbacks=[C.LearningRateScheduler(lambda e, lr: lr * tf.math.exp(-0.1))]
    )


@case("LR104")
def lrs_keras_schedule():
    return model_with(O.SGD(S.CosineDecay(0.1, 2000))), dict(
        RUN, callbacks=[C.LearningRateScheduler(lambda e: 0.1)]
    )


@case("LR120")
def lrs_is_schedule():
    return model_with(O.SGD(0.1)), dict(
        RUN, callbacks=[C.LearningRateScheduler(S.CosineDecay(0.1, 20))]
    )


@case("LR025")
def lrs_compound():
    return model_with(O.SGD(0.1)), dict(
        RUN, callbacks=[C.LearningRateScheduler(lambda e, lr: lr / (1 + 0.05 * e))]
    )


@case("LR105")
def lrs_plateau():
    return model_with(O.SGD(0.1)), dict(
        RUN,
        callbacks=[
            C.LearningRateScheduler(lambda e: 0.1 * 0.95**e),
            C.ReduceLROnPlateau("loss", patience=2),
        ],
    )


@case("LR105")
def lrs_twice():
    return model_with(O.SGD(0.1)), dict(
        RUN,
        callbacks=[
            C.LearningRateScheduler(lambda e: 0.1 * 0.95**e),
            C.LearningRateScheduler(lambda e: 0.01),
        ],
    )


@case()
def lrs_plateau_ok():
    return model_with(O.SGD(0.1)), dict(
        RUN,
        callbacks=[
            C.LearningRateScheduler(lambda e, lr: lr * 0.95),
            C.ReduceLROnPlateau("loss", patience=2),
        ],
    )


@case("LR107")
def plateau_val():
    return model_with(O.SGD(0.1)), dict(RUN, callbacks=[C.ReduceLROnPlateau()])


@case()
def plateau_val_ok():
    return model_with(O.SGD(0.1)), dict(
        RUN, callbacks=[C.ReduceLROnPlateau(patience=3)], validation_split=0.1
    )


@case("LR107")
def early_acc():
    return model_with(O.SGD(0.1), metrics=["accuracy"]), dict(
        RUN,
        callbacks=[C.EarlyStopping("val_acc", mode="max", patience=3)],
        validation_data=(X, Y),
    )


@case()
def early_named():
    return model_with(
        O.SGD(0.1), metrics=[keras.metrics.MeanAbsoluteError(name="err")]
    ), dict(
        RUN, callbacks=[C.EarlyStopping("val_err", patience=3)], validation_data=(X, Y)
    )


@case("LR107")
def early_named_bad():
    return model_with(
        O.SGD(0.1), metrics=[keras.metrics.MeanAbsoluteError(name="err")]
    ), dict(
        RUN, callbacks=[C.EarlyStopping("val_mae", patience=3)], validation_data=(X, Y)
    )


@case()
def mae_string():
    return model_with(O.SGD(0.1), metrics=["mae"]), dict(
        RUN, callbacks=[C.EarlyStopping("val_mae", patience=3)], validation_data=(X, Y)
    )


@case()
def mae_long_string():
    return model_with(O.SGD(0.1), metrics=["mean_absolute_error"]), dict(
        RUN,
        callbacks=[C.EarlyStopping("val_mean_absolute_error", patience=3)],
        validation_data=(X, Y),
    )


@case()
def metric_obj():
    return model_with(O.SGD(0.1), metrics=[keras.metrics.MeanAbsoluteError()]), dict(
        RUN,
        callbacks=[C.EarlyStopping("val_mean_absolute_error", patience=3)],
        validation_data=(X, Y),
    )


@case("LR107")
def metric_obj_bad():
    return model_with(O.SGD(0.1), metrics=[keras.metrics.MeanAbsoluteError()]), dict(
        RUN, callbacks=[C.EarlyStopping("val_mae", patience=3)], validation_data=(X, Y)
    )


@case()
def two_outputs():
    return model_with(O.SGD(0.1), outputs=2), dict(
        RUN, y=[Y, Y], callbacks=[C.ReduceLROnPlateau("out0_loss", patience=3)]
    )


@case("LR106")
def early_before():
    return model_with(O.SGD(0.1)), dict(
        RUN,
        validation_split=0.1,
        callbacks=[C.EarlyStopping(patience=3), C.ReduceLROnPlateau(patience=5)],
    )


@case()
def early_after():
    return model_with(O.SGD(0.1)), dict(
        RUN,
        validation_split=0.1,
        callbacks=[C.EarlyStopping(patience=10), C.ReduceLROnPlateau(patience=3)],
    )


@case("LR119")
def patience_long():
    return model_with(O.SGD(0.1)), dict(
        RUN,
        epochs=5,
        validation_split=0.1,
        callbacks=[C.ReduceLROnPlateau(patience=10)],
    )


@case("LR110", "LR007")
def second_fit():
    model = model_with(O.SGD(S.CosineDecay(0.1, 2000)))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(2000)
    return model, RUN


@case("LR111", "LR003")
def initial_epoch():
    return model_with(O.SGD(S.CosineDecay(0.1, 4000))), dict(
        RUN, epochs=40, initial_epoch=20
    )


@case()
def resumed_ok():
    model = model_with(O.SGD(S.CosineDecay(0.1, 4000)))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(2000)
    return model, dict(RUN, epochs=40, initial_epoch=20)


@case("LR111", "LR003")
def resumed_wrong_count():
    model = model_with(O.SGD(S.CosineDecay(0.1, 4000)))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(20)
    return model, dict(RUN, epochs=40, initial_epoch=20)


@case("LR102")
def swapped():
    model = model_with(O.SGD(0.1))
    model.fit(X[:64], Y[:64], verbose=0)
    model.optimizer.learning_rate = S.CosineDecay(0.1, 2000)
    return model, RUN


@case("LR109")
def spe():
    class Cb(C.Callback):
        def on_train_batch_begin(self, b, logs=None):
            self.model.optimizer.learning_rate = 0.1 * 0.99**b

    return model_with(O.SGD(0.1), steps_per_execution=10), dict(RUN, callbacks=[Cb()])


@case("LR104")
def own_cb_sets_schedule():
    class Cb(C.Callback):
        def on_epoch_begin(self, e, logs=None):
            self.model.optimizer.learning_rate = 0.1

    return model_with(O.SGD(S.CosineDecay(0.1, 2000))), dict(RUN, callbacks=[Cb()])


@case()
def clr_cb():
    class Cb(C.Callback):
        def on_train_batch_begin(self, b, logs=None):
            self.model.optimizer.learning_rate = 0.1

    return model_with(O.SGD(0.1)), dict(RUN, callbacks=[Cb()])


@case("LR113")
def multi():
    mp = O.OptimizerMap(O.SGD(0.01, name="a"), {".*/kernel": O.SGD(0.1, name="b")})
    return model_with(O.MultiOptimizer(mp)), dict(
        RUN, callbacks=[C.LearningRateScheduler(lambda e: 0.1 * 0.9**e)]
    )


@case()
def multi_ok():
    mp = O.OptimizerMap(
        O.SGD(S.CosineDecay(0.01, 2000), name="a"),
        {".*/kernel": O.SGD(S.CosineDecay(0.1, 2000), name="b")},
    )
    return model_with(O.MultiOptimizer(mp)), RUN


@case("LR016")
def multi_second_bad():
    mp = O.OptimizerMap(
        O.SGD(S.CosineDecay(0.01, 2000), name="a"),
        {".*/kernel": O.SGD(S.CosineDecay(0.1, 20), name="b")},
    )
    return model_with(O.MultiOptimizer(mp)), RUN


@case("LR104")
def multi_plateau():
    mp = O.OptimizerMap(
        O.SGD(S.CosineDecay(0.01, 2000), name="a"),
        {".*/kernel": O.SGD(S.CosineDecay(0.1, 2000), name="b")},
    )
    return model_with(O.MultiOptimizer(mp)), dict(
        RUN, callbacks=[C.ReduceLROnPlateau("loss", patience=3)]
    )


class Noam(S.LearningRateSchedule):
    def __init__(self, d=128, w=400):
        self.d = float(d)
        self.w = w

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        return tf.math.rsqrt(self.d) * tf.minimum(
            tf.math.rsqrt(step), step * self.w**-1.5
        )

    def get_config(self):
        return {"d": self.d, "w": self.w}


@case()
def noam():
    return model_with(O.Adam(Noam())), RUN


@case("LR005")
def noam_long():
    return model_with(O.Adam(Noam(w=4000))), RUN


class NoamInt(Noam):
    def __call__(self, step):
        return self.d**-0.5 * tf.minimum(tf.math.rsqrt(step), step * self.w**-1.5)


@case("LR121")
def noam_int():
    return model_with(O.Adam(NoamInt())), RUN


class NaNs(S.LearningRateSchedule):
    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        return 0.1 / s * 0 + 0.1 * tf.sqrt(1 - s / 1000.0)

    def get_config(self):
        return {}


@case("LR009")
def nan():
    return model_with(O.SGD(NaNs())), RUN


class Neg(S.LearningRateSchedule):
    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        return 0.1 * (1 - s / 1500.0)

    def get_config(self):
        return {}


@case("LR008")
def neg():
    return model_with(O.SGD(Neg())), RUN


class PyIf(S.LearningRateSchedule):
    def __call__(self, step):
        if step < 100:
            return 0.1
        return 0.01

    def get_config(self):
        return {}


@case("LR121")
def pyif():
    return model_with(O.SGD(PyIf())), RUN


class Rand(S.LearningRateSchedule):
    def __call__(self, step):
        return random.random() * 0.1

    def get_config(self):
        return {}


@case("LR115")
def rnd():
    return model_with(O.SGD(Rand())), RUN


class EpochStep(S.LearningRateSchedule):
    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        return 0.1 * tf.pow(0.5, tf.floor(s / 5.0))

    def get_config(self):
        return {}


@case("LR001")
def own_epochs():
    return model_with(O.SGD(EpochStep())), RUN


@case("LR016")
def inv_epochs():
    return model_with(O.SGD(S.InverseTimeDecay(0.01, 20, 0.5))), RUN


@case("LR016")
def pydataset_bad():
    class Seq(keras.utils.PyDataset):
        def __len__(self):
            return 100

        def __getitem__(self, i):
            return X[:64], Y[:64]

    return model_with(O.SGD(S.CosineDecay(0.1, 20))), dict(x=Seq(), epochs=20)


@case()
def adamw_wd():
    return model_with(O.AdamW(S.CosineDecay(1e-3, 2000), weight_decay=0.01)), RUN


@case()
def restarts():
    return model_with(O.SGD(S.CosineDecayRestarts(0.1, 500, t_mul=1.0))), RUN


@case("LR115")
def func_state():
    state = {"lr": 0.1}

    def f():
        state["lr"] *= 0.9
        return state["lr"]

    return model_with(O.SGD(f)), RUN


@case()
def lrs_logs_print():
    def f(epoch, lr):
        new = lr * 0.9 if epoch and epoch % 5 == 0 else lr
        return float(new)

    return model_with(O.Adam(1e-3)), dict(
        RUN,
        callbacks=[
            C.LearningRateScheduler(f, verbose=1),
            C.TerminateOnNaN(),
            C.ModelCheckpoint("best.keras", monitor="loss"),
        ],
    )


@case("LR107")
def checkpoint_monitor():
    return model_with(O.SGD(0.1)), dict(
        RUN,
        callbacks=[
            C.ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True)
        ],
    )


@case("LR104")
def backup_lrs_dict():
    return model_with(O.Adam(S.ExponentialDecay(1e-3, 100, 0.95))), dict(
        RUN, callbacks=C.ReduceLROnPlateau("loss")
    )


@case()
def warmed():
    schedule = S.CosineDecay(0.0, 1800, warmup_target=1e-3, warmup_steps=200)
    return model_with(O.Adam(schedule)), RUN


@case("LR020")
def no_target():
    return model_with(O.Adam(S.CosineDecay(1e-3, 1800, warmup_steps=200))), RUN


@case("LR012")
def rises():
    return model_with(O.SGD(S.PolynomialDecay(1e-3, 2000, 1e-2))), RUN


@case("LR014")
def one_boundary_past():
    schedule = S.PiecewiseConstantDecay([1000, 8000], [0.1, 0.01, 0.001])
    return model_with(O.SGD(schedule)), RUN


@case("LR028")
def updates_by_epoch():
    schedule = S.ExponentialDecay(1e-3, 1000, 0.9)
    callback = C.LearningRateScheduler(lambda epoch: float(schedule(epoch)))
    return model_with(O.Adam(1e-3)), dict(RUN, callbacks=[callback])


@case("LR028")
def cosine_of_updates_by_epoch():
    def cosine(epoch, lr):
        return 1e-3 * 0.5 * (1 + math.cos(math.pi * epoch / 2000))

    callback = C.LearningRateScheduler(cosine)
    return model_with(O.Adam(1e-3)), dict(RUN, callbacks=[callback])


@case()
def cosine_by_epoch():
    def cosine(epoch, lr):
        return 1e-3 * 0.5 * (1 + math.cos(math.pi * epoch / 20))

    callback = C.LearningRateScheduler(cosine)
    return model_with(O.Adam(1e-3)), dict(RUN, callbacks=[callback])


@case("LR025")
def exponents_compound():
    callback = C.LearningRateScheduler(lambda epoch, lr: lr * math.exp(-0.1 * epoch))
    return model_with(O.Adam(1e-3)), dict(RUN, callbacks=[callback])


@case("LR103")
def callback_sets_lr():
    class Decay(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.lr = 1e-4

    return model_with(O.Adam(1e-3)), dict(RUN, callbacks=[Decay()])


@case()
def callback_sets_rate():
    class Decay(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rate = float(self.model.optimizer.learning_rate)
            self.model.optimizer.learning_rate = 0.9 * rate

    return model_with(O.Adam(1e-3)), dict(RUN, callbacks=[Decay()])


@case("LR007")
def default_batch():
    schedule = S.CosineDecay(1e-3, 2000)
    return model_with(O.Adam(schedule)), {"x": X, "y": Y, "epochs": 20}


@case("LR002", "LR017")
def staircase_of_samples():
    schedule = S.ExponentialDecay(0.1, 6400, 0.9, staircase=True)
    return model_with(O.SGD(schedule)), RUN


@case()
def split_and_data():
    more = {"validation_split": 0.2, "validation_data": (X, Y)}
    return model_with(O.Adam(S.CosineDecay(1e-3, 2000))), RUN | more


@case("LR127")
def accuracy_downward():
    plateau = C.ReduceLROnPlateau("accuracy", mode="min", patience=3)
    model = model_with(O.Adam(1e-3), metrics=["accuracy"])
    return model, dict(RUN, callbacks=[plateau])


@case("LR127")
def best_by_highest_loss():
    best = C.ModelCheckpoint("x.keras", "val_loss", save_best_only=True, mode="max")
    more = {"validation_split": 0.1, "callbacks": [best]}
    return model_with(O.Adam(1e-3)), RUN | more


@case()
def averaged_clipped_compiled():
    schedule = S.CosineDecay(1e-3, 2000)
    optimizer = O.AdamW(schedule, use_ema=True, global_clipnorm=1.0)
    return model_with(optimizer, jit_compile=True), RUN


@case()
def generator():
    def batches():
        while True:
            yield X[:64], Y[:64]

    model = model_with(O.Adam(S.CosineDecay(1e-3, 2000)))
    return model, {"x": batches(), "steps_per_epoch": 100, "epochs": 20}


@case()
def two_plateaus():
    both = [C.ReduceLROnPlateau(each, patience=3) for each in ("loss", "val_loss")]
    more = {"validation_data": (X, Y), "callbacks": both}
    return model_with(O.Adam(1e-3)), RUN | more


@case("LR008")
def line_past_its_end():
    class Line(S.LearningRateSchedule):
        def __call__(self, step):
            return 0.1 - 1e-4 * keras.ops.cast(step, "float32")

        def get_config(self):
            return {}

    return model_with(O.SGD(Line())), RUN
