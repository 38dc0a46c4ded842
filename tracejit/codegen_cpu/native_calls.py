"""The call of a compiled function from Python: arguments in, results out, in the language of words.

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
            if result < -1:
                return PyLong_FromLongLong(-2 - result)
            store(table + 16, load(table + 16) + 1)
            return result
        k += 1
    Py_IncRef(load(state + NOT_IMPLEMENTED))
    return load(state + NOT_IMPLEMENTED)


CALL_FUNCTIONS = [
    tracejit_fetch, tracejit_accept, tracejit_bounds, tracejit_apart, tracejit_wrap,
    tracejit_results, tracejit_run, tracejit_entry,
]  # fmt: skip
