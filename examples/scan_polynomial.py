"""A polynomial by `scan`: its terms by a map, and their sum outside of the scan or inside.

$ python examples/scan_polynomial.py
19.0
19.0
19.0
"""

import numpy as np

import tracejit

MAX_COEFFICIENTS = 10000


@tracejit.jit
def polynomial(coefficients, x):
    """The terms by a scan without states, which is a map; the sum of them is NumPy's.

    The shortest sequence says how many steps there are.
    """
    terms = tracejit.scan(
        lambda coefficient, power, x: coefficient * x**power,
        sequences=[coefficients, np.arange(MAX_COEFFICIENTS)],
        outputs_info=None,
        non_sequences=x,
    )
    return terms.sum()


@tracejit.jit
def polynomial_by_reduction(coefficients, x):
    """The sum inside the scan: its state is the sum so far, and the last one is the result."""
    sums = tracejit.scan(
        lambda coefficient, power, total, x: total + coefficient * x**power,
        sequences=[coefficients, np.arange(MAX_COEFFICIENTS)],
        outputs_info=0.0,
        non_sequences=x,
    )
    return sums[-1]


@tracejit.jit
def polynomial_by_horner(coefficients, x):
    """The same as a loop in Python, from the highest power down."""
    total = 0.0
    for coefficient in coefficients[::-1]:
        total = total * x + coefficient
    return total


def main():
    coefficients = np.asarray([1, 0, 2], dtype=np.float32)
    print(polynomial(coefficients, 3))
    print(polynomial_by_reduction(coefficients, 3))
    print(polynomial_by_horner(coefficients, 3))


if __name__ == "__main__":
    main()
