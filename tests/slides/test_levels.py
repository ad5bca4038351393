"""What a level of a pyramid is a fraction of."""

import pytest

from stnclf.slides._levels import downsample


@pytest.mark.parametrize(
    ("whole", "level", "factor"),
    [
        ((1001, 803), (250, 200), 4.0),
        ((1001, 803), (251, 201), 4.0),
        ((46000, 32914), (2875, 2057), 16.0),
        ((1000, 1000), (400, 400), 2.5),
        ((1000, 1000), (1000, 1000), 1.0),
    ],
)
def test_downsample_is_whole_where_only_sizes_were_rounded(whole, level, factor):
    assert downsample(whole, level) == factor
