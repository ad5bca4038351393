"""The prediction of an estimator as one torch module."""

from __future__ import annotations

import numpy as np
import torch

from stnclf import CiresanBaseline, Ensemble, STNCellClassifier
from stnclf.onnx._predictor import EnsemblePredictor, Predictor
from tests.conftest import QUICK


def test_predictor_predicts_what_the_estimator_predicts(blobs):
    X, y, centers = blobs
    estimator = STNCellClassifier(patch_size=(20, 33), tta=False, **QUICK)
    estimator.fit(X, y, centers=np.clip(centers, 5, [30, 18]))
    predictor = Predictor(estimator.net_.module_, estimator._fitted_frame(), 255.0)
    with torch.no_grad():
        results = predictor(torch.from_numpy(X[:5]))
    wanted = estimator.predict_proba(X[:5]), estimator.transform(X[:5]), estimator.localize(X[:5])
    for got, want in zip(results, wanted, strict=True):
        assert got.dtype == torch.float32
        np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=1e-5)


def test_centers_are_in_pixels_of_the_image():
    X = np.zeros((3, 40, 61, 3), np.uint8)
    X[:, ::3] = 200
    untrained = {f"{stage}_epochs": 0 for stage in ("classifier", "localizer", "joint")}
    estimator = STNCellClassifier(patch_size=(20, 31), cell_size=(20, 31), **untrained)
    estimator.fit(X, [0, 1, 0])  # the window is the whole patch: its middle is the image's
    predictor = Predictor(estimator.net_.module_, estimator._fitted_frame(), 255.0)
    with torch.no_grad():
        _, centers, theta = predictor(torch.from_numpy(X))
    np.testing.assert_allclose(centers, [[30.0, 19.5]] * 3)
    np.testing.assert_allclose(theta, [np.eye(2, 3)] * 3)


def test_networks_are_copied(blobs):
    X, y, _ = blobs
    estimator = STNCellClassifier(classifier_epochs=0, localizer_epochs=0, joint_epochs=0)
    module = estimator.fit(X, y).net_.module_.train()
    predictor = Predictor(module, estimator._fitted_frame(), 255.0)
    assert module.training
    assert not module.resizes
    assert not predictor.system.training
    own = {value.data_ptr() for value in module.state_dict().values()}
    assert own.isdisjoint(value.data_ptr() for value in predictor.system.state_dict().values())


def test_an_ensemble_says_how_far_its_members_disagree(blobs):
    X, y, _ = blobs
    members = [CiresanBaseline(epochs=1, random_state=i).fit(X[i::2], y[:20]) for i in range(2)]
    ensemble = Ensemble(members)
    predictor = EnsemblePredictor(ensemble._module(), ensemble._fitted_frame(), 255.0)
    with torch.no_grad():
        proba, centers, theta, disagreement = predictor(torch.from_numpy(X[:5]))
    np.testing.assert_allclose(proba, ensemble.predict_proba(X[:5]), atol=1e-5)
    np.testing.assert_allclose(centers, ensemble.transform(X[:5]), atol=1e-4)
    np.testing.assert_allclose(theta, ensemble.localize(X[:5]), atol=1e-5)
    np.testing.assert_allclose(disagreement, ensemble.disagreement(X[:5]), atol=1e-5)
    assert [system.resizes for system in predictor.system.members] == [True, True]
    assert not members[0].net_.module_.resizes
