"""What Numba source of a program calls, and its compilation by Numba.

The only module of this package that imports Numba. Its functions are what the text of
`source_program` imports: typed pointers, the C math library, memory, BLAS, a few conversions that
Numba has no name for. None of them raises or touches a Python object.
"""

from __future__ import annotations

import linecache
import threading
from typing import Any

import llvmlite.ir as ll
import numba
from numba import types
from numba.core import cgutils

from tracejit import errors
from tracejit.codegen_cpu.llvm_blas import LETTERS
from tracejit.codegen_cpu.llvm_scalars import DOUBLE, FLOAT, HALF, I16, I64
from tracejit.codegen_cpu.special_functions import PREFIX, pointer_and_arity, provide_special
from tracejit.ir.scalar import COMPLEX_FUNCTIONS

PLAIN, TRANSPOSED = ord("N"), ord("T")

# Numba's own annotations say less than it takes.
njit: Any = numba.njit
cfunc: Any = numba.cfunc
intrinsic: Any = numba.extending.intrinsic

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}

kernel = njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)
"""Decorates nests and helpers."""

entry = cfunc(types.int64(types.CPointer(types.int64)), **_OPTIONS)
"""Decorates `main(frame) -> status`."""


def compile_source(text: str, name: str) -> int:
    """The address of `main` in `text`. Raises errors.CompileError with what Numba says."""
    filename = f"<tracejit {name}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    namespace: dict[str, Any] = {"__name__": filename}
    try:
        exec(compile(text, filename, "exec"), namespace)
    except Exception as error:
        message = str(error).strip().split("\n")
        raise errors.CompileError(f"Numba refused the source: {message[0]}") from error
    with _lock:
        _kept.append(namespace["main"])
    return int(namespace["main"].address)


_kept: list[Any] = []
"""Compiled code lives as long as the process, as the other back end's does."""
_lock = threading.Lock()


# Memory.


@intrinsic
def pointer(typing: Any, address: Any, dtype: Any) -> Any:
    """A pointer to numbers of `dtype`, indexed in elements."""
    result = types.CPointer(dtype.dtype)
    return result(types.int64, dtype), lambda context, builder, signature, args: builder.inttoptr(
        args[0], context.get_value_type(result)
    )


@intrinsic
def address(typing: Any, pointer: Any) -> Any:
    """A pointer as a number."""
    return types.int64(pointer), lambda context, builder, signature, args: builder.ptrtoint(
        args[0], I64
    )


def _external(name: str, result: Any, arguments: tuple[Any, ...]) -> types.ExternalFunction:
    return types.ExternalFunction(name, result(*arguments))


alloc = _external("tracejit_alloc", types.int64, (types.int64,))
"""Memory of so many bytes; 0 where there is none."""
free = _external("tracejit_free", types.void, (types.int64,))


@kernel
def scratch(nbytes, dtype):
    """A row of a nest's own."""
    return pointer(alloc(nbytes), dtype)


@kernel
def release(row):
    free(address(row))


@intrinsic
def fill_zero(typing: Any, address: Any, nbytes: Any) -> Any:
    """Clear so many bytes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = builder.inttoptr(args[0], cgutils.voidptr_t)
        cgutils.memset(builder, where, args[1], 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


# Conversions.


@intrinsic
def bits(typing: Any, value: Any, dtype: Any) -> Any:
    """The same bits as another dtype."""
    return dtype.dtype(value, dtype), lambda context, builder, signature, args: _bitcast(
        builder, args[0], context.get_value_type(signature.return_type)
    )


def _bitcast(builder: Any, value: Any, target: Any) -> Any:
    return value if value.type == target else builder.bitcast(value, target)


@intrinsic
def half(typing: Any, bits: Any) -> Any:
    """A float16, given as its bits."""
    return types.float32(types.uint16), lambda context, builder, signature, args: builder.fpext(
        builder.bitcast(args[0], HALF), FLOAT
    )


@intrinsic
def half_bits(typing: Any, value: Any) -> Any:
    """The bits of a float32 as a float16."""
    return types.uint16(types.float32), lambda context, builder, signature, args: builder.bitcast(
        builder.fptrunc(args[0], HALF), I16
    )


@intrinsic
def round_half(typing: Any, value: Any) -> Any:
    """The nearest float16, as a float32."""
    return types.float32(types.float32), lambda context, builder, signature, args: builder.fpext(
        builder.fptrunc(args[0], HALF), FLOAT
    )


# Integers, as the hardware divides.


@intrinsic
def quotient(typing: Any, x: Any, y: Any) -> Any:
    """Rounded towards zero."""
    return x(x, x), lambda context, builder, signature, args: builder.sdiv(*args)


@intrinsic
def remainder(typing: Any, x: Any, y: Any) -> Any:
    """With the sign of `x`."""
    return x(x, x), lambda context, builder, signature, args: builder.srem(*args)


# The C library.


def _math(name: str, arity: int) -> Any:
    """`name` of C's math library, for float32 and float64."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        single = signature.return_type == types.float32
        number = FLOAT if single else DOUBLE
        symbol = name + ("f" if single else "")
        if name in _LLVM:
            symbol = f"llvm.{name}.{'f32' if single else 'f64'}"
        function = cgutils.get_or_insert_function(
            builder.module, ll.FunctionType(number, [number] * arity), symbol
        )
        return builder.call(function, args)

    if arity == 1:

        def unary(typing: Any, x: Any) -> Any:
            return x(x), emit

        return intrinsic(unary)

    def binary(typing: Any, x: Any, y: Any) -> Any:
        return x(x, x), emit

    return intrinsic(binary)


