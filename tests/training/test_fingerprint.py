"""Two trainings are the same where nothing that decides the result differs."""

import numpy as np
import pytest

from stnclf import CiresanBaseline, STNCellClassifier
from stnclf.training import _fingerprint
from stnclf.training._fingerprint import differences, fingerprint


def made(estimator=None, **changes):
    rng = np.random.default_rng(0)
    given = {
        "stages": ["classifier"],
        "X": rng.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8),
        "classes": np.array(["a", "b"]),
        "y": np.array([0, 1, 0, 1, 1, 0]),
        "centers": rng.uniform(0, 4, (6, 2)),
        "weight": np.ones(6),
        "start": None,
    }
    return fingerprint(estimator or CiresanBaseline(), **{**given, **changes})


def test_every_parameter_counts_but_those_that_say_how_and_where():
    for kind in (CiresanBaseline, STNCellClassifier):
        found = {name.split("__")[0] for name in made(kind())["parameters"]}
        free = set(kind().get_params()) - found
        how = {"callbacks", "checkpoint", "compile", "device", "mpp", "verbose"}
        assert free == how | {"init", "warm_start"}  # these count by the weights to start from


def test_images_are_read_in_pieces_with_the_same_result(monkeypatch, tmp_path):
    X = np.random.default_rng(1).integers(0, 256, (50, 4, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "X.npy", X)
    whole = made(X=X)["X"]
    monkeypatch.setattr(_fingerprint, "_PIECE", 7 * X[0].nbytes)
    assert made(X=np.load(tmp_path / "X.npy", mmap_mode="r"))["X"] == whole
    assert made(X=np.asfortranarray(X))["X"] == whole
    changed = X.copy()
    changed[49, 3, 4, 2] ^= 1
    assert made(X=changed)["X"] != whole
    assert made(X=X.reshape(50, 5, 4, 3))["X"] != whole
    assert made(X=X.view(np.int8))["X"] != whole


def test_labels_count_with_their_kind_but_not_their_storage():
    one = made(classes=np.array([0, 1]))
    assert made(classes=np.array([0, 1], dtype=np.int8))["y"] == one["y"]
    assert made(classes=np.array([0.0, 1.0]))["y"] != one["y"]
    assert made(classes=np.array([False, True]))["y"] != one["y"]
    assert made(classes=np.array(["a", "b"], dtype=object))["y"] == made()["y"]
    with pytest.raises(TypeError, match="y: labels of dtype object cannot be stored"):
        made(classes=np.array([b"a", b"b"], dtype=object))


def test_generators_count_by_their_state():
    generator = np.random.RandomState(5)
    before = made(CiresanBaseline(random_state=generator))
    assert made(CiresanBaseline(random_state=np.random.RandomState(5))) == before
    assert len(str(before)) < 2000
    generator.randint(3)
    assert differences(before, made(CiresanBaseline(random_state=generator)))[0].startswith(
        "random_state (was "
    )


def test_parameters_that_cannot_be_written_are_named():
    with pytest.raises(TypeError, match="class_weight: got bytes"):
        made(CiresanBaseline(class_weight={b"a": 1.0}))


def test_weights_to_start_from_count(quick_baseline, blobs):
    start = quick_baseline.fit(*blobs).net_.module_.state_dict()
    one = made(start=start)
    assert differences(one, made(start=dict(reversed(start.items())))) == []
    changed = {**start, "output.bias": start["output.bias"] + 1}
    words = ["warm_start or init (it starts from other weights)"]
    assert differences(one, made(start=changed)) == words
    assert differences(one, made()) == words


@pytest.mark.parametrize("parameters", [None, [], 3, {"lr": {"x": 1}}])
def test_a_fingerprint_from_anyone_is_compared_without_harm(parameters):
    there = {**made(), "parameters": parameters, "X": [1], "more": 1}
    found = differences(there, made())
    assert "X" in found
    assert any(words.startswith("optimizer__lr (was ") for words in found)
