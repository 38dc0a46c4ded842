"""Statistics and machine learning by hand: clusters, histograms, gradients, simulations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def histogram(values, bins):
    counts, edges = np.histogram(values, bins=bins)
    return counts, edges


def histogram_by_add(values, low, high, counts):
    """Bins by hand, into an output argument; values outside are left out."""
    n = counts.shape[0]
    index = np.floor((values - low) / (high - low) * n).astype(np.int64)
    inside = (index >= 0) & (index < n)
    np.add.at(counts, index[inside], 1)
    return counts


def weighted_histogram(values, weights):
    """Weighted mean of each bin."""
    low, high = values.min(), values.max()
    bins = np.linspace(low, high, 11)
    which = np.clip(np.digitize(values, bins) - 1, 0, 9)
    total = np.bincount(which, weights=weights, minlength=10)
    number = np.bincount(which, minlength=10)
    return total / np.maximum(number, 1), number


def joint_histogram(x, y):
    H, xedges, yedges = np.histogram2d(x, y, bins=5)
    return H / H.sum(), xedges, yedges


def kmeans_masks(points, centres):
    """Assign, then move each centre to the mean of its points."""
    distances = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    labels = np.argmin(distances, axis=1)
    for k in range(3):
        members = points[labels == k]
        if len(members) > 0:
            centres[k] = members.mean(axis=0)
    return labels, distances.min(axis=1).sum()


def kmeans_comprehension(points, centres):
    """As it is taught; a centre without points would be not a number."""
    labels = np.argmin(np.linalg.norm(points[:, np.newaxis] - centres, axis=2), axis=1)
    moved = np.array([points[labels == k].mean(axis=0) for k in range(len(centres))])
    shift = np.sqrt(np.sum((moved - centres) ** 2))
    return moved, labels, shift < 1e-4


def kmeans_add_at(points, centres):
    distances = np.linalg.norm(points[:, None] - centres[None], axis=-1)
    labels = distances.argmin(axis=1)
    sums = np.zeros_like(centres)
    counts = np.zeros(centres.shape[0])
    np.add.at(sums, labels, points)
    np.add.at(counts, labels, 1)
    filled = counts > 0
    centres[filled] = sums[filled] / counts[filled, None]
    return labels


def kmeans_where(points, centres):
    distances = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)[None, :]
    labels = np.argmin(distances, axis=1)
    member = labels[:, None] == np.arange(centres.shape[0])
    counts = member.sum(axis=0)
    means = member.T.astype(points.dtype) @ points / np.maximum(counts, 1)[:, None]
    centres[...] = np.where(counts[:, None] > 0, means, centres)
    return labels, counts


def softmax_regression(W, b, X, y, rate):
    """One step of gradient descent; the weights are updated in place."""
    scores = X @ W + b
    scores -= scores.max(axis=1, keepdims=True)
    p = np.exp(scores)
    p /= p.sum(axis=1, keepdims=True)
    n = X.shape[0]
    loss = -np.log(p[np.arange(n), y]).mean()
    p[np.arange(n), y] -= 1
    p /= n
    W -= rate * (X.T @ p)
    b -= rate * p.sum(axis=0)
    return loss


def one_hot_accuracy(scores, y):
    hot = np.zeros_like(scores)
    hot[np.arange(len(y)), y] = 1.0
    right = scores.argmax(axis=1) == y
    return (scores * hot).sum(axis=1), right.mean(), np.count_nonzero(right)


def two_layers(W1, W2, X, y, rate):
    hidden = X @ W1
    active = np.maximum(hidden, 0)
    error = active @ W2 - y
    g2 = active.T @ error
    g1 = error @ W2.T
    g1[hidden <= 0] = 0
    W2 -= rate * g2
    W1 -= rate * (X.T @ g1)
    return np.square(error).sum()


def adam(w, g, m, v, t):
    b1, b2, eps = 0.9, 0.999, 1e-8
    m *= b1
    m += (1 - b1) * g
    v[:] = b2 * v + (1 - b2) * g * g
    mhat = m / (1 - b1**t)
    vhat = v / (1 - b2**t)
    w -= 0.01 * mhat / (np.sqrt(vhat) + eps)


def logistic_newton(X, y, beta):
    p = 1 / (1 + np.exp(-X @ beta))
    H = X.T @ (X * (p * (1 - p))[:, None])
    H.flat[:: H.shape[0] + 1] += 1e-3
    beta += np.linalg.solve(H, X.T @ (y - p))
    return beta


def standardize(X):
    X -= X.mean(axis=0)
    deviation = X.std(axis=0)
    deviation[deviation == 0] = 1.0
    X /= deviation
    return deviation


def clean(x):
    """Gaps are filled with the mean, outliers with the limits."""
    gaps = np.isnan(x)
    x[gaps] = np.nanmean(x)
    low, high = np.percentile(x, [5, 95])
    x[x < low] = low
    x[x > high] = high
    return gaps.sum()


def moving_average(x, window):
    total = np.cumsum(np.insert(x, 0, 0.0))
    return (total[window:] - total[:-window]) / window


def moving_average_in_place(x):
    ret = np.cumsum(x, dtype=float)
    ret[3:] = ret[3:] - ret[:-3]
    return ret[2:] / 3


def exponential_average(x, alpha):
    out = np.empty_like(x)
    out[0] = x[0]
    for t in range(1, len(x)):
        out[t] = alpha * x[t] + (1 - alpha) * out[t - 1]
    return out


def drawdown(prices):
    peak = np.maximum.accumulate(prices)
    fall = (peak - prices) / peak
    worst = np.argmax(fall)
    return fall.max(), worst, np.diff(np.log(prices)).std(ddof=1) * np.sqrt(252)


def nearest(points, queries):
    """The three nearest points of each query."""
    d = np.sqrt(((queries[:, None] - points) ** 2).sum(-1))
    order = np.argsort(d, axis=1)[:, :3]
    return order, np.take_along_axis(d, order, axis=1).mean(axis=1)


def ranks(x):
    order = x.argsort()
    rank = np.empty_like(order)
    rank[order] = np.arange(len(x))
    return rank


def group_means(keys, values):
    unique, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    sums = np.bincount(inverse, weights=values)
    return unique, sums / counts


def confusion(y, p):
    matrix = np.zeros((4, 4), dtype=int)
    np.add.at(matrix, (y, p), 1)
    recall = np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1)
    return matrix, recall


def portfolio(rng, mu, L, weights, n):
    """Monte Carlo with a generator as argument: value at risk of a portfolio."""
    z = rng.standard_normal((n, 4))
    returns = mu + z @ L.T
    value = np.exp(returns) @ weights
    losses = np.sort(1.0 - value)
    return losses[int(0.95 * n)], losses.mean(), rng.random()


def estimate_pi(rng, n):
    x, y = rng.random(n), rng.random(n)
    return 4.0 * np.mean(x * x + y * y < 1.0)


def bootstrap(rng, x, n):
    index = rng.integers(0, len(x), size=(n, len(x)))
    return x[index].mean(axis=1).std()


def mini_batch(rng, X, y, w, rate):
    """A step on a random batch."""
    batch = rng.permutation(X.shape[0])[:4]
    error = X[batch] @ w - y[batch]
    w -= rate * X[batch].T @ error / 4
    w += rng.normal(0.0, 0.01, w.shape)
    return batch, error


def shuffle_rows(rng, X):
    rng.shuffle(X)
    return rng.choice(X.shape[0], 5, p=np.full(X.shape[0], 1 / X.shape[0]))


def dropout(rng, x, keep):
    mask = rng.random(x.shape) < keep
    x *= mask
    x /= keep
    return mask


def values(rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.normal(size=sizes(rng, 1, 20, 80)),)


def clouds(rng: np.random.Generator) -> tuple[Any, ...]:
    n, d = sizes(rng, 2)
    return rng.normal(size=(3 * n, d)), rng.normal(size=(3, d))


def seeded_clouds(rng: np.random.Generator) -> tuple[Any, ...]:
    """No centre is without points: each is one of them."""
    points, _ = clouds(rng)
    return points, points[:3] + 0.0


def batches(rng: np.random.Generator) -> tuple[Any, ...]:
    X, y, w = binary(rng)
    return np.random.default_rng(10), X, y, w, 0.1


def classes(rng: np.random.Generator) -> tuple[Any, ...]:
    n, d = sizes(rng, 2)
    y = rng.integers(0, 4, n)
    return rng.normal(size=(d, 4)), rng.normal(size=4), rng.normal(size=(n, d)), y, 0.1


def hot(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return rng.normal(size=(n, 4)), rng.integers(0, 4, n)


def layers(rng: np.random.Generator) -> tuple[Any, ...]:
    n, d, h = sizes(rng, 3)
    shapes = (d, h), (h, 2), (n, d), (n, 2)
    return (*(rng.normal(size=shape) for shape in shapes), 0.01)


def with_gaps(rng: np.random.Generator) -> tuple[Any, ...]:
    (x,) = values(rng)
    x[rng.random(x.shape) < 0.2] = np.nan
    return (x,)


def pairs(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(rng.normal(size=(2, *sizes(rng, 1, 20, 80))))


def labels(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(rng.integers(0, 4, (2, *sizes(rng, 1, 20, 80))))


def grouped(rng: np.random.Generator) -> tuple[Any, ...]:
    keys, _ = labels(rng)
    return keys, rng.normal(size=keys.shape)


def binary(rng: np.random.Generator) -> tuple[Any, ...]:
    n, d = sizes(rng, 2)
    X = rng.normal(size=(5 * n, d))
    return X, (rng.random(5 * n) < 0.5).astype(float), np.zeros(d)


def assets(rng: np.random.Generator) -> tuple[Any, ...]:
    L = np.tril(rng.normal(size=(4, 4))) * 0.1
    return np.random.default_rng(7), rng.normal(size=4) * 0.1, L, np.full(4, 0.25), 100


PROGRAMS = [
    Program(histogram, lambda rng: (*values(rng), 10)),
    Program(
        histogram_by_add,
        lambda rng: (*values(rng), -1.0, 1.5, np.zeros(8, int)),
        layouts=("strided",),
    ),
    Program(weighted_histogram, pairs),
    Program(joint_histogram, pairs),
    Program(kmeans_masks, clouds),
    Program(kmeans_comprehension, seeded_clouds),
    Program(kmeans_add_at, clouds),
    Program(kmeans_where, clouds, rtol=1e-10),
    Program(softmax_regression, classes),
    Program(one_hot_accuracy, hot),
    Program(two_layers, layers),
    Program(adam, lambda rng: (*abs(rng.normal(size=(4, *sizes(rng, 2)))), 3)),
    Program(logistic_newton, binary, rtol=1e-8, atol=1e-10),
    Program(standardize, lambda rng: (rng.normal(size=sizes(rng, 2)),)),
    Program(clean, with_gaps),
    Program(moving_average, lambda rng: (*values(rng), 4)),
    Program(moving_average_in_place, values),
    Program(exponential_average, lambda rng: (*values(rng), 0.3)),
    Program(drawdown, lambda rng: (np.exp(values(rng)[0]),)),
    Program(nearest, clouds),
    Program(ranks, values),
    Program(group_means, grouped),
    Program(confusion, labels),
    Program(portfolio, assets),
    Program(estimate_pi, lambda rng: (np.random.default_rng(5), 500)),
    Program(bootstrap, lambda rng: (np.random.default_rng(6), *values(rng), 20)),
    Program(mini_batch, batches),
    Program(shuffle_rows, lambda rng: (np.random.default_rng(9), *clouds(rng)[:1])),
    Program(dropout, lambda rng: (np.random.default_rng(8), *clouds(rng)[:1], 0.8)),
]
