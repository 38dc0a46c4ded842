"""The native runtime: memory and threads; `native_calls.py` has the calls from Python.

Written in the language of words (`words.py`): every value is a 64-bit integer. Offsets into Python
and NumPy objects are checked against live objects before this is used (`native_abi.py`).

The functions share one block of words, `state`:

    0   spin lock of the pool            1   bytes held by the pool
    2   most bytes the pool may hold     3   entries in the pool
    4-7 NumPy's array type and C functions
    8.. POOL_ENTRIES pairs (pointer, bytes) of large buffers ready for use, then the team
"""
# The functions below are compiled, never run by Python; the names they use are words or C symbols.
# `and` and `or` evaluate both sides there, which is why some conditions are nested.
# ruff: noqa: F821, SIM102
# mypy: ignore-errors

from __future__ import annotations

from tracejit.codegen_cpu.native_calls import CALL_FUNCTIONS
from tracejit.ir.program import MISS

POOL_ENTRIES = 32
HEADER = 64
"""Bytes in front of every buffer; its first word has the size, the second whether it is pooled."""
LARGE = 1 << 16
"""Buffers of at least this many bytes come from the pool."""
HUGE_PAGE = 1 << 21

CONSTANTS = {
    "POOL_ENTRIES": POOL_ENTRIES,
    "HEADER": HEADER,
    "LARGE": LARGE,
    "HUGE_PAGE": HUGE_PAGE,
    # state
    "LOCK": 0, "HELD": 8, "MOST": 16, "COUNT": 24, "POOL": 64,
    # the team of threads, behind the pool
    "TEAM": 64 + 16 * POOL_ENTRIES,
    "BUSY": 0, "THREADS": 8, "STARTED": 16, "BODY": 24, "FRAME": 32, "TOTAL": 40, "GRAIN": 48,
    "NEXT": 64, "JOINED": 128, "SEMAPHORE": 192,
    # what native_abi.py found out about Python and NumPy
    "ARRAY_TYPE": 32, "ARRAY_NEW": 40, "ARRAY_SCALAR": 48, "ARRAY_SET_BASE": 56,
    "MEM_HANDLER": 64 + 16 * POOL_ENTRIES + 256, "NOT_IMPLEMENTED": 64 + 16 * POOL_ENTRIES + 264,
    # objects of CPython and NumPy
    "OB_TYPE": 8, "FLOAT_VALUE": 16, "TUPLE_ITEMS": 24, "ARRAY_DATA": 16, "ARRAY_ND": 24,
    "ARRAY_DIMS": 32, "ARRAY_STRIDES": 40, "ARRAY_DESCR": 56, "ARRAY_FLAGS": 64,
    "ARRAY_HANDLER": 88, "OWNDATA": 4,
    "INPUT_BYTES": 96, "RESULT_BYTES": 56, "WRITEABLE": 1024, "RELEASE_ELEMENTS": 16384,
    "MISS": MISS,
    "CLOSED": 1 << 40, "SPINS": 4000,
}  # fmt: skip
STATE_WORDS = 8 + 2 * POOL_ENTRIES + 64


def tracejit_lock(state):
    while swap_if(state + LOCK, 0, 1) != 0:
        relax()


def tracejit_alloc(nbytes):
    """A buffer aligned to 64 bytes, from the pool where it is large; 0 where there is no memory."""
    state = address_of(tracejit_state)
    if nbytes < LARGE:
        room = (nbytes + HEADER + 63) & -64
        block = aligned_alloc(64, room)
        if block == 0:
            return 0
        store(block, nbytes)
        store(block + 8, 0)
        return block + HEADER
    # The smallest buffer that is large enough and not wasteful.
    best = -1
    best_size = 0
    tracejit_lock(state)
    k = 0
    count = load(state + COUNT)
    while k < count:
        size = load(state + POOL + 16 * k + 8)
        if size >= nbytes and size - nbytes <= (nbytes >> 2):
            if best < 0 or size < best_size:
                best = k
                best_size = size
        k += 1
    if best >= 0:
        found = load(state + POOL + 16 * best)
        store(state + POOL + 16 * best, load(state + POOL + 16 * (count - 1)))
        store(state + POOL + 16 * best + 8, load(state + POOL + 16 * (count - 1) + 8))
        store(state + COUNT, count - 1)
        store(state + HELD, load(state + HELD) - best_size)
        store_atomic(state + LOCK, 0)
        return found
    store_atomic(state + LOCK, 0)
    room = (nbytes + HEADER + HUGE_PAGE - 1) & -HUGE_PAGE
    if nbytes < 2 * HUGE_PAGE:
        room = (nbytes + HEADER + 4095) & -4096
        block = aligned_alloc(4096, room)
    else:
        block = aligned_alloc(HUGE_PAGE, room)
        if block != 0:
            madvise(block, room, 14)
    if block == 0:
        return 0
    store(block, room - HEADER)
    store(block + 8, 1)
    return block + HEADER


