"""What of its skills a model has kept."""

from __future__ import annotations

import pytest

from workbench.errors import UndefinedMetricError
from workbench.measure.comparison import retention


def test_what_is_kept_is_relative_to_what_was_known():
    assert retention([1, 0.5, 0], [0.5, 0.5, 0.9]) == pytest.approx(0.75)
    assert retention([0.8], [[0.8], [0.4]]).tolist() == [1, 0.5]
    with pytest.raises(UndefinedMetricError, match="needs an old skill that was known"):
        retention([0, 0], [1, 1])
    with pytest.raises(UndefinedMetricError, match="known before: no old skills were tested"):
        retention([], [])
