"""Predictions of each network that are stored, to notice when they change.

    python tests/make_references.py

writes ``tests/references.json`` anew. Do that only for a change that is meant to change what the
networks predict, and say so in the change log: saved models and published scores are affected
just the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from stnclf import CiresanBaseline, Optimizer, STNCellClassifier
from stnclf.classifier import classifiers
from stnclf.networks import LOCALIZERS

FILE = Path(__file__).with_name("references.json")

#: Weights as drawn, and after a few steps of each stage.
EPOCHS = {"untrained": 0, "trained": 1}

# float32 everywhere: bfloat16 is chosen by the processor, and rounds to three digits.
SAME = {"random_state": 0, "precision": "float32", "device": "cpu", "batch_size": 8}


class SmoothAdamW(torch.optim.AdamW):
    """AdamW whose first steps do not go by the signs of gradients that are all rounding.

    Those signs differ between processors, and with the usual epsilon of 1e-8 predictions would
    do so by 0.01.
    """

    def __init__(self, params, **options):
        super().__init__(params, eps=1e-3, **options)


def cells(n_samples):
    """Draw discs of three shades on a mottled ground, in whole numbers alone.

    `make_cells` will not do: where its sums are rounded depends on the processor, and so do a few
    of its pixels.
    """
    rng = np.random.default_rng(0)
    X = rng.integers(120, 200, (n_samples, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    X += rng.integers(-20, 21, X.shape)
    y = np.arange(n_samples) % 3
    centers = rng.integers(24, 41, (n_samples, 2))
    rows, columns = np.ogrid[:64, :64]
    for image, label, (x, at_y) in zip(X, y, centers):
        disc = (columns - x) ** 2 + (rows - at_y) ** 2 <= (6 + 3 * label) ** 2
        image[disc] -= np.array([90, 60, 30]) - 15 * label
    return X.astype(np.uint8), np.array(["a", "b", "c"])[y], centers.astype(float)


def estimators(epochs):
    """Give each kind of network by name."""
    stages = dict.fromkeys(("classifier_epochs", "localizer_epochs", "joint_epochs"), epochs)
    constant = Optimizer(lr=1e-4, schedule="constant", weight_decay=0.0)
    found = {"baseline": CiresanBaseline(epochs=epochs, optimizer=constant, **SAME)}
    for localizer in LOCALIZERS:
        for classifier in classifiers(localizer):
            found[f"{localizer}, {classifier}"] = STNCellClassifier(
                localizer=localizer,
                classifier=classifier,
                n_glimpses=2 if localizer == "heatmap" else 1,
                optimizer=Optimizer(lr=1e-4),
                **stages,
                **SAME,
            )
    return found


def predictions(estimator):
    """Train on sixteen cells; say what and where four others are."""
    X, y, centers = cells(20)
    with mock.patch("torch.optim.AdamW", SmoothAdamW):
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
