"""Images out of the ordinary are handled or refused; numbers that go wrong end the training."""

import numpy as np
import pytest
from sklearn.base import clone
from skorch.callbacks import Callback

from stnclf import CiresanBaseline, Optimizer, STNCellClassifier
from tests.conftest import QUICK

Y = np.array(["a", "b"] * 4)
KINDS = {
    "stn": STNCellClassifier(**QUICK, batch_size=4),
    "baseline": CiresanBaseline(epochs=1, batch_size=4, random_state=0),
}


def noise(scale=1.0, shape=(8, 16, 20, 3)):
    return np.random.default_rng(0).normal(0, 1, shape) * scale


def outlier():
    X = noise() ** 2
    X[3, 4, 5, 1] = 3e38
    return X


IMAGES = {
    "constant": np.full((8, 16, 20, 3), 77, np.uint8),
    "zero": np.zeros((8, 16, 20, 3)),
    "constant and huge": np.full((8, 16, 20, 3), -3e38),
    "far from zero": noise() + 1e30,
    "one pixel": noise(shape=(8, 1, 1, 3)),
    "one grey pixel": np.arange(8, dtype=np.uint8).reshape(8, 1, 1),
    "huge": noise(1e37),
    "tiny": noise(1e-43),
    "one that is far from all others": outlier(),
    "one channel": noise(shape=(8, 16, 20, 1)),
    "seven channels": noise(shape=(8, 16, 20, 7)),
    "float16": noise().astype(np.float16),
    "large float16": (noise() ** 2 * 6000).clip(0, 65504).astype(np.float16),
    "int64": np.random.default_rng(0).integers(-(2**62), 2**62, (8, 16, 20, 3)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", IMAGES)
def test_images_that_are_handled(name, kind):
    X, clf = IMAGES[name], KINDS[kind]
    probabilities = clf.fit(X, Y).predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert np.isfinite(clf.transform(X)).all()
    assert np.isfinite(clf.attend(X)).all()


def test_values_too_large_to_average_end_the_stage():
    X = np.where(noise() > 0, 3.4e38, -3.4e38)
    with pytest.raises(FloatingPointError, match=r"epoch 1 of stage .* values in X that are huge"):
        clone(KINDS["stn"]).set_params(classifier="context").fit(X, Y)


@pytest.mark.parametrize("stage", ["classifier", "localizer", "joint"])
@pytest.mark.parametrize("localizer", ["heatmap", "dense"])
def test_a_rate_that_is_too_high_is_named(stage, localizer):
    clf = STNCellClassifier(**QUICK, batch_size=4, localizer=localizer)
    rates = [1e30 if name == stage else 1e-3 for name in ("classifier", "localizer", "joint")]
    clf.set_params(optimizer=Optimizer(lr=rates, schedule="constant"))
    with pytest.raises(FloatingPointError, match=rf"epoch 1 of stage '{stage}'.*\(lr=1e\+30, see"):
        clf.fit(noise(), Y)


class Spoil(Callback):
    """A step too far, after the last loss."""

    def on_batch_end(self, net, **kwargs):
        net.module_.output.bias.data[1] = np.inf


def test_weights_that_became_infinite_in_the_last_step_are_noticed():
    clf = CiresanBaseline(epochs=1, batch_size=8, callbacks=[Spoil()], random_state=0)
    words = r"infinite \(tensor 'output.bias' .*epoch 1 of stage 'classifier'.*\(lr=0.001, see"
    with pytest.raises(FloatingPointError, match=words):
        clf.fit(noise(), Y)
    with pytest.raises(ValueError, match=r"8 of 8 images give no finite result.* did not fail"):
        clf.predict(noise())


@pytest.mark.parametrize("kind", KINDS)
def test_images_without_a_finite_result_are_refused(kind):
    clf = KINDS[kind].fit(noise(), Y)
    X = noise()
    X[5:7] *= 1e38
    with pytest.raises(ValueError, match=r"X: got floats .* was fitted on numbers from"):
        clf.predict(X)
    clf.pixel_unit_ = None  # as in a model of earlier days, which knows no range
    for method in (clf.predict_proba, clf.predict, clf.transform):
        with pytest.raises(
            ValueError, match=r"X: . of 8 images give no finite result.* index [56];"
        ):
            method(X)
