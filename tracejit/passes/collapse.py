"""The axes of a finished nest: neighbours that are walked as one are merged, long ones are cut."""

from __future__ import annotations

from dataclasses import replace

from tracejit.ir.loops import Address, Index, Instr, Load, Nest, Put, Store, Take

ELEMENTWISE_CHUNK = 16384


def collapse(nest: Nest) -> Nest:
    """Merge neighbouring axes of a row nest that every access walks as one."""
    looped = [s for s in nest.sections if s.axes]
    if not looped:
        return nest
    loop = looped[0].axes
    elementwise = len(looped) == 1 and not looped[0].carries and not nest.scratch
    body = [i for s in nest.sections for i in s.body] + list(nest.prologue)
    addresses = [i.address for i in body if isinstance(i, (Load, Store, Take, Put))]
    indexed = {i.axis for i in body if isinstance(i, Index)}
    extents = list(nest.extents)
    merged: dict[int, int] = {}

    def walks_as_one(a: int, b: int) -> bool:
        if a in indexed or b in indexed:
            return False
        return all(x.stride(a) == x.stride(b) * extents[b] for x in addresses)

    def shrink(axes: list[int]) -> list[int]:
        for k in range(len(axes) - 1, 0, -1):
            a, b = axes[k - 1], axes[k]
            if walks_as_one(a, b):
                extents[b] = extents[a] * extents[b]
                merged[a] = b
                del axes[k - 1]
        return axes

    outer, loops = list(nest.outer), list(loop)
    if elementwise:
        together = shrink([*outer, *loops])
        outer, loops = together[:-1], together[-1:]
    else:
        outer, loops = shrink(outer), shrink(loops)
    if not merged:
        return nest

    def settle(address: Address) -> Address:
        return replace(
            address, strides=tuple((a, s) for a, s in address.strides if a not in merged)
        )

    def rewrite(instr: Instr) -> Instr:
        if isinstance(instr, (Load, Store, Take, Put)):
            return replace(instr, address=settle(instr.address))
        return instr

    return replace(
        nest,
        extents=tuple(extents),
        outer=tuple(outer),
        prologue=tuple(map(rewrite, nest.prologue)),
        sections=tuple(
            replace(s, axes=tuple(loops) if s.axes else (), body=tuple(map(rewrite, s.body)))
            for s in nest.sections
        ),
    )


def chunked(nest: Nest) -> Nest:
    """Cut the only axis of an elementwise nest into chunks that threads can share."""
    loops = [s for s in nest.sections if s.axes]
    if nest.outer or nest.chunk is not None or nest.scratch or len(loops) != 1 or nest.serial:
        return nest
    if loops[0].carries or len(loops[0].axes) != 1:
        return nest
    return replace(nest, chunk=(loops[0].axes[0], ELEMENTWISE_CHUNK))
