"""`A**k` by `scan`: the number of steps is an argument, and only the last one is kept.

$ python examples/scan_power.py
[ 0.  1.  4.  9. 16. 25. 36. 49. 64. 81.]
...
"""

import numpy as np

import tracejit


@tracejit.jit
def power(A, k):
    """`A**k`, element by element.

    The scan gives `A**1` to `A**k`. As only the last of them is used, the others are not kept: the
    memory that this takes does not depend on `k`.
    """
    result = tracejit.scan(
        lambda prior_result, A: prior_result * A,
        outputs_info=np.ones_like(A),
        non_sequences=A,
        n_steps=k,
    )
    return result[-1]


@tracejit.jit
def powers(A, k):
    """`A**1` to `A**k`, one in each row."""
    return tracejit.scan(
        lambda prior_result, A: prior_result * A,
        outputs_info=np.ones_like(A),
        non_sequences=A,
        n_steps=k,
    )


@tracejit.jit
def power_by_loop(A, k):
    """`power` as one writes it in Python."""
    result = np.ones_like(A)
    for _ in range(k):
        result = result * A
    return result


def main():
    A = np.arange(10.0)
    print(power(A, 2))
    print(power_by_loop(A, 2))
    print(powers(A[:4], 3))


if __name__ == "__main__":
    main()
