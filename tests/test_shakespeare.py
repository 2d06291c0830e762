"""The text comes whole or not at all, and the model is a causal Transformer."""

import hashlib
import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import lrlib
from lrlib import shakespeare
from lrlib.shakespeare import CHARACTERS


def text_of(windows):
    return "".join(CHARACTERS[i] for i in np.ravel(windows))


def test_windows_follow_each_other_and_the_labels_are_the_next_characters():
    (x_train, y_train), (x_test, y_test) = lrlib.load_shakespeare(context=50)
    assert x_train.dtype == y_test.dtype == np.int32
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert x.shape == y.shape == (len(x), 50)
        assert text_of(x)[1:] == text_of(y)[:-1]
    assert text_of(x_train).startswith("First Citizen:\nBefore we proceed")


def test_nothing_of_the_text_is_lost_but_the_ends():
    (x_train, _), (x_test, _) = lrlib.load_shakespeare(context=1)
    assert x_train.size + x_test.size == 1_115_394 - 2
    text = text_of(x_train)
    assert text_of(x_test) not in text
    whole = hashlib.sha256(shakespeare._read()).hexdigest()
    assert whole.startswith("86c4e6aa9db7c042")


def test_every_character_has_its_number():
    (x_train, _), _ = lrlib.load_shakespeare()
    assert np.unique(x_train).tolist() == list(range(65))
    assert list(CHARACTERS) == sorted(set(shakespeare._read().decode()))


@pytest.mark.parametrize("where", [0, 200_000, -1])
def test_one_damaged_byte_is_found(tmp_path, monkeypatch, where):
    content = bytearray(shakespeare.FILE.read_bytes())
    content[where] ^= 1
    damaged = tmp_path / "shakespeare.txt.xz"
    damaged.write_bytes(content)
    monkeypatch.setattr(shakespeare, "FILE", damaged)
    with pytest.raises(OSError, match=r"damaged: its SHA-256 .* Install lrlib again"):
        lrlib.load_shakespeare()


def test_a_missing_file_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(shakespeare, "FILE", tmp_path / "shakespeare.txt.xz")
    with pytest.raises(FileNotFoundError, match="install lrlib again"):
        lrlib.load_shakespeare()


@pytest.mark.parametrize("context", [0, 100_001])
def test_a_window_has_a_length_that_the_text_has(context):
    with pytest.raises(ValueError, match="context must be"):
        lrlib.load_shakespeare(context)
    assert len(lrlib.load_shakespeare(100_000)[1][0]) == 1


def test_it_is_small_enough_to_come_along():
    assert shakespeare.FILE.stat().st_size < 450_000


@pytest.mark.parametrize("pre_norm", [False, True])
def test_no_place_sees_what_comes_after_it(pre_norm):
    keras.utils.set_random_seed(0)
    model = lrlib.build_transformer(context=8, width=16, pre_norm=pre_norm)
    tokens = np.arange(8)[None]
    changed = tokens.copy()
    changed[0, 5] = 60
    before, after = (np.asarray(model(t))[0] for t in (tokens, changed))
    assert np.allclose(before[:5], after[:5], atol=1e-6)
    assert (np.abs(before[5:] - after[5:]).max(axis=-1) > 1e-4).all()


def test_each_place_is_told_from_the_others():
    keras.utils.set_random_seed(0)
    model = lrlib.build_transformer(context=8, width=16)
    outputs = np.asarray(model(np.zeros((1, 8), int)))[0]
    assert np.abs(np.diff(outputs, axis=0)).max(axis=-1).min() > 1e-4


def test_pre_norm_adds_a_last_normalization_and_leaves_the_sums_alone():
    def scales(pre_norm):
        keras.utils.set_random_seed(0)
        model = lrlib.build_transformer(width=16, layers=2, pre_norm=pre_norm)
        kinds = [type(layer).__name__ for layer in model.layers]
        return model.count_params(), kinds.count("LayerNormalization"), kinds[-2]

    after, before = scales(False), scales(True)
    assert after[1:] == (4, "LayerNormalization")
    assert before[1:] == (5, "LayerNormalization")
    assert before[0] - after[0] == 2 * 16


def test_it_trains_in_a_race_under_xla_as_without():
    (x, y), (x_test, y_test) = lrlib.load_shakespeare(context=8)
    data = (x[:64], y[:64]), (x_test[:8], y_test[:8])
    runs = [
        lrlib.race(
            {"adamw": lambda: keras.optimizers.AdamW(0.01)},
            seeds=1,
            epochs=1,
            batch_size=8,
            model=lambda: lrlib.build_transformer(8, 16, 1, 2),
            data=data,
            jit_compile=jit_compile,
            progress=False,
        )
        for jit_compile in (False, True)
    ]
    assert runs[0].loss[0, 0, -1] < runs[0].loss[0, 0, 0] - 0.2
    assert np.allclose(runs[0].loss, runs[1].loss, rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"width": 66}, "width must be a multiple of heads, 4, got 66"),
        ({"layers": 0}, "layers must be"),
        ({"characters": 1}, "characters must be"),
        ({"context": 0}, "context must be"),
    ],
)
def test_what_makes_no_transformer_is_refused(given, error):
    with pytest.raises(ValueError, match=error):
        lrlib.build_transformer(**given)
    with pytest.raises(TypeError, match="pre_norm must be True or False"):
        lrlib.build_transformer(pre_norm="yes")


def test_the_stored_runs_are_of_the_script_the_model_and_the_text_of_today():
    path = Path(__file__).parents[1] / "benchmarks" / "language_model.py"
    spec = importlib.util.spec_from_file_location("language_model", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    record = json.loads((script.RESULTS / "record.json").read_text())["sha256"]
    for file in script.FILES:
        content = (script.RESULTS / file).read_bytes()
        assert record.pop(file) == hashlib.sha256(content).hexdigest()
        runs = script.stored(file)
        assert runs.finished.all()
        assert runs.seeds == script.SEEDS
    assert record == script.made_of()
