"""The benchmarks: workloads that any NumPy runs, and a harness that judges with a fake clock."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from rich.console import Console

from tracejit.cli import benchmarks

harness = benchmarks("harness")
peers = benchmarks("peers")
report = benchmarks("report")
workload_module = benchmarks("workload")
WORKLOADS = benchmarks().WORKLOADS
Workload = workload_module.Workload

TINY = {
    "equation_of_state": (3, 4, 5),
    "isoneutral": (7, 8, 5),
    "hdiff": (3, 4, 5),
    "jacobi2d": (5, 6),
    "heat3d": (4, 5, 6),
    "softmax": (4, 7),
    "layer_norm": (4, 7),
    "column_sums": (4, 7),
    "pairwise": (4, 5, 3),
    "perceptron": (4, 5, 6, 2),
    "rnn": (5, 4),
    "mandelbrot": (6, 5, 9),
    "mean_switch": (4, 5),
    "mean_ifelse": (4, 5),
    "jacobi2d_steps": (3, 5, 6),
    "heat3d_steps": (2, 4, 5, 6),
    "trmm": (5, 4),
    "syrk": (5, 4),
    "covariance": (6, 4),
    "gramschmidt": (6, 4),
}


class Clock:
    """Time passes only when somebody works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakePeer(peers.Peer):
    """Computes as NumPy does, or as `answer` does; takes `seconds` a call, and more the first."""

    def __init__(self, name, clock, seconds, compile_seconds=0.0, answer=None):
        super().__init__()
        self.name, self.clock, self.answer = name, clock, answer
        self.seconds, self.compile_seconds = list(np.atleast_1d(seconds)), compile_seconds
        self.calls = 0

    def compile(self, function):
        left = [self.compile_seconds]

        def call(*args):
            self.calls += 1
            spent = self.seconds[self.calls % len(self.seconds)]
            self.clock.now += spent + (left.pop() if left else 0.0)
            return (self.answer or function)(*args)

        return call


def workload(**changes):
    fake = Workload(
        "double",
        "two times a",
        lambda a: 2 * a,
        lambda size, rng: (rng.normal(size=size),),
        quick=((3,),),
        full=((3,), (5,)),
    )
    return dataclasses.replace(fake, **changes)


def run(subject, *others, full=False, **changes):
    budget = harness.Budget(
        seconds=1.0, min_rounds=3, max_rounds=9, sample=0.01, rest=0, first_calls=3
    )
    arguments = {"full": full, "budget": budget, "subject": subject, "clock": subject.clock}
    return list(harness.run([workload(**changes)], others, **arguments))


def test_ratios_are_of_medians_and_first_calls_stay_apart():
    clock = Clock()
    mine = FakePeer("tracejit", clock, [0.02, 0.02, 0.02, 0.9], compile_seconds=5.0)
    theirs = FakePeer("other", clock, 0.06, compile_seconds=7.0)
    (case,) = run(mine, theirs)
    assert case.of("tracejit").median == pytest.approx(0.02)
    assert case.of("other").median == pytest.approx(0.06)
    assert case.of("other").ratio == pytest.approx(3.0)
    assert case.of("tracejit").ratio is None
    assert case.of("tracejit").first_call == pytest.approx(5.02)
    assert case.of("other").first_call == pytest.approx(7.06)
    assert (case.workload, case.size, case.kind) == ("double", "3", "run")


def test_short_calls_are_timed_in_bulk():
    clock = Clock()
    (case,) = run(FakePeer("tracejit", clock, 1e-4), FakePeer("other", clock, 0.5))
    assert case.of("tracejit").calls >= 100
    assert case.of("tracejit").median == pytest.approx(1e-4)
    assert case.of("other").calls == 1
    assert case.of("other").rounds == 3  # over the budget: the least that is asked for


def test_rounds_fill_the_budget_and_no_more():
    clock = Clock()
    (case,) = run(FakePeer("tracejit", clock, 0.1), FakePeer("other", clock, 0.1))
    assert case.of("other").rounds in (4, 5)
    (case,) = run(FakePeer("tracejit", clock, 0.01), FakePeer("other", clock, 0.01))
    assert case.of("other").rounds == 9


