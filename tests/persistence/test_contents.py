"""What is in a file of an ensemble, and what is refused of it."""

import copy

import numpy as np
import pytest
import torch

import stnclf
from stnclf import CiresanBaseline, Ensemble, STNCellClassifier
from stnclf.persistence import model_card
from stnclf.persistence._contents import describe, weights
from tests.conftest import QUICK
from tests.persistence.mutations import File
from tests.persistence.test_model_card import rows


@pytest.fixture(scope="module")
def ensemble(blobs):
    X, y, centers = blobs
    kinds = [
        STNCellClassifier(tta=False, **QUICK),
        CiresanBaseline(epochs=2, random_state=1),
        CiresanBaseline(epochs=1, random_state=2),
    ]
    fitted = [e.fit(X[i::3], y[i::3], centers=centers[i::3]) for i, e in enumerate(kinds)]
    return Ensemble(fitted)


@pytest.fixture
def path(ensemble, tmp_path):
    stnclf.save(ensemble, tmp_path / "ensemble.safetensors")
    return tmp_path / "ensemble.safetensors"


def test_nothing_is_lost(ensemble, blobs, path, tmp_path):
    X, again = blobs[0][:9], stnclf.load(path)
    assert type(again) is Ensemble
    for method in ("predict_proba", "transform", "disagreement", "localize", "attend"):
        assert np.array_equal(getattr(again, method)(X), getattr(ensemble, method)(X)), method
    assert repr(again) == repr(ensemble)
    for a, b in zip(ensemble.estimators, again.estimators, strict=True):
        assert type(a) is type(b)
        assert a.history_ == b.history_
        assert set(vars(a)) == set(vars(b))
    stnclf.save(again, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_member_goes_on_training(ensemble, blobs, path):
    X, y, centers = (array[1::3] for array in blobs)
    members = copy.deepcopy(ensemble.estimators[1]), stnclf.load(path).estimators[1]
    first, again = (m.set_params(warm_start=True, epochs=1) for m in members)
    states = [m.fit(X, y, centers=centers).net_.module_.state_dict() for m in (first, again)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_all_members_go_to_the_device(path):
    assert [m.device for m in stnclf.load(path, "cpu").estimators] == ["cpu"] * 3


def test_the_description_is_that_of_the_members(ensemble):
    facts = describe(ensemble)
    assert facts["class"] == "Ensemble"
    assert [m["class"] for m in facts["members"]] == ["STNCellClassifier"] + ["CiresanBaseline"] * 2
    alone = describe(ensemble.estimators[1])
    assert {k: alone[k] for k in facts["members"][1]} == facts["members"][1]
    assert sum(name.startswith("2.") for name in weights(ensemble)) == len(
        weights(ensemble.estimators[2])
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.update(members=[]), "members: got 0, wants 1 to 100"),
        (lambda f: f.update(members=f["members"] * 40), "members: got 120, wants 1 to 100"),
        (lambda f: f.update(members={}), "members: wants a list of objects"),
        (lambda f: f["members"].append(3), "members: wants a list of objects"),
        (lambda f: f["members"].pop(), "tensor '2.*' is unknown"),
        (lambda f: f["members"].append(f["members"][2]), "tensor '3.*' is missing"),
        (lambda f: f["members"][0].update({"class": "Ensemble"}), "class: got 'Ensemble'"),
        (
            lambda f: f["members"][2]["classes_"].update(values=["cross", "ring"]),
            r"estimators\[2\]: has classes_ \['cross', 'ring'\]",
        ),
        (lambda f: f["members"][1]["parameters"].update(mpp=0.5), r"estimators\[1\]: has mpp 0.5"),
    ],
)
def test_what_is_no_ensemble_is_refused(path, change, words):
    file = File(path.read_bytes())
    change(file.facts)
    path.write_bytes(file.sign().join())
    with pytest.raises(ValueError, match=f"^{path}: cannot be loaded; .*{words}"):
        stnclf.load(path)


def test_damage_is_found(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="its digest is another"):
        stnclf.load(path)


def test_too_many_members_are_not_written(ensemble, tmp_path):
    with pytest.raises(ValueError, match="has 101 members, a file holds at most 100"):
        stnclf.save(Ensemble([ensemble.estimators[2]] * 101), tmp_path / "many")


def test_the_card_shows_all_members(ensemble):
    card = model_card(ensemble)
    assert card.startswith("# Ensemble\n\nSeveral fitted estimators that predict as one")
    assert dict(rows(card, "Input and output"))["members"] == "3"
    stages = [row[:2] for row in rows(card, "Training")]
    assert stages[0] == ["member 0, classifier", "1"]
    assert ["member 1, classifier", "2"] in stages
    seeds = [row for row in rows(card, "Parameters") if row[0] == "`random_state`"]
    assert seeds == [["`random_state`", "`0`", "`None`"], ["`random_state`", "`1`; `2`", "`None`"]]
