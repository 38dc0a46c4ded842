"""Division of a row by one value: exact, whatever the magnitudes."""

import numpy as np
import pytest

from tracejit import jit


@pytest.mark.parametrize("seed", range(12))
def test_rows_divided_by_one_value(seed):
    rng = np.random.default_rng(seed)
    divide = jit(lambda x, s: x / s)
    x = rng.standard_normal((40, 1003)) * 10.0 ** rng.integers(-3, 4)
    s = rng.standard_normal((40, 1))
    if seed % 4 == 1:
        x = np.ldexp(rng.random(x.shape) + 1, rng.integers(-1070, 1020, x.shape))
    if seed % 4 == 2:
        for value in (0.0, -0.0, np.nan, np.inf, -np.inf):
            x[rng.random(x.shape) < 0.02] = value
    if seed % 3 == 1:
        s = np.ldexp(rng.random(s.shape) + 1, rng.integers(-1070, 1020, s.shape))
    if seed % 3 == 2:  # mantissas next to a power of two
        s = np.nextafter(np.ldexp(1.0, rng.integers(-5, 5, s.shape)), rng.choice([-9, 9], s.shape))
    s[3:8, 0] = [0.0, -0.0, np.inf, np.nan, 5e-324]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(divide(x, s), x / s)
        assert (np.signbit(divide(x, s)) == np.signbit(x / s))[~np.isnan(x / s)].all()
