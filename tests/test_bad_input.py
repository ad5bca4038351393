"""What is not right is refused by an estimator at once, and nothing has been trained then.

The message names the argument. The tables of what is not right are in `tests.bad_input`.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch.callbacks import EpochTimer

from stnclf import CellFeatures, CiresanBaseline, STNCellClassifier
from stnclf.training import CellNet

from .bad_input import N, case, check_message, resolve, write_images
from .bad_input.arguments import BAD_ARGUMENTS
from .bad_input.images import BAD_X, OTHER_X
from .bad_input.parameters import BAD_FEATURES, BAD_PARAMETERS, BASELINE_ONLY, STN_ONLY

pytest.importorskip("skimage", reason="the features need the extra [classical]")

CLASSIFIERS = {"stn": STNCellClassifier, "baseline": CiresanBaseline}
ESTIMATORS = {**CLASSIFIERS, "features": CellFeatures}
BAD_BOTH = [*BAD_ARGUMENTS, *BAD_PARAMETERS]


@pytest.fixture(scope="module")
def right(tmp_path_factory, blobs):
    """Arguments that are right, and files."""
    X, y, centers = (array[:N] for array in blobs)
    folder = tmp_path_factory.mktemp("images")
    files = write_images(folder, X)
    return SimpleNamespace(
        X=X, y=y, centers=centers, rows=X.reshape(N, -1), folder=folder, files=files
    )


@pytest.fixture(scope="module")
def fitted(right):
    """Estimators that were trained on what is right."""
    return {
        "stn": STNCellClassifier(classifier_epochs=1, random_state=0).fit(
            right.X, right.y, right.centers, stages=("classifier",)
        ),
        "baseline": CiresanBaseline(epochs=1, random_state=0).fit(right.X, right.y, right.centers),
        "features": CellFeatures(families=("intensity",)).fit(right.X),
    }


@pytest.fixture(autouse=True)
def no_training(request, monkeypatch):
    """Refuse to train, but where a test needs trained networks."""
    if "fitted" not in request.fixturenames:

        def run_stage(*args, **kwargs):
            raise AssertionError("the training began before the error")

        monkeypatch.setattr(CellNet, "run_stage", run_stage)


def check_fit(estimator, argument, error, words, changes, right):
    """Fit with some arguments and parameters wrong, and check what happens."""
    changes = resolve(changes, right)
    parameters = {n: changes.pop(n) for n in list(changes) if n in estimator.get_params()}
    estimator.set_params(**parameters)
    arguments = {"X": right.X, "y": right.y, **changes}
    with pytest.raises(error) as raised:
        estimator.fit(**arguments)
    check_message(raised, argument, words)
    assert not hasattr(estimator, "net_")
    assert not hasattr(estimator, "history_")


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), BAD_X)
def test_fit_refuses_images(kind, argument, error, words, changes, right):
    check_fit(ESTIMATORS[kind](), argument, error, words, changes, right)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize(
    ("argument", "error", "words", "changes"), [*BAD_ARGUMENTS, *BAD_PARAMETERS]
)
def test_fit_refuses_arguments_and_parameters(kind, argument, error, words, changes, right):
    check_fit(CLASSIFIERS[kind](), argument, error, words, changes, right)


@pytest.mark.parametrize(("argument", "error", "words", "changes"), STN_ONLY)
def test_fit_refuses_parameters_of_the_stn(argument, error, words, changes, right):
    check_fit(STNCellClassifier(), argument, error, words, changes, right)


@pytest.mark.parametrize(("argument", "error", "words", "changes"), BASELINE_ONLY)
def test_fit_refuses_parameters_of_the_baseline(argument, error, words, changes, right):
    check_fit(CiresanBaseline(), argument, error, words, changes, right)


@pytest.mark.parametrize(("argument", "error", "words", "changes"), BAD_FEATURES)
def test_fit_refuses_parameters_of_the_features(argument, error, words, changes, right):
    check_fit(CellFeatures(), argument, error, words, changes, right)


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), [*BAD_X, *OTHER_X])
def test_transform_refuses_images(kind, argument, error, words, changes, right, fitted):
    before = dict(vars(fitted[kind]))
    with pytest.raises(error) as raised:
        fitted[kind].transform(**resolve(changes, right))
    # The shape is looked at before what is in it.
    check_message(raised, argument, f"{words}|is expecting 2592 features|was fitted on images of")
    assert vars(fitted[kind]) == before


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "localize", "attend"]
)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), OTHER_X)
def test_every_method_refuses_other_images(
    kind, method, argument, error, words, changes, right, fitted
):
    with pytest.raises(error) as raised:
        getattr(fitted[kind], method)(**resolve(changes, right))
    check_message(raised, argument, words)


def test_no_gpu_here(right, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:0"):
        words = f"got '{device}', but torch finds 0 GPU"
        check_fit(STNCellClassifier(), "device", ValueError, words, {"device": device}, right)


def test_no_such_gpu_here(right, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    words = "got 'cuda:2', but torch finds 2 GPU"
    check_fit(STNCellClassifier(), "device", ValueError, words, {"device": "cuda:2"}, right)


METHODS = ["predict", "predict_proba", "predict_log_proba", "transform", "localize", "attend"]


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("method", METHODS)
def test_unfitted_classifiers_say_so(kind, method, right):
    with pytest.raises(NotFittedError, match=f"{CLASSIFIERS[kind].__name__} .* not fitted yet"):
        getattr(CLASSIFIERS[kind](), method)(right.X)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_unfitted_estimators_have_no_columns(kind, right):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ESTIMATORS[kind]().get_feature_names_out()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ESTIMATORS[kind]().transform(right.X)


WARM_START = [
    case(
        "y: other classes",
        ValueError,
        r"\['disc', 'ring'\].*continues.*\['cross', 'disc'\]",
        y=["ring", "disc"] * 6,
    ),
    case("y: one class more", ValueError, r"\['a', 'b', 'c'\].*continues", y=["a", "b", "c"] * 4),
    case("X: other height", ValueError, "20 x 36 px.*24 x 36 px", X=lambda r: r.X[:, :20]),
    case("X: other channels", ValueError, "1 channel.*3 channel", X=lambda r: r.X[..., 0]),
    case(
        "warm_start: other localizer", ValueError, "'heatmap'.*'dense'.*fit anew", localizer="dense"
    ),
    case("warm_start: other patch", ValueError, r"\(24, 36\).*now say \(\(20, 20\)", patch_size=20),
    case(
        "warm_start: other cell",
        ValueError,
        r"\(12, 18\).*now say .*\(10, 12\)",
        cell_size=(10, 12),
    ),
    case(
        "image_shape: other",
        ValueError,
        r"\(36, 24, 3\).*continues.*\(24, 36, 3\)",
        image_shape=(36, 24, 3),
        X=lambda r: r.rows,
    ),
    case("centers: outside", ValueError, "outside", centers=np.full((N, 2), 99)),
    case("stages: unknown", ValueError, "unknown", stages=("all",)),
]


@pytest.mark.parametrize(("argument", "error", "words", "changes"), WARM_START)
def test_warm_start_refuses_something_else(argument, error, words, changes, right, fitted):
    estimator = fitted["stn"]
    known, changes = estimator.get_params(), resolve(changes, right)
    parameters = {n: changes.pop(n) for n in list(changes) if n in known}
    weights = {n: w.clone() for n, w in estimator.net_.module_.state_dict().items()}
    history, fresh = list(estimator.history_), estimator.predict_proba(right.X)
    estimator.set_params(warm_start=True, **parameters)
    try:
        with pytest.raises(error) as raised:
            estimator.fit(**{"X": right.X, "y": right.y, **changes})
    finally:
        estimator.set_params(**known)
    check_message(raised, argument, words)
    # What was trained stands as it was.
    assert estimator.history_ == history
    for name, weight in estimator.net_.module_.state_dict().items():
        assert torch.equal(weight, weights[name])
    np.testing.assert_array_equal(estimator.predict_proba(right.X), fresh)


@pytest.mark.parametrize(
    "changes",
    [
        {"callbacks": [EpochTimer, EpochTimer(), ("first", EpochTimer()), ("second", EpochTimer)]},
        {"callbacks": (EpochTimer(),)},
        {"callbacks": []},
        {"stages": ["classifier"]},
        {"stages": np.array(["classifier"])},
        {"stages": iter(["classifier"])},
        {"device": "cpu"},
        {"class_weight": {"disc": 2, "cross": 0.5, "not in this fold": 1}},
        {"sample_weight": np.arange(N)},
        {"sample_weight": 2.0},
        {"centers": [[0, 0]] * N},
        {"centers": np.array([[-0.5, 23.5], [35.5, -0.5]] * 6)},
        {"y": [True, False] * 6},
        {"validation_fraction": 0.5},
        {"patch_size": (24, 36), "cell_size": (24, 36)},
        {"patch_size": [1, 36]},
        {"image_shape": [24, 36, 3]},
    ],
    ids=lambda changes: ", ".join(changes),
)
@pytest.mark.usefixtures("fitted")
def test_what_is_right_is_not_refused(changes, right):
    # The other half of every check above: it must not refuse too much.
    estimator = CiresanBaseline(epochs=1, random_state=0)
    changes = dict(changes)
    parameters = {n: changes.pop(n) for n in list(changes) if n in estimator.get_params()}
    estimator.set_params(**parameters).fit(**{"X": right.X, "y": right.y, **changes})
    assert np.isfinite(estimator.predict_proba(right.X)).all()


REFIT = [
    case("y: None", ValueError, "None", X=lambda r: r.X[:, :20], y=None),
    case("centers: outside", ValueError, "outside", X=lambda r: r.X[:, :20], centers=[[0, 22]] * N),
    case(
        "callbacks: twice",
        ValueError,
        "'a'",
        X=lambda r: r.X[:8],
        y=["p", "q"] * 4,
        callbacks=[("a", EpochTimer)] * 2,
    ),
    case("patch_size: too large", ValueError, "larger", X=lambda r: r.X[..., 0], patch_size=25),
]


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), REFIT)
def test_a_failed_fit_leaves_what_was_fitted(kind, argument, error, words, changes, right, fitted):
    estimator, changes = fitted[kind], resolve(changes, right)
    known, expected = estimator.get_params(), estimator.predict_proba(right.X)
    before = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    estimator.set_params(**{n: changes.pop(n) for n in list(changes) if n in known})
    try:
        with pytest.raises(error) as raised:
            estimator.fit(**{"X": right.X, "y": right.y, **changes})
    finally:
        estimator.set_params(**known)
    check_message(raised, argument, words)
    assert {name: value for name, value in vars(estimator).items() if name.endswith("_")} == before
    np.testing.assert_array_equal(estimator.predict_proba(right.X), expected)
