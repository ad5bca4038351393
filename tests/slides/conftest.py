"""What the tests of slides share."""

import pytest

from stnclf.slides import _read_errors


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Seconds that reading would have waited between attempts; nothing waits."""
    waited = []
    monkeypatch.setattr(_read_errors, "_sleep", waited.append)
    return waited
