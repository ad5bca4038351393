"""Bad calls of the estimators: one of each error that their docstrings list, and parameters.

What `fit` and the other methods refuse in detail is in `images`, `arguments` and `parameters`.
"""

from __future__ import annotations

import numpy as np
from sklearn.exceptions import NotFittedError
from torch import nn

from stnclf import CellFeatures, CiresanBaseline, Ensemble, Optimizer, STNCellClassifier
from stnclf.features import EncoderFeatures
from tests.bad_input import refused

METHODS = ("predict", "predict_proba", "predict_log_proba", "transform", "localize", "attend")
KINDS = {"STNCellClassifier": STNCellClassifier, "CiresanBaseline": CiresanBaseline}


def fitted(name, r):
    return r.clf if name == "STNCellClassifier" else r.baseline


def diverging(kind):
    """Fit at a learning rate that no training survives."""
    epochs = {"epochs" if kind is CiresanBaseline else "classifier_epochs": 3}
    optimizer = Optimizer(lr=1e30, schedule="constant")
    return lambda r: kind(**epochs, optimizer=optimizer, random_state=0).fit(r.X, r.y, r.centers)


CLASSIFIERS = []
for kind_name, kind in KINDS.items():
    fit = f"{kind_name}.fit"
    CLASSIFIERS += [
        refused(fit, "X: NaN", ValueError, "NaN", lambda r, k=kind: k().fit(r.X * np.nan, r.y)),
        refused(fit, "X: None", TypeError, "NoneType", lambda r, k=kind: k().fit(None, r.y)),
        refused(
            fit,
            "checkpoint: no such folder",
            OSError,
            "nowhere",
            lambda r, k=kind: k(checkpoint="nowhere/run.checkpoint").fit(r.X, r.y),
        ),
        refused(fit, "loss: diverges", FloatingPointError, "epoch.*1e.30", diverging(kind)),
        refused(
            f"{kind_name}.set_params",
            "augment__flip: of a name",
            ValueError,
            r"got augment='paper', wants an object that has it, augment=Augmentation\(",
            lambda r, k=kind: k(augment="paper").set_params(augment__flip=True),
        ),
        refused(
            f"{kind_name}.get_feature_names_out",
            "file: not fitted",
            NotFittedError,
            f"{kind_name}.*not fitted",
            lambda r, k=kind: k().get_feature_names_out(),
        ),
        refused(
            f"{kind_name}.get_feature_names_out",
            "input_features: too few",
            ValueError,
            "should have length equal",
            lambda r, n=kind_name: fitted(n, r).get_feature_names_out(["a"]),
        ),
    ]
    for method in METHODS:
        CLASSIFIERS += [
            refused(
                f"{kind_name}.{method}",
                name,
                error,
                words,
                lambda r, n=kind_name, m=method, X=X: getattr(fitted(n, r), m)(X(r)),
            )
            for name, error, words, X in (
                ("X: None", TypeError, "got NoneType", lambda r: None),
                ("X: other height", ValueError, "20 x 36 px.*fitted", lambda r: r.X[:, :20]),
            )
        ]
        CLASSIFIERS.append(
            refused(
                f"{kind_name}.{method}",
                "file: not fitted",
                NotFittedError,
                f"{kind_name}.*not fitted",
                lambda r, k=kind, m=method: getattr(k(), m)(r.X),
            )
        )

FEATURES = [
    refused(
        "CellFeatures.fit", "X: one axis", ValueError, "wants", lambda r: CellFeatures().fit([1])
    ),
    refused("CellFeatures.fit", "X: None", TypeError, "None", lambda r: CellFeatures().fit(None)),
    refused(
        "CellFeatures.transform", "X: None", TypeError, "None", lambda r: r.features.transform(None)
    ),
    refused(
        "CellFeatures.transform",
        "X: other height",
        ValueError,
        "20 x 36 px.*fitted",
        lambda r: r.features.transform(r.X[:, :20]),
    ),
    refused(
        "CellFeatures.transform",
        "file: not fitted",
        NotFittedError,
        "CellFeatures.*not fitted",
        lambda r: CellFeatures().transform(r.X),
    ),
    refused(
        "CellFeatures.get_feature_names_out",
        "file: not fitted",
        NotFittedError,
        "CellFeatures.*not fitted",
        lambda r: CellFeatures().get_feature_names_out(),
    ),
    refused(
        "CellFeatures.get_feature_names_out",
        "input_features: too few",
        ValueError,
        "should have length equal",
        lambda r: r.features.get_feature_names_out(["a"]),
    ),
    *(
        refused(
            f"CellFeatures.{method}",
            "CellFeatures: without scikit-image",
            ImportError,
            r"stnclf\[classical\]",
            lambda r, m=method: r.without("skimage", lambda r: getattr(r.features, m)(r.X)),
        )
        for method in ("fit", "transform")
    ),
]

