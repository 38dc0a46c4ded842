"""Loops over numbers: checksums, number theory, roots of equations, integration in time."""

from __future__ import annotations

from math import exp, pi, sin, sqrt
from typing import Any

import numpy as np

from .program import Program, sizes


def crc16(data, poly=0x8408):
    """CRC-16-CCITT, bit by bit."""
    crc = 0xFFFF
    for b in data:
        cur_byte = 0xFF & b
        for _ in range(0, 8):
            if (crc & 0x0001) ^ (cur_byte & 0x0001):
                crc = (crc >> 1) ^ poly
            else:
                crc >>= 1
            cur_byte >>= 1
    crc = ~crc & 0xFFFF
    crc = (crc << 8) | ((crc >> 8) & 0xFF)

    return crc & 0xFFFF


def crc32_table(data):
    table = np.zeros(256, dtype=np.uint32)
    for i in range(256):
        c = np.uint32(i)
        for _ in range(8):
            if c & 1:
                c = np.uint32(0xEDB88320) ^ (c >> np.uint32(1))
            else:
                c = c >> np.uint32(1)
        table[i] = c
    crc = np.uint32(0xFFFFFFFF)
    for b in data:
        crc = table[(crc ^ b) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)


def fletcher16(data):
    s1 = s2 = 0
    for byte in data:
        s1 = (s1 + int(byte)) % 255
        s2 = (s2 + s1) % 255
    return (s2 << 8) | s1


def collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


def collatz_all(limit):
    lengths = np.zeros(limit, dtype=np.int64)
    for start in range(1, limit):
        n, steps = start, 0
        while n > 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        lengths[start] = steps
    return lengths, np.argmax(lengths)


def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


def gcd_each(a, b):
    out = np.empty_like(a)
    for i, (x, y) in enumerate(zip(a, b)):
        while y != 0:
            x, y = y, x % y
        out[i] = x
    return out


def is_prime(n):
    if n < 2:
        return False
    i = 2
    while i * i <= n:
        if n % i == 0:
            return False
        i += 1
    return True


def sieve_slices(n):
    is_prime_ = np.ones(n + 1, dtype=bool)
    is_prime_[:2] = False
    for i in range(2, int(np.sqrt(n)) + 1):
        if is_prime_[i]:
            is_prime_[i * i :: i] = False
    return np.nonzero(is_prime_)[0]


def sieve_while(n):
    composite = np.zeros(n + 1, dtype=np.bool_)
    count = 0
    for i in range(2, n + 1):
        if composite[i]:
            continue
        count += 1
        j = i * i
        while j <= n:
            composite[j] = True
            j += i
    return count


def primes_with_else(n):
    """Trial division with for-else."""
    count = 0
    last = 0
    for k in range(2, n):
        for d in range(2, k):
            if k % d == 0:
                break
        else:
            count += 1
            last = k
    return count, last


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def fibonacci_array(n):
    f = np.zeros(n, dtype=np.int64)
    f[0], f[1] = 0, 1
    for i in range(2, n):
        f[i] = f[i - 1] + f[i - 2]
    return f


def horner(coefficients, x):
    result = 0.0
    for c in coefficients:
        result = result * x + c
    return result


def horner_reversed(coefficients, x):
    y = np.zeros_like(x)
    for c in coefficients[::-1]:
        y = y * x + c
    return y


def power_mod(base, exponent, modulus):
    result = 1
    base %= modulus
    while exponent > 0:
        if exponent & 1:
            result = result * base % modulus
        base = base * base % modulus
        exponent >>= 1
    return result


def count_bits(x):
    out = np.zeros(x.shape, dtype=np.int64)
    for i in range(x.size):
        v = x[i]
        while v:
            v &= v - 1
            out[i] += 1
    return out


def newton_sqrt(a):
    x = a
    while abs(x * x - a) > 1e-12 * a:
        x = 0.5 * (x + a / x)
    return x


