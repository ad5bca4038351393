"""Transfer learning: begin with the weights of a fitted or saved model."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score

import stnclf
from stnclf import CiresanBaseline, STNCellClassifier
from stnclf.training._transfer import initial_weights
from tests.conftest import QUICK

NOTHING = {**QUICK, "classifier_epochs": 0, "localizer_epochs": 0, "joint_epochs": 0}


@pytest.fixture(scope="module")
def source(blobs):
    X, y, centers = blobs
    return STNCellClassifier(**QUICK).fit(X, y, centers=centers)


@pytest.fixture(scope="module")
def three(blobs):
    """The same images in three other classes."""
    X, y, centers = blobs
    return X, np.where(np.arange(len(y)) % 3 == 0, "a", y), centers


def weights(estimator):
    return estimator.net_.module_.state_dict()


def test_all_but_the_class_layers_is_taken(source, three):
    X, y, centers = three
    clf = STNCellClassifier(**NOTHING, init=source).fit(X, y, centers=centers)
    drawn = STNCellClassifier(**NOTHING).fit(X, y, centers=centers)
    old, new, fresh = weights(source), weights(clf), weights(drawn)
    for name, tensor in new.items():
        named = name.startswith("classifier.output.")
        other = fresh if named or name in ("mean", "std") else old
        assert torch.equal(tensor, other[name]), name
    name = "localizer.features.shared.conv_stem.weight"
    assert not torch.equal(old[name], fresh[name])
    assert new["classifier.output.weight"].shape[0] == 3


def test_class_layers_are_taken_for_the_same_classes(source, blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(**NOTHING, init=source).fit(X, y, centers=centers)
    assert np.array_equal(clf.predict_proba(X), source.predict_proba(X))
    swapped = np.where(y == "disc", "a", "z")  # as many classes, but not these
    other = STNCellClassifier(**NOTHING, init=source).fit(X, swapped, centers=centers)
    assert not torch.equal(
        weights(other)["classifier.output.weight"], weights(source)["classifier.output.weight"]
    )


def test_files_and_frozen_estimators_are_the_same_start(source, three, tmp_path):
    X, y, centers = three
    stnclf.save(source, tmp_path / "model.safetensors")
    starts = [source, FrozenEstimator(source), tmp_path / "model.safetensors"]
    starts.append(str(starts[-1]))
    fits = [STNCellClassifier(**QUICK, init=i).fit(X, y, centers=centers) for i in starts]
    first, *others = [fit.predict_proba(X) for fit in fits]
    assert all(np.array_equal(first, other) for other in others)
    plain = STNCellClassifier(**QUICK).fit(X, y, centers=centers)
    assert not np.array_equal(first, plain.predict_proba(X))


def test_a_narrower_or_other_network_gives_what_agrees(source, blobs):
    """Grey images: the first convolutions are new, the rest is taken."""
    X, y, centers = blobs
    source = clone(source).set_params(classifier="context").fit(X, y, centers=centers)
    apart = {**NOTHING, "classifier": "context"}
    clf = STNCellClassifier(**apart, init=source).fit(X[..., :1], y, centers=centers)
    own, old = weights(clf), weights(source)
    assert own["localizer.features.conv_stem.weight"].shape[1] == 1
    assert torch.equal(
        own["localizer.features.conv_1.weight"], old["localizer.features.conv_1.weight"]
    )
    # Other localizer: the classifier is taken.
    dense = STNCellClassifier(**apart, localizer="dense", init=source)
    own = weights(dense.fit(X, y, centers=centers))
    name = "classifier.towers.1.conv_1.weight"
    assert torch.equal(own[name], old[name])


def test_clone_and_cross_validation_keep_the_start(source, three):
    X, y, centers = three
    clf = STNCellClassifier(**QUICK, init=source)
    with pytest.raises(ValueError, match="init__tta: init is used as it is"):
        clf.set_params(init__tta=False)
    assert not [name for name in clf.get_params() if name.startswith("init__")]
    assert clf.set_params(**clf.get_params()).init is source
    assert clone(clf).init is source
    assert clone(STNCellClassifier()).init is None
    scores = cross_val_score(clf, X, y, cv=2, params={"centers": centers}, error_score="raise")
    assert len(scores) == 2


def test_start_is_left_as_it_was(source, three):
    X, y, centers = three
    before = {name: tensor.clone() for name, tensor in weights(source).items()}
    STNCellClassifier(**QUICK, init=source).fit(X, y, centers=centers)
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(source).items())


def test_warm_start_goes_on_from_the_last_fit(source, three):
    X, y, centers = three
    clf = STNCellClassifier(**NOTHING, init=source, warm_start=True).fit(X, y, centers=centers)
    with torch.no_grad():
        weights(clf)["classifier.output.bias"].add_(1.0)
    kept = weights(clf)["classifier.output.bias"].clone()
    clf.fit(X, y, centers=centers)
    assert torch.equal(weights(clf)["classifier.output.bias"], kept)


def test_start_is_no_part_of_a_model_file(source, three, tmp_path):
    X, y, centers = three
    clf = STNCellClassifier(**QUICK, init=source).fit(X, y, centers=centers)
    stnclf.save(clf, tmp_path / "model")
    assert stnclf.load(tmp_path / "model").init is None


def test_baseline_takes_its_trunk(three, blobs):
    X, y, centers = blobs
    source = CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    clf = CiresanBaseline(epochs=0, random_state=1, init=source).fit(three[0], three[1])
    assert torch.equal(weights(clf)["dense.weight"], weights(source)["dense.weight"])
    assert weights(clf)["output.weight"].shape[0] == 3


def test_wrong_starts_are_refused(source, blobs, tmp_path):
    X, y, centers = blobs
    (tmp_path / "text").write_text("no model, but long enough to be read as one")
    for init, kind, words in [
        (3, TypeError, "init: got int"),
        (STNCellClassifier, TypeError, "init: got"),
        (STNCellClassifier(), ValueError, "init: got a STNCellClassifier that is not fitted"),
        (tmp_path / "text", ValueError, "init: .*text cannot be loaded"),
        (tmp_path, ValueError, "no regular file"),
        (tmp_path / "none", FileNotFoundError, "none"),
    ]:
        with pytest.raises(kind, match=words):
            STNCellClassifier(**QUICK, init=init).fit(X, y, centers=centers)
    with pytest.raises(ValueError, match="init: none of its convolutions"):
        CiresanBaseline(epochs=0, init=source).fit(X, y)


def test_damaged_files_are_refused(source, tmp_path):
    path = tmp_path / "model"
    stnclf.save(source, path)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="it is damaged"):
        initial_weights(path, STNCellClassifier)
    header = int.from_bytes(data[:8], "little")
    huge = data[8 : 8 + header].replace(b'"F32"', b'"F16"', 1)
    path.write_bytes(data[:8] + huge + data[8 + header :])
    with pytest.raises(ValueError, match="F16"):
        initial_weights(path, STNCellClassifier)