def test_rounds_alternate():
    order = []

    def contestant(name):
        def work():
            order.append(name)
            clock.now += 1.0

        measurement = harness.Measurement(name)
        return harness._Contestant(None, work, (), measurement)

    clock = Clock()
    budget = harness.Budget(seconds=0.0, min_rounds=3, max_rounds=3, rest=0)
    harness.time_rounds([contestant(n) for n in "abc"], budget, clock)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"  # the first three calibrate


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda a: 2 * a + 1e-3, "Mismatched elements: 3 / 3"),
        (lambda a: (2 * a).astype(np.float32), "dtype float32 where NumPy gives float64"),
        (lambda a: 2 * a[1:], "shape (2,) where NumPy gives (3,)"),
        (lambda a: (a, a), "2 results where NumPy gives 1"),
        (lambda a: np.where(a == a.max(), np.nan, 2 * a), "nan"),
    ],
)
def test_a_wrong_result_is_reported_and_not_timed(answer, expected):
    clock = Clock()
    wrong = FakePeer("wrong", clock, 0.01, answer=answer)
    (case,) = run(FakePeer("tracejit", clock, 0.02), wrong)
    found = case.of("wrong")
    assert found.status == harness.WRONG
    assert expected in found.problem
    assert found.median is None and found.ratio is None
    assert wrong.calls == 2
    assert report.problems([case]) == [f"double 3: wrong: wrong result: {found.problem}"]


def test_a_function_that_writes_gets_arrays_of_its_own():
    def advance(a):
        a += 1.0
        return a

    clock = Clock()
    mine, fine = FakePeer("tracejit", clock, 0.02), FakePeer("fine", clock, 0.04)
    forgets = FakePeer("forgets", clock, 0.04, answer=lambda a: a + 2.0)
    (case,) = run(mine, fine, forgets, function=advance, writes=True)
    assert [m.status for m in case.measurements] == [harness.OK, harness.OK, harness.WRONG]


def test_a_result_that_is_wrong_the_second_time_is_wrong():
    clock = Clock()
    results = iter([2.0, 3.0])
    stale = FakePeer("stale", clock, 0.01, answer=lambda a: next(results) * a)
    (case,) = run(FakePeer("tracejit", clock, 0.02), stale)
    assert case.of("stale").status == harness.WRONG


def test_a_peer_that_fails_leaves_the_others_alone():
    clock = Clock()

    def fail(a):
        raise ValueError("no such thing\nand more")

    broken = FakePeer("broken", clock, 0.01, answer=fail)
    (case,) = run(FakePeer("tracejit", clock, 0.02), broken, FakePeer("fine", clock, 0.04))
    assert case.of("broken").status == harness.FAILED
    assert case.of("broken").problem == "ValueError: no such thing"
    assert case.of("fine").ratio == pytest.approx(2.0)


def test_without_our_own_result_there_are_times_and_no_ratios():
    clock = Clock()
    mine = FakePeer("tracejit", clock, 0.02, answer=lambda a: 3 * a)
    (case,) = run(mine, FakePeer("other", clock, 0.04))
    assert case.of("tracejit").status == harness.WRONG
    assert case.of("other").median == pytest.approx(0.04)
    assert case.of("other").ratio is None


def test_a_function_is_built_once_for_all_sizes():
    clock = Clock()
    mine = FakePeer("tracejit", clock, 0.02, compile_seconds=1.0)
    first, second = run(mine, full=True)
    assert first.of("tracejit").first_call == pytest.approx(1.02)
    assert second.of("tracejit").first_call == pytest.approx(0.02)
    assert [first.size, second.size] == ["3", "5"]