def newton_root(x0, tolerance=1e-12, most=50):
    x = x0
    for i in range(most):
        f = x**3 - 2 * x - 5
        step = f / (3 * x**2 - 2)
        x = x - step
        if abs(step) < tolerance:
            return x, i + 1
    return x, -1


def newton_system(x):
    """Two equations; the Jacobian is solved in every step."""
    J = np.zeros((2, 2))
    F = np.zeros(2)
    for iteration in range(20):
        F[0] = x[0] ** 2 + x[1] ** 2 - 4.0
        F[1] = x[0] * x[1] - 1.0
        J[0, 0], J[0, 1] = 2 * x[0], 2 * x[1]
        J[1, 0], J[1, 1] = x[1], x[0]
        x = x - np.linalg.solve(J, F)
        if np.linalg.norm(F) < 1e-12:
            break
    return x, iteration


def bisection(a, b, tolerance):
    def f(x):
        return np.cos(x) - x

    fa = f(a)
    steps = 0
    while (b - a) / 2 > tolerance:
        middle = (a + b) / 2
        fm = f(middle)
        if fm == 0:
            break
        if fa * fm < 0:
            b = middle
        else:
            a, fa = middle, fm
        steps += 1
    return (a + b) / 2, steps


def secant(x0, x1):
    f0 = np.exp(x0) - 3 * x0
    for n in range(30):
        f1 = np.exp(x1) - 3 * x1
        if f1 == f0:
            return x1
        x0, x1, f0 = x1, x1 - f1 * (x1 - x0) / (f1 - f0), f1
        if abs(x1 - x0) < 1e-13:
            break
    return x1


def golden_section(a, b, n):
    ratio = (sqrt(5) - 1) / 2
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    fc, fd = (c - 1.3) ** 2, (d - 1.3) ** 2
    for _ in range(n):
        if fc < fd:
            b, d, fd = d, c, fc
            c = b - ratio * (b - a)
            fc = (c - 1.3) ** 2
        else:
            a, c, fc = c, d, fd
            d = a + ratio * (b - a)
            fd = (d - 1.3) ** 2
    return (a + b) / 2


def monte_carlo_pi(seed, n):
    """A linear congruential generator by hand."""
    state = seed
    inside = 0
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2147483648
        x = state / 2147483648
        state = (1103515245 * state + 12345) % 2147483648
        y = state / 2147483648
        if x * x + y * y <= 1.0:
            inside += 1
    return 4.0 * inside / n


def xorshift(n):
    out = np.empty(n, dtype=np.uint64)
    x = np.uint64(88172645463325252)
    for i in range(n):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
        out[i] = x
    return out


def leibniz(n):
    total = 0.0
    sign = 1
    for k in range(n):
        total += sign / (2 * k + 1)
        sign = -sign
    return 4 * total


def exponential_series(x):
    term = total = 1.0
    n = 1
    while abs(term) > 1e-16:
        term *= x / n
        total += term
        n += 1
    return total, n


def trapezoid_rule(a, b, n):
    h = (b - a) / n
    s = 0.5 * (sin(a) * exp(-a) + sin(b) * exp(-b))
    for i in range(1, n):
        s += sin(a + i * h) * exp(-(a + i * h))
    return s * h


def simpson_rule(a, b, n):
    h = (b - a) / n
    total = np.sin(a) + np.sin(b)
    for i in range(1, n, 2):
        total += 4 * np.sin(a + i * h)
    for i in range(2, n - 1, 2):
        total += 2 * np.sin(a + i * h)
    return total * h / 3


def arithmetic_geometric_mean(a, b):
    while True:
        a, b = (a + b) / 2, np.sqrt(a * b)
        if abs(a - b) < 1e-14 * a:
            break
    return pi / (2 * a)


def digits(n, base):
    out = np.zeros(64, dtype=np.int64)
    k = 0
    while n > 0:
        n, out[k] = divmod(n, base)
        k += 1
    return out[:k][::-1].copy(), k


