"""Networks predict what they did when ``tests/make_references.py`` last ran."""

import json

import numpy as np
import pytest

from tests.make_references import EPOCHS, FILE, estimators, predictions

# Ten times the largest differences found between instruction sets (SSE 4.1, AVX2, AVX-512), which
# is how processors and builds of torch differ. Training moves probabilities by 0.03 at least, and
# what the heatmap localizers say by 0.7 px; the dense ones hardly move in so few steps, and are
# watched by their losses.
TOLERANCE = {
    "untrained": {"probabilities": 1e-5, "centers": 1e-3, "losses": 0},
    "trained": {"probabilities": 1.5e-3, "centers": 0.02, "losses": 2e-4},
}
STORED = json.loads(FILE.read_text(encoding="utf-8"))


def test_every_network_is_stored():
    assert {kind: list(found) for kind, found in STORED.items()} == {
        kind: list(estimators(epochs)) for kind, epochs in EPOCHS.items()
    }


@pytest.mark.parametrize("name", estimators(0))
@pytest.mark.parametrize("kind", EPOCHS)
def test_predictions_are_those_stored(kind, name):
    found = predictions(estimators(EPOCHS[kind])[name])
    for what, wanted in STORED[kind][name].items():
        np.testing.assert_allclose(found[what], wanted, rtol=0, atol=TOLERANCE[kind][what])