def test_absent_peers_and_builders():
    clock = Clock()
    absent, built = FakePeer("absent", clock, 0.01), FakePeer("built", clock, 0.01)

    def double(module):
        def call(a):
            clock.now += 0.04
            return module.multiply(a, 2)

        return call

    builders = {"absent": None, "built": double}
    (case,) = run(FakePeer("tracejit", clock, 0.02), absent, built, peers=builders)
    assert case.of("absent").status == harness.ABSENT
    assert case.of("built").ratio == pytest.approx(2.0)
    assert absent.calls == built.calls == 0
    assert peers.NumExpr().build(workload(), lambda a: a) is None


def test_generated_functions_are_compared_by_their_first_call():
    clock = Clock()
    seeds = []

    def generate(size, seed):
        seeds.append(seed)
        return lambda a: a + seed

    mine = FakePeer("tracejit", clock, 0.0, compile_seconds=0.1)
    slow = FakePeer("slow", clock, 0.0, compile_seconds=0.7)
    never = FakePeer("never", clock, 0.0)
    (case,) = run(mine, slow, never, generate=generate, largest={"never": 2})
    assert case.kind == "compile"
    assert seeds == [0, 1, 2, 0, 1]  # three functions, or until a second has gone
    assert case.of("slow").first_call == pytest.approx(0.7)
    assert case.of("slow").ratio == pytest.approx(7.0)
    assert case.of("never").status == harness.SKIPPED
    assert "beyond 2 operations" in case.of("never").problem


def test_quartiles():
    measurement = harness.Measurement("x")
    harness.summarize(measurement, [10.0, 20.0, 30.0, 40.0, 500.0], 10)
    assert (measurement.low, measurement.median, measurement.high) == (2.0, 3.0, 4.0)
    harness.summarize(measurement, [7.0], 1)
    assert (measurement.low, measurement.median, measurement.high) == (7.0, 7.0, 7.0)


@pytest.mark.parametrize("name", [w.name for w in WORKLOADS])
def test_workloads_are_finite_and_deterministic(name):
    chosen = next(w for w in WORKLOADS if w.name == name)
    size = TINY.get(name, (12,))
    assert len(size) == len(chosen.quick[0])
    results = []
    for _ in range(2):
        args = chosen.make_args(size, np.random.default_rng(3))
        results.append(peers.Peer().result(chosen.function(*args)))
    for one, two in zip(*results, strict=True):
        assert one.dtype in (np.float64, np.int64)
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, two)
    assert set(chosen.quick) <= set(chosen.full)
    assert set(chosen.peers) | set(chosen.largest) <= set(peers.PEERS)


def test_workload_names_are_unique():
    names = [w.name for w in WORKLOADS]
    assert len(set(names)) == len(names)


def test_seawater_agrees_with_the_published_check_values():
    density = benchmarks("seawater").density
    assert density(35.0, 25.0, 1000.0) == pytest.approx(1062.53817, abs=1e-5)
    assert density(35.0, 5.0, 0.0) == pytest.approx(1027.67547, abs=1e-5)
    assert density(0.0, 5.0, 1000.0) == pytest.approx(1044.12802, abs=1e-5)
    standard = benchmarks("seawater").equation_of_state(35.0, 0.0, np.array([0.0, 5000.0]))
    np.testing.assert_allclose(standard, 0.0, atol=1e-3)


def test_black_scholes_keeps_put_call_parity_and_the_normal_distribution():
    finance = benchmarks("finance")
    x = np.linspace(-4.0, 4.0, 9)
    expected = [3.167e-05, 0.0013499, 0.0227501, 0.1586553, 0.5]
    expected += [1 - v for v in expected[-2::-1]]
    np.testing.assert_allclose(finance.normal_cdf(x), expected, atol=1e-7)


@pytest.mark.parametrize("operations", [10, 101, 300])
def test_straight_line_functions(operations):
    compile_time = benchmarks("compile_time")
    source = compile_time.straight_line_source(operations, 0)
    assert sum(source.count(word) for word in ("+", " - ", "*", "np.")) == operations
    assert source != compile_time.straight_line_source(operations, 1)
    lines = source.splitlines()
    for number in range(len(lines) - 2):  # every value is used by the line that follows
        assert f"t{number}" in lines[number + 2]
    a = np.linspace(-1.0, 1.0, 7)
    result = compile_time.straight_line((operations,), 0)(a, a[::-1])
    assert result.shape == a.shape and np.abs(result).max() <= 1.0


