"""The native runtime: memory, threads, and the call of a compiled function from Python.

Written in the language of words (`words.py`): every value is a 64-bit integer. Offsets into Python
and NumPy objects are checked against live objects before this is used (`native_abi.py`).

The functions share one block of words, `state`:

    0   spin lock of the pool            1   bytes held by the pool
    2   most bytes the pool may hold     3   entries in the pool
    4-7 NumPy's array type and C functions
    8.. POOL_ENTRIES pairs (pointer, bytes) of large buffers ready for use, then the team

A jitted function has a table of words: the number of arguments, the number of specializations,
calls answered, and the addresses of the specializations. `executable.py` writes those:

    0 main      1 frame words      2, 3 inputs: number, first word      4, 5 results: the same
    6 items of the tuple, or -1    7 always release the GIL             8, 9 constants: the same

An input is 12 words: source, two operands of the source, expected object, kind, frame word, descr,
rank, mask and value of flags, type, distance of the last axis (0: any). An array expects no object:
its word has twice the item size, plus 1 if it is written. A result is 7 words: kind, frame word,
descr, rank, input or earlier result, flags, place in the tuple (-1: it only owns what others show);
of kind 4 the descr is the object itself. A constant is a frame word and an address.
"""
# The functions below are compiled, never run by Python; the names they use are words or C symbols.
# `and` and `or` evaluate both sides there, which is why some conditions are nested.
# ruff: noqa: F821, SIM102
# mypy: ignore-errors

from __future__ import annotations

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


def tracejit_fetch(record, args):
    """The object an input record names: an argument, a global, a cell, an attribute, an item.

    Returns a borrowed reference, or 0 where there is none. Whatever holds the object keeps it
    alive; the reference that an attribute or item lookup returns is given up at once.
    """
    source = load(record)
    if source == 0:
        return load(args + 8 * load(record + 8))
    if source == 1:
        return PyDict_GetItemWithError(load(record + 8), load(record + 16))
    if source == 2:
        return load(load(record + 8) + 16)
    if source == 3:
        return load(record + 8)
    if source == 4:
        found = PyObject_GetAttr(load(record + 8), load(record + 16))
    else:
        found = PyObject_GetItem(load(record + 8), load(record + 16))
    if found == 0:
        PyErr_Clear()
        return 0
    last = load32(found) == 1
    Py_DecRef(found)
    if last:
        return 0
    return found


def tracejit_accept(record, found, frame):
    """Whether an object fits an input record; puts it into the frame. 1 + its elements, or 0."""
    kind = load(record + 32)
    slot = frame + 8 * load(record + 40)
    if kind == 0:
        if load(found + OB_TYPE) != load(record + 80):
            return 0
        if load(found + ARRAY_DESCR) != load(record + 48):
            return 0
        rank = load(record + 56)
        if load32(found + ARRAY_ND) != rank:
            return 0
        if load32(found + ARRAY_FLAGS) & load(record + 64) != load(record + 72):
            return 0
        store(slot, load(found + ARRAY_DATA))
        shape = load(found + ARRAY_DIMS)
        strides = load(found + ARRAY_STRIDES)
        elements = 1
        k = 0
        while k < rank:
            extent = load(shape + 8 * k)
            elements = elements * extent
            store(slot + 8 + 8 * k, extent)
            store(slot + 8 + 8 * rank + 8 * k, load(strides + 8 * k))
            k += 1
        if load(record + 88) != 0 and rank > 0:
            # Elements of the last axis have to be adjacent.
            if load(strides + 8 * rank - 8) != load(record + 88):
                return 0
        return 1 + elements
    if kind == 4:
        return found == load(record + 24)
    if load(found + OB_TYPE) != load(record + 80):
        return 0
    store(slot, slot + 8)
    if kind == 1:
        store(slot + 8, load(found + FLOAT_VALUE))
        return 1
    if kind == 5:
        # A random generator: its address stands for it.
        store(slot + 8, found)
        return 1
    if kind == 3:
        store(slot + 8, load(found + FLOAT_VALUE))
        store(slot + 16, load(found + FLOAT_VALUE + 8))
        return 1
    overflow = stack(1)
    store(overflow, 0)
    value = PyLong_AsLongLongAndOverflow(found, overflow)
    if load32(overflow) != 0:
        return 0
    store(slot + 8, value)
    return 1


def tracejit_bounds(record, frame, out):
    """The first and one past the last byte of an array input, into two words; 0 if it is empty."""
    slot = frame + 8 * load(record + 40)
    rank = load(record + 56)
    low = load(slot)
    high = low + (load(record + 24) >> 1)
    k = 0
    while k < rank:
        last = load(slot + 8 + 8 * k) - 1
        if last < 0:
            return 0
        reach = last * load(slot + 8 + 8 * rank + 8 * k)
        if reach < 0:
            low = low + reach
        else:
            high = high + reach
        k += 1
    store(out, low)
    store(out + 8, high)
    return 1


def tracejit_apart(spec, frame):
    """Whether the arrays that are written lie apart from all other inputs, by their bounds."""
    inputs = load(spec + 16)
    first = spec + 8 * load(spec + 24)
    written = stack(2)
    other = stack(2)
    k = 0
    while k < inputs:
        record = first + INPUT_BYTES * k
        if load(record + 32) == 0 and load(record + 24) & 1 != 0:
            if tracejit_bounds(record, frame, written) != 0:
                j = 0
                while j < inputs:
                    beside = first + INPUT_BYTES * j
                    if j != k and load(beside + 32) == 0:
                        if tracejit_bounds(beside, frame, other) != 0:
                            if load(other) < load(written + 8):
                                if load(written) < load(other + 8):
                                    return 0
                    j += 1
        k += 1
    return 1


