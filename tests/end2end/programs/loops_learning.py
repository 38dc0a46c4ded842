"""Networks layer by layer, recurrent cells, fits and clusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def relu(x):
    return np.maximum(x, 0)


def conv2d(input, weights):
    """As in NPBench: valid, stride 1; batch, height, width, channels."""
    K = weights.shape[0]
    N = input.shape[0]
    H_out = input.shape[1] - K + 1
    W_out = input.shape[2] - K + 1
    C_out = weights.shape[3]
    output = np.empty((N, H_out, W_out, C_out), dtype=np.float32)
    for i in range(H_out):
        for j in range(W_out):
            output[:, i, j, :] = np.sum(
                input[:, i : i + K, j : j + K, :, np.newaxis] * weights[np.newaxis, :, :, :],
                axis=(1, 2, 3),
            )
    return output


def maxpool2d(x):
    output = np.empty(
        [x.shape[0], x.shape[1] // 2, x.shape[2] // 2, x.shape[3]],
        dtype=x.dtype,
    )
    for i in range(x.shape[1] // 2):
        for j in range(x.shape[2] // 2):
            output[:, i, j, :] = np.max(x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, :], axis=(1, 2))
    return output


def softmax(x):
    tmp_max = np.max(x, axis=-1, keepdims=True)
    tmp_out = np.exp(x - tmp_max)
    tmp_sum = np.sum(tmp_out, axis=-1, keepdims=True)
    return tmp_out / tmp_sum


def conv2d_bias(input, weights, bias):
    return conv2d(input, weights) + bias


def network(input, conv1, bias1, conv2, bias2, weights, bias):
    """LeNet's first half and a layer that classifies."""
    x = relu(conv2d_bias(input, conv1, bias1))
    x = maxpool2d(x)
    x = relu(conv2d_bias(x, conv2, bias2))
    x = maxpool2d(x)
    x = np.reshape(x, (x.shape[0], -1))
    return softmax(x @ weights + bias)


def conv2d_elements(image, kernel):
    h, w = image.shape
    kh, kw = kernel.shape
    out = np.zeros((h - kh + 1, w - kw + 1))
    for i in range(h - kh + 1):
        for j in range(w - kw + 1):
            total = 0.0
            for a in range(kh):
                for b in range(kw):
                    total += image[i + a, j + b] * kernel[a, b]
            out[i, j] = total
    return out


def conv2d_windows(image, kernel, stride):
    k = kernel.shape[0]
    rows = (image.shape[0] - k) // stride + 1
    columns = (image.shape[1] - k) // stride + 1
    out = np.zeros((rows, columns))
    for i in range(0, rows):
        for j in range(0, columns):
            window = image[i * stride : i * stride + k, j * stride : j * stride + k]
            out[i, j] = np.sum(window * kernel)
    return out


def softmax_rows(X):
    out = np.zeros_like(X)
    for i in range(X.shape[0]):
        e = np.exp(X[i] - np.max(X[i]))
        out[i] = e / e.sum()
    return out


def rnn(xs, h, W, U, b):
    hs = np.zeros((xs.shape[0], h.shape[0]))
    for t in range(xs.shape[0]):
        h = np.tanh(W @ xs[t] + U @ h + b)
        hs[t] = h
    return hs, h


def rnn_rows(xs, h, W, U, b):
    for x in xs:
        h = np.tanh(x @ W.T + h @ U + b)
    return h


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(xs, h, c, W, b):
    n = h.shape[0]
    outputs = []
    for t in range(len(xs)):
        gates = W @ np.concatenate([xs[t], h]) + b
        i, f = sigmoid(gates[:n]), sigmoid(gates[n : 2 * n])
        o, g = sigmoid(gates[2 * n : 3 * n]), np.tanh(gates[3 * n :])
        c = f * c + i * g
        h = o * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), c


def gradient_descent(X, y, w, rate, steps):
    losses = np.zeros(steps)
    for k in range(steps):
        error = X @ w - y
        losses[k] = np.mean(error**2)
        w -= rate * 2 / len(y) * X.T @ error
    return losses


def stochastic_descent(X, y, rate, epochs):
    w = np.zeros(X.shape[1])
    b = 0.0
    for _ in range(epochs):
        for xi, yi in zip(X, y):
            error = xi @ w + b - yi
            w = w - rate * error * xi
            b -= rate * error
    return w, b


def perceptron(X, y, epochs):
    w = np.zeros(X.shape[1])
    mistakes = 0
    for epoch in range(epochs):
        mistakes = 0
        for i in range(X.shape[0]):
            if y[i] * np.dot(w, X[i]) <= 0:
                w += y[i] * X[i]
                mistakes += 1
        if mistakes == 0:
            break
    return w, mistakes, epoch