def test_rebind_takes_helpers_along():
    finance = benchmarks("finance")
    calls = []

    class Spy:
        def __getattr__(self, name):
            calls.append(name)
            return getattr(np, name)

    copy = workload_module.rebind(finance.black_scholes, np=Spy())
    args = finance.options((5,), np.random.default_rng(0))
    for mine, theirs in zip(copy(*args), finance.black_scholes(*args), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert "where" in calls and finance.black_scholes.__globals__["np"] is np


@pytest.mark.parametrize(
    ("size", "label"),
    [((10,), "10"), ((1_500,), "1.5k"), ((8_000_000,), "8M"), ((204, 204, 26), "204x204x26")],
)
def test_size_labels(size, label):
    assert workload_module.size_label(size) == label


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (2.5, "2.50 s"), (0.0123, "12.3 ms"), (4.56e-7, "0.46 us"), (1.5e-4, "150 us")],
)
def test_durations(seconds, text):
    assert report.duration(seconds) == text


@pytest.fixture
def cases():
    clock = Clock()
    mine = FakePeer("tracejit", clock, 0.02, compile_seconds=1.0)
    fast, wrong = FakePeer("numpy", clock, 0.01), FakePeer("jax", clock, 0.1, answer=np.copy)
    return run(mine, fast, wrong)


def test_report_says_where_it_loses(cases):
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    report.print_report(console, cases, [peers.Peer(), peers.Jax()], ["one more note"])
    text = console.export_text()
    assert "10.0 ms  0.50x" in text
    assert "wrong result" in text
    assert "tracejit is slower here: double 3 (numpy 0.50x)" in text
    assert "block_until_ready" in text and "one more note" in text
    assert "1.02 s" in text


def test_json_holds_every_figure(cases, tmp_path):
    path = tmp_path / "bench.json"
    report.write_json(path, cases, {"cpus": 2}, ["a note"])
    data = json.loads(path.read_text())
    assert data["environment"] == {"cpus": 2} and data["notes"] == ["a note"]
    by_peer = {m["peer"]: m for m in data["cases"][0]["measurements"]}
    assert by_peer["numpy"]["ratio"] == pytest.approx(0.5)
    assert by_peer["tracejit"]["first_call"] == pytest.approx(1.02)
    assert by_peer["jax"]["status"] == "wrong"


def test_plot(cases, tmp_path):
    pytest.importorskip("matplotlib")
    for suffix in ("png", "svg"):
        path = tmp_path / f"bench.{suffix}"
        report.write_plot(path, cases, ["numpy", "jax"])
        assert path.stat().st_size > 1000
    report.write_plot(tmp_path / "empty.png", [], [])


def _matches_numpy(peer, chosen):
    args = chosen.make_args(TINY.get(chosen.name, (12,)), np.random.default_rng(1))
    function = peer.build(chosen, chosen.function)
    if function is None:
        return
    got = peer.result(function(*peer.arguments(workload_module.fresh(args))))
    expected = peers.Peer().result(chosen.function(*workload_module.fresh(args)))
    assert harness.check_result(got, expected, chosen.rtol, chosen.atol) == ""


@pytest.mark.parametrize("name", [w.name for w in WORKLOADS])
@pytest.mark.parametrize("peer", ["jax", "numexpr"])
def test_peers_agree_with_numpy(peer, name):
    if not peers.PEERS[peer].installed():
        pytest.skip(f"{peer} is not installed")
    _matches_numpy(peers.PEERS[peer](), next(w for w in WORKLOADS if w.name == name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [w.name for w in WORKLOADS])
@pytest.mark.parametrize("peer", ["numba", "pytensor", "torch"])
def test_slowly_compiling_peers_agree_with_numpy(peer, name):
    if not peers.PEERS[peer].installed():
        pytest.skip(f"{peer} is not installed")
    _matches_numpy(peers.PEERS[peer](), next(w for w in WORKLOADS if w.name == name))