ENSEMBLES = [
    refused(
        f"Ensemble.{method}",
        name,
        error,
        words,
        lambda r, m=method, X=X: getattr(Ensemble([r.clf]), m)(X(r)),
    )
    for method in (*METHODS, "member_proba", "disagreement")
    for name, error, words, X in (
        ("X: None", TypeError, "got NoneType", lambda r: None),
        ("X: other height", ValueError, "20 x 36 px.*fitted", lambda r: r.X[:, :20]),
    )
]
ENSEMBLES += [
    refused(
        f"Ensemble.{method}",
        "file: not fitted",
        NotFittedError,
        "Ensemble.*not fitted",
        lambda r, m=method: getattr(Ensemble([r.clf, CiresanBaseline()]), m)(r.X),
    )
    for method in (*METHODS, "member_proba", "disagreement", "fit")
]
ENSEMBLES += [
    refused(
        "Ensemble.fit",
        "estimators: of another kind",
        TypeError,
        "got CellFeatures",
        lambda r: Ensemble([r.clf, r.features]).fit(r.X),
    ),
    refused(
        "Ensemble.fit",
        "estimators: other images",
        ValueError,
        r"estimators\[1\]: has image_shape_ \(24, 36, 1\), but",
        lambda r: Ensemble([r.clf, r.grey]).fit(r.X),
    ),
    refused(
        "EncoderFeatures.set_params",
        "localizer__tta: of another estimator",
        ValueError,
        "module and localizer are used as they are",
        lambda r: EncoderFeatures(FLAT, localizer=r.clf).set_params(localizer__tta=True),
    ),
    refused(
        "Ensemble.get_feature_names_out",
        "file: not fitted",
        NotFittedError,
        "Ensemble.*not fitted",
        lambda r: Ensemble([CiresanBaseline()]).get_feature_names_out(),
    ),
    refused(
        "Ensemble.get_feature_names_out",
        "input_features: too few",
        ValueError,
        "should have length equal",
        lambda r: Ensemble([r.clf]).get_feature_names_out(["a"]),
    ),
]

FLAT = nn.Flatten()
ENCODERS = [
    refused(
        f"EncoderFeatures.{method}",
        name,
        error,
        words,
        lambda r, m=method, module=module, X=X: getattr(EncoderFeatures(module), m)(X(r)),
    )
    for method in ("fit", "fit_transform")
    for name, error, words, module, X in (
        ("X: None", TypeError, "got NoneType", FLAT, lambda r: None),
        ("X: NaN", ValueError, "NaN", FLAT, lambda r: r.X * np.nan),
        ("file: no module there", OSError, "nowhere", "nowhere", lambda r: r.X),
    )
]
ENCODERS += [
    refused(
        f"EncoderFeatures.{method}",
        "file: not fitted",
        NotFittedError,
        "EncoderFeatures.*not fitted",
        lambda r, m=method, X=X: getattr(EncoderFeatures(FLAT), m)(*X(r)),
    )
    for method, X in (("transform", lambda r: [r.X]), ("get_feature_names_out", lambda r: []))
]
ENCODERS += [
    refused(
        f"EncoderFeatures.{method}",
        name,
        error,
        words,
        lambda r, m=method, X=X: getattr(EncoderFeatures(FLAT).fit(r.X), m)(X(r)),
    )
    for method, name, error, words, X in (
        ("transform", "X: None", TypeError, "got NoneType", lambda r: None),
        ("transform", "X: other height", ValueError, "20 x 36 px.*fitted", lambda r: r.X[:, :20]),
        (
            "get_feature_names_out",
            "input_features: too few",
            ValueError,
            "should have length equal",
            lambda r: ["a"],
        ),
    )
]

CASES = [*CLASSIFIERS, *ENSEMBLES, *FEATURES, *ENCODERS]