def tracejit_wrap(record, frame, objects, made, state):
    """The Python object for a result record; a new reference, or 0 with an exception set."""
    kind = load(record)
    first = frame + 8 * load(record + 8)
    if kind == 2:
        found = load(objects + 8 * load(record + 32))
        Py_IncRef(found)
        return found
    if kind == 4:
        Py_IncRef(load(record + 16))
        return load(record + 16)
    if kind == 5:
        found = load(made + 8 * load(record + 32))
        Py_IncRef(found)
        return found
    descr = load(record + 16)
    rank = load(record + 24)
    if kind == 1:
        return call(load(state + ARRAY_SCALAR), load(first), descr, 0)
    flags = load(record + 40)
    base = 0
    if kind == 3:
        base = load(objects + 8 * load(record + 32))
    if kind == 6:
        base = load(made + 8 * load(record + 32))
    if base != 0:
        # What is read-only stays so.
        flags = flags & (load32(base + ARRAY_FLAGS) | -1 - WRITEABLE)
    Py_IncRef(descr)
    result = call(
        load(state + ARRAY_NEW),
        load(state + ARRAY_TYPE),
        descr,
        rank,
        first + 8,
        first + 8 + 8 * rank,
        load(first),
        flags,
        0,
    )
    if result == 0:
        return 0
    if base != 0:
        Py_IncRef(base)
        call(load(state + ARRAY_SET_BASE), result, base)
        return result
    # The array owns its buffer, and gives it back to the pool when it goes.
    Py_IncRef(load(state + MEM_HANDLER))
    store(result + ARRAY_HANDLER, load(state + MEM_HANDLER))
    store32(result + ARRAY_FLAGS, load32(result + ARRAY_FLAGS) | OWNDATA)
    return result


def tracejit_results(spec, frame, objects, state):
    """All results: the only one, or a tuple. Rows without a place are owners of others."""
    count = load(spec + 32)
    record = spec + 8 * load(spec + 40)
    items = load(spec + 48)
    made = stack(count + 1)
    result = 0
    if items >= 0:
        result = PyTuple_New(items)
    k = 0
    while k < count:
        item = tracejit_wrap(record + RESULT_BYTES * k, frame, objects, made, state)
        if item == 0:
            return 0
        store(made + 8 * k, item)
        place = load(record + RESULT_BYTES * k + 48)
        if place >= 0:
            if items >= 0:
                store(result + TUPLE_ITEMS + 8 * place, item)
            else:
                result = item
        k += 1
    k = 0
    while k < count:
        if load(record + RESULT_BYTES * k + 48) < 0:
            Py_DecRef(load(made + 8 * k))
        k += 1
    return result


def tracejit_run(spec, args, state):
    """One specialization: the results, -1 where it does not fit, -2 - status where it failed."""
    frame = stack(load(spec + 8))
    inputs = load(spec + 16)
    objects = stack(inputs + 1)
    record = spec + 8 * load(spec + 24)
    elements = 0
    written = 0
    k = 0
    while k < inputs:
        found = tracejit_fetch(record, args)
        if found == 0:
            return -1
        accepted = tracejit_accept(record, found, frame)
        if accepted == 0:
            return -1
        elements += accepted
        store(objects + 8 * k, found)
        if load(record + 32) == 0:
            written = written | (load(record + 24) & 1)
        record += INPUT_BYTES
        k += 1
    if written != 0:
        if tracejit_apart(spec, frame) == 0:
            return -1
    constants = load(spec + 64)
    pair = spec + 8 * load(spec + 72)
    k = 0
    while k < constants:
        store(frame + 8 * load(pair + 16 * k), load(pair + 16 * k + 8))
        k += 1
    if elements > RELEASE_ELEMENTS or load(spec + 56) != 0:
        k = 0
        while k < inputs:
            Py_IncRef(load(objects + 8 * k))
            k += 1
        thread = PyEval_SaveThread()
        status = call(load(spec), frame)
        PyEval_RestoreThread(thread)
        if status == 0:
            result = tracejit_results(spec, frame, objects, state)
        k = 0
        while k < inputs:
            Py_DecRef(load(objects + 8 * k))
            k += 1
    else:
        status = call(load(spec), frame)
        if status == 0:
            result = tracejit_results(spec, frame, objects, state)
    if status == 0:
        return result
    if status == MISS:
        return -1
    return -2 - status


def tracejit_entry(self, args, count):
    """The C function behind a jitted function: `NotImplemented` where no specialization fits.

    A status that is an error comes back as an int, which no compiled function returns.
    """
    state = address_of(tracejit_state)
    table = load(self + ARRAY_DATA)
    if count != load(table):
        Py_IncRef(load(state + NOT_IMPLEMENTED))
        return load(state + NOT_IMPLEMENTED)
    specs = load(table + 8)
    k = 0
    while k < specs:
        result = tracejit_run(load(table + 24 + 8 * k), args, state)
        if result != -1:
            if result < -1 and result > -64:
                return PyLong_FromLongLong(-2 - result)
            store(table + 16, load(table + 16) + 1)
            return result
        k += 1
    Py_IncRef(load(state + NOT_IMPLEMENTED))
    return load(state + NOT_IMPLEMENTED)


FUNCTIONS = [
    tracejit_lock, tracejit_alloc, tracejit_free, tracejit_alloc_array, tracejit_calloc_array,
    tracejit_realloc_array, tracejit_free_array, tracejit_trim, tracejit_share, tracejit_worker,
    tracejit_parallel_for, tracejit_fetch, tracejit_accept, tracejit_bounds, tracejit_apart,
    tracejit_wrap, tracejit_results, tracejit_run, tracejit_entry,
]  # fmt: skip