def tracejit_free(pointer):
    """Give a buffer back: a large one to the pool, as far as the pool may grow."""
    if pointer == 0:
        return 0
    size = load(pointer - HEADER)
    if load(pointer - HEADER + 8) == 0:
        free(pointer - HEADER)
        return 0
    state = address_of(tracejit_state)
    tracejit_lock(state)
    count = load(state + COUNT)
    held = load(state + HELD)
    if count < POOL_ENTRIES and held + size <= load(state + MOST):
        store(state + POOL + 16 * count, pointer)
        store(state + POOL + 16 * count + 8, size)
        store(state + COUNT, count + 1)
        store(state + HELD, held + size)
        store_atomic(state + LOCK, 0)
        return 0
    store_atomic(state + LOCK, 0)
    free(pointer - HEADER)
    return 0


def tracejit_realloc_array(context, pointer, nbytes):
    """What NumPy calls for `a.resize(...)` on an array that owns one of our buffers."""
    fresh = tracejit_alloc(nbytes)
    if fresh == 0:
        return 0
    size = load(pointer - HEADER)
    if size > nbytes:
        size = nbytes
    memcpy(fresh, pointer, size)
    tracejit_free(pointer)
    return fresh


def tracejit_alloc_array(context, nbytes):
    return tracejit_alloc(nbytes)


def tracejit_calloc_array(context, count, size):
    fresh = tracejit_alloc(count * size)
    if fresh != 0:
        memset(fresh, 0, count * size)
    return fresh


def tracejit_free_array(context, pointer, nbytes):
    """What NumPy calls when an array that owns one of our buffers goes."""
    tracejit_free(pointer)
    return 0


def tracejit_trim():
    """Give every buffer in the pool back to the system."""
    state = address_of(tracejit_state)
    tracejit_lock(state)
    k = 0
    while k < load(state + COUNT):
        free(load(state + POOL + 16 * k) - HEADER)
        k += 1
    store(state + COUNT, 0)
    store(state + HELD, 0)
    store_atomic(state + LOCK, 0)


def tracejit_share(team):
    """Run pieces of the current job until none is left."""
    body = load(team + BODY)
    frame = load(team + FRAME)
    total = load(team + TOTAL)
    grain = load(team + GRAIN)
    start = atomic_add(team + NEXT, grain)
    while start < total:
        stop = start + grain
        if stop > total:
            stop = total
        call(body, frame, start, stop)
        start = atomic_add(team + NEXT, grain)


def tracejit_worker(team):
    """A thread of the team: wait for a job, join it unless it is over, work, leave."""
    while 1:
        spins = 0
        waiting = 1
        while waiting:
            # sem_trywait returns an int: 0 when there was something to take.
            if (sem_trywait(team + SEMAPHORE) & 4294967295) == 0:
                waiting = 0
            else:
                relax()
                spins += 1
                if spins > SPINS:
                    if (sem_wait(team + SEMAPHORE) & 4294967295) == 0:
                        waiting = 0
        joined = atomic_add(team + JOINED, 1)
        if joined < CLOSED:
            tracejit_share(team)
        atomic_add(team + JOINED, -1)
    return 0


def tracejit_parallel_for(body, frame, total, grain):
    """`body(frame, lo, hi)` over [0, total) in pieces, on the team if it is free, else here."""
    team = address_of(tracejit_state) + TEAM
    threads = load(team + THREADS)
    if threads < 2:
        call(body, frame, 0, total)
        return 0
    if swap_if(team + BUSY, 0, 1) != 0:
        call(body, frame, 0, total)
        return 0
    while load(team + STARTED) < threads - 1:
        identity = stack(1)
        if (pthread_create(identity, 0, address_of(tracejit_worker), team) & 4294967295) != 0:
            store(team + THREADS, load(team + STARTED) + 1)
            threads = load(team + THREADS)
        else:
            pthread_detach(load(identity))
            store(team + STARTED, load(team + STARTED) + 1)
    # Four pieces a thread level out what the machine does besides.
    share = total // (4 * threads)
    if grain < share:
        grain = share
    store(team + BODY, body)
    store(team + FRAME, frame)
    store(team + TOTAL, total)
    store(team + GRAIN, grain)
    store_atomic(team + NEXT, 0)
    atomic_add(team + JOINED, -CLOSED)
    pieces = (total + grain - 1) // grain
    k = 1
    while k < threads and k < pieces:
        sem_post(team + SEMAPHORE)
        k += 1
    tracejit_share(team)
    # Whoever has joined is waited for; who comes later finds the job closed.
    atomic_add(team + JOINED, CLOSED)
    while load_atomic(team + JOINED) & (CLOSED - 1) != 0:
        relax()
    store_atomic(team + BUSY, 0)
    return 0


FUNCTIONS = [
    tracejit_lock, tracejit_alloc, tracejit_free, tracejit_alloc_array, tracejit_calloc_array,
    tracejit_realloc_array, tracejit_free_array, tracejit_trim, tracejit_share, tracejit_worker,
    tracejit_parallel_for, *CALL_FUNCTIONS,
]  # fmt: skip