def coordinate_descent(X, y, penalty, sweeps):
    """Lasso: one coefficient after the other, shrunk."""
    n, d = X.shape
    w = np.zeros(d)
    residual = y.copy()
    for _ in range(sweeps):
        for j in range(d):
            norm = X[:, j] @ X[:, j]
            rho = X[:, j] @ residual + norm * w[j]
            if rho > penalty:
                new = (rho - penalty) / norm
            elif rho < -penalty:
                new = (rho + penalty) / norm
            else:
                new = 0.0
            residual += (w[j] - new) * X[:, j]
            w[j] = new
    return w


def k_means_masks(X, centers, iterations):
    for _ in range(iterations):
        distances = np.sqrt(((X[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2))
        labels = np.argmin(distances, axis=1)
        for k in range(centers.shape[0]):
            mask = labels == k
            if mask.any():
                centers[k] = X[mask].mean(axis=0)
    return labels


def k_means_elements(X, centers, most):
    n, d = X.shape
    k = centers.shape[0]
    labels = np.full(n, -1)
    for iteration in range(most):
        changed = 0
        for i in range(n):
            best, nearest = np.inf, -1
            for c in range(k):
                distance = 0.0
                for j in range(d):
                    distance += (X[i, j] - centers[c, j]) ** 2
                if distance < best:
                    best, nearest = distance, c
            if labels[i] != nearest:
                labels[i] = nearest
                changed += 1
        if changed == 0:
            break
        counts = np.zeros(k)
        centers[:] = 0.0
        for i in range(n):
            centers[labels[i]] += X[i]
            counts[labels[i]] += 1
        for c in range(k):
            if counts[c] > 0:
                centers[c] /= counts[c]
    return labels, iteration


def nearest_neighbours(X, queries, labels):
    out = np.zeros(len(queries), dtype=labels.dtype)
    for q, query in enumerate(queries):
        best = np.inf
        for i, x in enumerate(X):
            d = np.sum((x - query) ** 2)
            if d < best:
                best = d
                out[q] = labels[i]
    return out


def pictures(rng: np.random.Generator) -> tuple[Any, ...]:
    n, size, c1, c2 = int(rng.integers(2, 4)), 4 * int(rng.integers(4, 6)), 2, 3
    x = rng.random((n, size, size, 1), dtype=np.float32)
    after = ((size - 2) // 2 - 2) // 2
    shapes = ((3, 3, 1, c1), (c1,), (3, 3, c1, c2), (c2,), (after * after * c2, 10), (10,))
    return (x, *(rng.random(s, dtype=np.float32) for s in shapes))


def picture(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=sizes(rng, 2)), rng.normal(size=(3, 3))


def cell(rng: np.random.Generator) -> tuple[Any, ...]:
    t, n, h = sizes(rng, 3, 3, 9)
    shapes = ((t, n), (h,), (h, n), (h, h), (h,))
    return tuple(rng.normal(size=s) for s in shapes)


def long_cell(rng: np.random.Generator) -> tuple[Any, ...]:
    n, h = sizes(rng, 2, 3, 9)
    return tuple(rng.normal(size=s) for s in ((5, n), (h,), (h,), (4 * h, n + h), (4 * h,)))


def regression(*others: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        n, d = sizes(rng, 2)
        X = rng.normal(size=(n + d, d))
        return X, X @ rng.normal(size=d) + 0.1 * rng.normal(size=n + d), *others

    return make


def classes(rng: np.random.Generator) -> tuple[Any, ...]:
    X, y = regression()(rng)
    return X, np.sign(y), 10


def clusters(rng: np.random.Generator) -> tuple[Any, ...]:
    X = regression()(rng)[0]
    return X, X[:3].copy(), int(rng.integers(3, 8))


PROGRAMS = [
    Program(network, pictures, rtol=1e-4, atol=1e-5),
    Program(conv2d_elements, picture),
    Program(conv2d_windows, lambda rng: (*picture(rng), 2)),
    Program(softmax_rows, lambda rng: picture(rng)[:1]),
    Program(rnn, cell),
    Program(rnn_rows, cell),
    Program(lstm, long_cell),
    Program(gradient_descent, lambda rng: (*(a := regression()(rng)), a[0][0].copy(), 0.05, 9)),
    Program(stochastic_descent, regression(0.05, 3), rtol=1e-10),
    Program(perceptron, classes),
    Program(coordinate_descent, regression(0.3, 4), rtol=1e-9),
    Program(k_means_masks, clusters),
    Program(k_means_elements, clusters),
    Program(
        nearest_neighbours,
        lambda rng: (X := regression()(rng)[0], X[::2] + 0.1, rng.integers(0, 5, len(X))),
    ),
]