def perfect_numbers(n):
    found = np.zeros(n, dtype=bool)
    for k in range(2, n):
        total = 1
        for d in range(2, k // 2 + 1):
            if k % d == 0:
                total += d
        found[k] = total == k
    return found


def triangle_numbers(n):
    """Pascal's triangle, row by row."""
    P = np.zeros((n, n), dtype=np.int64)
    P[:, 0] = 1
    for i in range(1, n):
        for j in range(1, i + 1):
            P[i, j] = P[i - 1, j - 1] + P[i - 1, j]
    return P


def integer(low: int, high: int) -> Any:
    return lambda rng: (int(rng.integers(low, high)),)


def two_integers(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(int(n) for n in rng.integers(1, 500, 2))


def polynomial(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=sizes(rng, 1)), 0.7


def byte_string(dtype: str = "u1") -> Any:
    return lambda rng: (rng.integers(0, 256, sizes(rng, 1, 4, 20)).astype(dtype),)


PROGRAMS = [
    Program(crc16, byte_string("i8")),
    Program(crc32_table, byte_string()),
    Program(fletcher16, byte_string()),
    Program(collatz, integer(1, 300), layouts=()),
    Program(collatz_all, integer(5, 40), layouts=()),
    Program(gcd, two_integers, layouts=()),
    Program(gcd_each, lambda rng: tuple(rng.integers(1, 60, (2, *sizes(rng, 1))))),
    Program(is_prime, integer(0, 200), layouts=()),
    Program(sieve_slices, integer(5, 90), layouts=()),
    Program(sieve_while, integer(5, 90), layouts=()),
    Program(primes_with_else, integer(3, 40), layouts=()),
    Program(fibonacci, integer(0, 60), layouts=()),
    Program(fibonacci_array, integer(3, 60), layouts=()),
    Program(horner, polynomial),
    Program(horner_reversed, lambda rng: (polynomial(rng)[0], rng.normal(size=sizes(rng, 1)))),
    Program(power_mod, lambda rng: (*two_integers(rng), 1009), layouts=()),
    Program(count_bits, lambda rng: (rng.integers(0, 5000, sizes(rng, 1)),)),
    Program(newton_sqrt, lambda rng: (rng.uniform(1, 90),), layouts=()),
    Program(newton_root, lambda rng: (rng.uniform(1.5, 4),), rtol=1e-9, layouts=()),
    Program(newton_system, lambda rng: (np.array([2.0, 0.3]) + 0.1 * rng.random(2),), rtol=1e-9),
    Program(bisection, lambda rng: (-rng.random(), 1 + rng.random(), 1e-9), layouts=()),
    Program(secant, lambda rng: (0.1 * rng.random(), 0.5), rtol=1e-9, layouts=()),
    Program(golden_section, lambda rng: (rng.random(), 2.0, int(rng.integers(3, 25))), layouts=()),
    Program(monte_carlo_pi, lambda rng: two_integers(rng), layouts=()),
    Program(xorshift, integer(2, 30), layouts=()),
    Program(leibniz, integer(1, 90), layouts=()),
    Program(exponential_series, lambda rng: (rng.normal(),), layouts=()),
    Program(trapezoid_rule, lambda rng: (0.0, rng.random(), int(rng.integers(3, 30))), layouts=()),
    Program(
        simpson_rule, lambda rng: (0.0, rng.random(), 2 * int(rng.integers(3, 15))), layouts=()
    ),
    Program(arithmetic_geometric_mean, lambda rng: (1.0, rng.uniform(0.1, 0.9)), layouts=()),
    Program(digits, lambda rng: (int(rng.integers(1, 9999)), int(rng.integers(2, 11))), layouts=()),
    Program(perfect_numbers, integer(7, 40), layouts=()),
    Program(triangle_numbers, integer(2, 12), layouts=()),
]
