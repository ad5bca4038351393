"""Predictions of each network that are stored, to notice when they change.

    python tests/make_references.py

writes ``tests/references.json`` anew. Do that only for a change that is meant to change what the
networks predict, and say so in the change log: saved models and published scores are affected
just the same.
"""

from __future__ import annotations

import json
from pathlib import Path

from stnclf import CiresanBaseline, STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.localizers import LOCALIZERS
from stnclf.window_classifiers import CLASSIFIERS

FILE = Path(__file__).with_name("references.json")

#: Weights as drawn, and after a few steps of each stage.
EPOCHS = {"untrained": 0, "trained": 2}

# float32 everywhere: bfloat16 is chosen by the processor, and rounds to three digits.
SAME = {"random_state": 0, "precision": "float32", "device": "cpu", "batch_size": 8}


def estimators(epochs):
    """Give each kind of network by name."""
    stages = dict.fromkeys(("classifier_epochs", "localizer_epochs", "joint_epochs"), epochs)
    # Adam's first steps go by the signs of gradients. Those near zero differ between processors,
    # and with the default rates predictions would do so by 0.02.
    rates = dict.fromkeys(("classifier_lr", "localizer_lr", "joint_lr"), 1e-4)
    found = {"baseline": CiresanBaseline(epochs=epochs, lr=1e-4, **SAME)}
    for localizer in LOCALIZERS:
        for classifier in ("shared", *CLASSIFIERS)[localizer == "dense" :]:
            found[f"{localizer}, {classifier}"] = STNCellClassifier(
                localizer=localizer, classifier=classifier, n_glimpses=2, **stages, **rates, **SAME
            )
    return found


def predictions(estimator):
    """Train on sixteen cells; say what and where four others are."""
    X, y, centers = make_cells(20, patch_size=64, offset=8, random_state=0)
    estimator.fit(X[:16], y[:16], centers=centers[:16])
    return {
        "probabilities": estimator.predict_proba(X[16:]).round(6).tolist(),
        "centers": estimator.transform(X[16:]).astype(float).round(4).tolist(),
        "losses": [round(row["train_loss"], 6) for row in estimator.history_],
    }


def main():
    """Write the file."""
    record = {
        kind: {name: predictions(estimator) for name, estimator in estimators(epochs).items()}
        for kind, epochs in EPOCHS.items()
    }
    FILE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
