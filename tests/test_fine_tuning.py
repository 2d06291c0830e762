"""The runs that the chapter on fine-tuning shows are those of its script."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import fine_tuning  # noqa: E402


def read(name):
    return json.loads((fine_tuning.RESULTS / f"{name}.json").read_text())


@pytest.fixture(params=fine_tuning.EXPERIMENTS)
def experiment(request):
    return request.param


def rates(name):
    return fine_tuning.way(name)[1]


def test_all_rates_fall_to_0_in_a_straight_line():
    found = rates("one 0.01")
    assert found.shape == (100, 4)
    assert np.allclose(found[0], 0.01)
    assert np.allclose(found[50], 0.005)
    assert np.allclose(found[-1], 0.0001)


def test_the_head_is_the_last_layer():
    assert np.allclose(rates("two 0.03 0.003")[0], [0.003] * 3 + [0.03])
    assert np.allclose(rates("head 0.1")[0], [0, 0, 0, 0.1])
    assert np.allclose(rates("layerwise 0.08 0.5")[0], [0.01, 0.02, 0.04, 0.08])


def test_layers_join_when_they_should():
    def first(name):
        return (rates(name) > 0).argmax(axis=0).tolist()

    assert first("gradual 0.01") == [30, 20, 10, 0]
    assert first("late 0.03 0.003") == [50, 50, 50, 0]
    assert first("twice 0.03 0.003") == [50, 50, 50, 0]
    assert np.allclose(rates("twice 0.03 0.003")[50], 0.003)


def test_a_warm_up_climbs_to_the_same_rates():
    warm, plain = rates("warm 10 0.03 0.003"), rates("two 0.03 0.003")
    assert np.allclose(warm[0], plain[0] / 10)
    assert np.allclose(warm[9:], plain[9:])


def test_only_training_from_scratch_forgets_the_pretrained_weights():
    names = fine_tuning.grid("turned-50")
    scratch = {name for name in names if fine_tuning.way(name)[0]}
    assert scratch == {name for name in names if name.startswith("scratch")}


def test_labels_come_from_digits_that_the_network_has_not_seen():
    parts = fine_tuning.PRETRAIN, fine_tuning.POOL, fine_tuning.HELD_OUT
    indices = [set(range(8000)[part]) for part in parts]
    assert sum(map(len, indices)) == len(set.union(*indices)) == 8000
    assert not set(fine_tuning.SEEDS) & set(fine_tuning.TUNING_SEEDS)


def test_the_records_are_of_todays_script_and_whole(experiment):
    tuning, final = read(f"{experiment}-tuning"), read(experiment)
    assert tuning["made_by"] == final["made_by"] == fine_tuning.MADE_BY
    names = fine_tuning.grid(experiment)
    assert set(names) <= set(tuning["runs"])
    values = np.array([tuning["runs"][name] for name in names])
    assert values.shape == (len(names), len(fine_tuning.TUNING_SEEDS), 2)
    for winner in fine_tuning.best(names, values).values():
        assert len(final["runs"][winner]) == len(fine_tuning.SEEDS)


def test_each_best_rate_has_a_worse_one_on_either_side(experiment):
    # Factor 1 of a layer-wise decay is one rate for all.
    edges = {
        kind: [{*axis[:: len(axis) - 1]} for axis in axes]
        for kind, axes in fine_tuning.axes(experiment).items()
    }
    if "layerwise" in edges:
        edges["layerwise"][1].discard(0.7)
    names = fine_tuning.grid(experiment)
    runs = read(f"{experiment}-tuning")["runs"]
    winners = fine_tuning.best(names, np.array([runs[name] for name in names]))
    for kind, name in winners.items():
        for rate, edge in zip(name.split()[1:], edges[kind], strict=True):
            assert float(rate) not in edge, name


def test_pretrained_weights_are_small_and_fit(experiment):
    task, *_ = fine_tuning.EXPERIMENTS[experiment]
    file = fine_tuning.RESULTS / f"pretrained-{task}.npz"
    assert file.stat().st_size < 400_000
    shapes = [w.shape for w in fine_tuning.pretrained(task)]
    assert shapes[-1] == ((10,) if task == "turned" else (5,))
    assert len(shapes) == 2 * fine_tuning.LAYERS