_LLVM = {"floor", "ceil", "trunc", "rint"}

floor, ceil, trunc, rint = (_math(name, 1) for name in ("floor", "ceil", "trunc", "rint"))
exp2, log2, cbrt = (_math(name, 1) for name in ("exp2", "log2", "cbrt"))
tgamma, lgamma = _math("tgamma", 1), _math("lgamma", 1)
hypot, fmod, nextafter = (_math(name, 2) for name in ("hypot", "fmod", "nextafter"))


def _complex_math(name: str, arity: int) -> Any:
    """`name` of C's complex library; the SysV convention passes and returns pairs of doubles."""
    result = types.UniTuple(types.float64, 2)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pair = ll.LiteralStructType([DOUBLE, DOUBLE])
        function = cgutils.get_or_insert_function(
            builder.module, ll.FunctionType(pair, [DOUBLE] * (2 * arity)), name
        )
        found = builder.call(function, args)
        parts = [builder.extract_value(found, k) for k in range(2)]
        return context.make_tuple(builder, result, parts)

    if arity == 1:

        def unary(typing: Any, re: Any, im: Any) -> Any:
            return result(re, im), emit

        return intrinsic(unary)

    def binary(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        return result(a, b, c, d), emit

    return intrinsic(binary)


# BLAS.


def _coefficient(builder: Any, letter: str, value: float) -> Any:
    real = FLOAT if letter in "sc" else DOUBLE
    number = ll.Constant(real, value)
    if letter in "cz":
        number = ll.Constant(ll.LiteralStructType([real, real]), (value, 0.0))
    return cgutils.alloca_once_value(builder, number)


def _call_blas(builder: Any, symbol: str, kinds: str, args: list[Any]) -> None:
    """Call `symbol`; `kinds` says of each argument: i(nteger), p(ointer), r(eady)."""
    passed = []
    for kind, value in zip(kinds, args, strict=True):
        if kind == "p":
            value = builder.inttoptr(value, cgutils.voidptr_t)
        elif kind != "r":
            # In 64 bits, whose lower half comes first: libraries read 8, 32 or all of them.
            value = cgutils.alloca_once_value(builder, value)
        passed.append(builder.bitcast(value, cgutils.voidptr_t))
    function = cgutils.get_or_insert_function(
        builder.module,
        ll.FunctionType(ll.VoidType(), [cgutils.voidptr_t] * len(args)),
        symbol,
    )
    builder.call(function, passed)


def _gemm(letter: str) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        trans_a, trans_b, m, n, k, a, ld_a, b, ld_b, c, ld_c = args
        one, zero = (_coefficient(builder, letter, value) for value in (1.0, 0.0))
        arguments = [trans_a, trans_b, m, n, k, one, a, ld_a, b, ld_b, zero, c, ld_c]
        _call_blas(builder, f"tracejit_{letter}gemm", "iiiiirpipirpi", arguments)
        return context.get_dummy_value()

    def gemm(
        typing: Any, trans_a: Any, trans_b: Any, m: Any, n: Any, k: Any, a: Any, ld_a: Any, b: Any,
        ld_b: Any, c: Any, ld_c: Any,
    ) -> Any:  # fmt: skip
        return types.void(*[types.int64] * 11), emit

    return intrinsic(gemm)


def _gemv(letter: str) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        trans, m, n, a, ld_a, x, step, y = args
        one, zero = (_coefficient(builder, letter, value) for value in (1.0, 0.0))
        unit = cgutils.alloca_once_value(builder, ll.Constant(I64, 1))
        arguments = [trans, m, n, one, a, ld_a, x, step, zero, y, unit]
        _call_blas(builder, f"tracejit_{letter}gemv", "iiirpipirpr", arguments)
        return context.get_dummy_value()

    def gemv(
        typing: Any, trans: Any, m: Any, n: Any, a: Any, ld_a: Any, x: Any, step: Any, y: Any
    ) -> Any:
        return types.void(*[types.int64] * 8), emit

    return intrinsic(gemv)


globals().update({name: _complex_math(name, arity) for name, arity in COMPLEX_FUNCTIONS.items()})
globals().update({f"{letter}gemm": _gemm(letter) for letter in LETTERS.values()})
globals().update({f"{letter}gemv": _gemv(letter) for letter in LETTERS.values()})


def __getattr__(name: str) -> types.ExternalFunction:
    """`special_erfinv` and the like: SciPy's compiled functions of doubles."""
    function = name.removeprefix("special_")
    if function == name:
        raise AttributeError(name)
    provide_special((PREFIX + function).encode())
    _, arity = pointer_and_arity(function)
    return _external(PREFIX + function, types.float64, (types.float64,) * arity + (types.int32,))
