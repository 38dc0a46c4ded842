"""Dynamic programming and graphs: tables filled by loops whose bounds depend on one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def floyd_warshall_outer(path):
    for k in range(path.shape[0]):
        path[:] = np.minimum(path[:], np.add.outer(path[:, k], path[k, :]))


def floyd_warshall_elements(graph, n):
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if graph[i, k] + graph[k, j] < graph[i, j]:
                    graph[i, j] = graph[i, k] + graph[k, j]
    return graph


def floyd_warshall_ternary(path):
    n = path.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                path[i, j] = (
                    path[i, j] if path[i, j] < path[i, k] + path[k, j] else path[i, k] + path[k, j]
                )
    return path


def floyd_warshall_rows(path):
    for k in range(path.shape[0]):
        for i in range(path.shape[0]):
            path[i, :] = np.minimum(path[i, :], path[i, k] + path[k, :])


def match(b1, b2):
    if b1 + b2 == 3:
        return 1
    else:
        return 0


def nussinov(N, seq):
    table = np.zeros((N, N), np.int32)
    for i in range(N - 1, -1, -1):
        for j in range(i + 1, N):
            if j - 1 >= 0:
                table[i, j] = np.maximum(table[i, j], table[i, j - 1])
            if i + 1 < N:
                table[i, j] = np.maximum(table[i, j], table[i + 1, j])
            if j - 1 >= 0 and i + 1 < N:
                if i < j - 1:
                    table[i, j] = np.maximum(
                        table[i, j], table[i + 1, j - 1] + match(seq[i], seq[j])
                    )
                else:
                    table[i, j] = np.maximum(table[i, j], table[i + 1, j - 1])
            for k in range(i + 1, j):
                table[i, j] = np.maximum(table[i, j], table[i, k] + table[k + 1, j])
    return table


def nussinov_builtin_max(seq):
    n = len(seq)
    table = np.zeros((n, n), dtype=int)
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            best = max(table[i, j - 1], table[i + 1, j])
            if i < j - 1:
                best = max(best, table[i + 1, j - 1] + (1 if seq[i] + seq[j] == 3 else 0))
            for k in range(i + 1, j):
                best = max(best, table[i, k] + table[k + 1, j])
            table[i, j] = best
    return table[0, n - 1]


def levenshtein(a, b):
    m, n = len(a), len(b)
    d = np.zeros((m + 1, n + 1), dtype=np.int64)
    for i in range(m + 1):
        d[i, 0] = i
    for j in range(n + 1):
        d[0, j] = j
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + cost)
    return d[m, n]


def levenshtein_two_rows(a, b):
    previous = np.arange(len(b) + 1)
    for i in range(len(a)):
        current = np.zeros(len(b) + 1, dtype=previous.dtype)
        current[0] = i + 1
        for j in range(len(b)):
            if a[i] == b[j]:
                current[j + 1] = previous[j]
            else:
                current[j + 1] = 1 + min(previous[j], previous[j + 1], current[j])
        previous = current
    return previous[-1]


def longest_common_subsequence(a, b):
    m, n = a.size, b.size
    L = np.zeros((m + 1, n + 1), dtype=int)
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            if a[i - 1] == b[j - 1]:
                L[i, j] = L[i - 1, j - 1] + 1
            elif L[i - 1, j] >= L[i, j - 1]:
                L[i, j] = L[i - 1, j]
            else:
                L[i, j] = L[i, j - 1]
    length = L[m, n]
    picked = np.zeros(length, dtype=a.dtype)
    i, j, k = m, n, length
    while i > 0 and j > 0:
        if a[i - 1] == b[j - 1]:
            k -= 1
            picked[k] = a[i - 1]
            i -= 1
            j -= 1
        elif L[i - 1, j] >= L[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return picked


def needleman_wunsch(a, b, match_, mismatch, gap):
    m, n = len(a), len(b)
    score = np.zeros((m + 1, n + 1))
    score[:, 0] = gap * np.arange(m + 1)
    score[0, :] = gap * np.arange(n + 1)
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            s = match_ if a[i - 1] == b[j - 1] else mismatch
            diagonal = score[i - 1, j - 1] + s
            score[i, j] = max(diagonal, score[i - 1, j] + gap, score[i, j - 1] + gap)
    return score


def smith_waterman(a, b):
    H = np.zeros((a.shape[0] + 1, b.shape[0] + 1), np.int32)
    best, best_i, best_j = 0, 0, 0
    for i in range(1, H.shape[0]):
        for j in range(1, H.shape[1]):
            step = H[i - 1, j - 1] + (3 if a[i - 1] == b[j - 1] else -3)
            H[i, j] = max(0, step, H[i - 1, j] - 2, H[i, j - 1] - 2)
            if H[i, j] > best:
                best, best_i, best_j = H[i, j], i, j
    return H, int(best), best_i, best_j


def time_warping(x, y):
    n, m = len(x), len(y)
    D = np.full((n + 1, m + 1), np.inf)
    D[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = abs(x[i - 1] - y[j - 1])
            D[i, j] = cost + min(D[i - 1, j], D[i, j - 1], D[i - 1, j - 1])
    return D[n, m]


def knapsack(values, weights, capacity):
    n = len(values)
    table = np.zeros((n + 1, capacity + 1))
    for i in range(1, n + 1):
        for w in range(capacity + 1):
            table[i, w] = table[i - 1, w]
            if weights[i - 1] <= w:
                candidate = table[i - 1, w - weights[i - 1]] + values[i - 1]
                if candidate > table[i, w]:
                    table[i, w] = candidate
    return table[n, capacity]


def knapsack_one_row(values, weights, capacity):
    best = np.zeros(capacity + 1)
    for v, wt in zip(values, weights):
        for w in range(capacity, wt - 1, -1):
            best[w] = max(best[w], best[w - wt] + v)
    return best


def coin_change(coins, amount):
    ways = np.zeros(amount + 1, dtype=np.int64)
    ways[0] = 1
    for coin in coins:
        for x in range(coin, amount + 1):
            ways[x] += ways[x - coin]
    return ways


def matrix_chain_order(dims):
    n = len(dims) - 1
    cost = np.zeros((n, n))
    split = np.zeros((n, n), dtype=int)
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            j = i + length - 1
            cost[i, j] = np.inf
            for k in range(i, j):
                c = cost[i, k] + cost[k + 1, j] + dims[i] * dims[k + 1] * dims[j + 1]
                if c < cost[i, j]:
                    cost[i, j] = c
                    split[i, j] = k
    return cost[0, n - 1], split


def longest_increasing(x):
    n = len(x)
    best = np.ones(n, dtype=int)
    for i in range(1, n):
        for j in range(i):
            if x[j] < x[i] and best[j] + 1 > best[i]:
                best[i] = best[j] + 1
    return best.max()


def largest_subarray(x):
    best = current = x[0]
    for v in x[1:]:
        current = max(v, current + v)
        best = max(best, current)
    return best


def grid_paths(blocked):
    m, n = blocked.shape
    ways = np.zeros((m, n), dtype=int)
    for i in range(m):
        for j in range(n):
            if blocked[i, j]:
                ways[i, j] = 0
            elif i == 0 and j == 0:
                ways[i, j] = 1
            else:
                if i > 0:
                    ways[i, j] += ways[i - 1, j]
                if j > 0:
                    ways[i, j] += ways[i, j - 1]
    return ways[-1, -1]


def cheapest_seam(energy):
    """Seam carving: a table of costs downwards, then the way back up."""
    h, w = energy.shape
    cost = energy.copy()
    for i in range(1, h):
        for j in range(w):
            left = max(j - 1, 0)
            right = min(j + 1, w - 1)
            cost[i, j] += cost[i - 1, left : right + 1].min()
    seam = np.zeros(h, dtype=int)
    seam[-1] = np.argmin(cost[-1])
    for i in range(h - 2, -1, -1):
        low = max(seam[i + 1] - 1, 0)
        high = min(seam[i + 1] + 2, w)
        seam[i] = low + np.argmin(cost[i, low:high])
    return seam


def viterbi(start, transition, emission, observed):
    T, S = len(observed), len(start)
    score = np.zeros((T, S))
    back = np.zeros((T, S), dtype=int)
    score[0] = np.log(start) + np.log(emission[:, observed[0]])
    for t in range(1, T):
        for s in range(S):
            options = score[t - 1] + np.log(transition[:, s])
            back[t, s] = np.argmax(options)
            score[t, s] = options[back[t, s]] + np.log(emission[s, observed[t]])
    path = np.zeros(T, dtype=int)
    path[T - 1] = np.argmax(score[T - 1])
    for t in range(T - 2, -1, -1):
        path[t] = back[t + 1, path[t + 1]]
    return path, score[T - 1].max()


def bellman_ford(sources, targets, weights, n):
    distance = np.full(n, np.inf)
    distance[0] = 0.0
    for _ in range(n - 1):
        changed = False
        for u, v, w in zip(sources, targets, weights):
            if distance[u] + w < distance[v]:
                distance[v] = distance[u] + w
                changed = True
        if not changed:
            break
    return distance


def dijkstra(graph):
    n = graph.shape[0]
    distance = np.full(n, np.inf)
    visited = np.zeros(n, dtype=bool)
    distance[0] = 0
    for _ in range(n):
        u = -1
        for v in range(n):
            if not visited[v] and (u == -1 or distance[v] < distance[u]):
                u = v
        visited[u] = True
        for v in range(n):
            if graph[u, v] > 0 and not visited[v]:
                through = distance[u] + graph[u, v]
                if through < distance[v]:
                    distance[v] = through
    return distance


def components(adjacency):
    """Breadth-first search with a queue in an array; the number of the component of each node."""
    n = adjacency.shape[0]
    label = np.full(n, -1)
    queue = np.zeros(n, dtype=int)
    count = 0
    for start in range(n):
        if label[start] >= 0:
            continue
        head, tail = 0, 1
        queue[0] = start
        label[start] = count
        while head < tail:
            u = queue[head]
            head += 1
            for v in range(n):
                if adjacency[u, v] and label[v] < 0:
                    label[v] = count
                    queue[tail] = v
                    tail += 1
        count += 1
    return label, count


def weights_(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return (rng.integers(1, 100, (n, n)),)


def bases(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1, 5, 16)
    return n, rng.integers(0, 4, n)


def words(rng: np.random.Generator) -> tuple[Any, ...]:
    m, n = sizes(rng, 2, 4, 16)
    return rng.integers(0, 3, m), rng.integers(0, 3, n)


def lines(rng: np.random.Generator) -> tuple[Any, ...]:
    m, n = sizes(rng, 2)
    return rng.normal(size=m), rng.normal(size=n)


def items(rng: np.random.Generator) -> tuple[Any, ...]:
    n, capacity = sizes(rng, 2, 5, 20)
    return rng.uniform(1, 9, n), rng.integers(1, 8, n), capacity


def hidden(rng: np.random.Generator) -> tuple[Any, ...]:
    s, o, t = sizes(rng, 3, 3, 9)
    start, transition, emission = (rng.uniform(0.1, 1, x) for x in (s, (s, s), (s, o)))
    return start, transition, emission, rng.integers(0, o, t)


def edges(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2, 5, 15)
    return *rng.integers(0, n, (2, 2 * m)), rng.uniform(0.1, 2, 2 * m), n


def sparse_graph(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    A = rng.uniform(0.1, 1, (n, n)) * (rng.random((n, n)) < 0.2)
    return (A + A.T,)


PROGRAMS = [
    Program(floyd_warshall_outer, weights_),
    Program(floyd_warshall_elements, lambda rng: (g := weights_(rng)[0], len(g))),
    Program(floyd_warshall_ternary, weights_),
    Program(floyd_warshall_rows, weights_),
    Program(nussinov, bases),
    Program(nussinov_builtin_max, lambda rng: bases(rng)[1:]),
    Program(levenshtein, words),
    Program(levenshtein_two_rows, words),
    Program(longest_common_subsequence, words),
    Program(needleman_wunsch, lambda rng: (*words(rng), 1.0, -1.0, -0.5)),
    Program(smith_waterman, words),
    Program(time_warping, lines),
    Program(knapsack, items),
    Program(knapsack_one_row, items),
    Program(coin_change, lambda rng: (np.array([1, 2, 5]), int(rng.integers(3, 30)))),
    Program(matrix_chain_order, lambda rng: (rng.integers(1, 20, sizes(rng, 1)),)),
    Program(longest_increasing, lambda rng: lines(rng)[:1]),
    Program(largest_subarray, lambda rng: lines(rng)[:1]),
    Program(grid_paths, lambda rng: (rng.random(sizes(rng, 2)) < 0.1,)),
    Program(cheapest_seam, lambda rng: (rng.random(sizes(rng, 2)),)),
    Program(viterbi, hidden),
    Program(bellman_ford, edges),
    Program(dijkstra, sparse_graph),
    Program(components, lambda rng: (sparse_graph(rng)[0] > 0,)),
]
