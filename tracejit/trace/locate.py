"""Finding the definition of a function in the source of its file."""

from __future__ import annotations

import ast
import inspect
import linecache
import types


class NoSource(Exception):
    """Why the source of a function is not to be had."""


def definition(code: types.CodeType) -> ast.FunctionDef | ast.Lambda:
    """The syntax tree of the function with this code, at its lines in the file.

    Raises NoSource.
    """
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise NoSource(f"its source ({code.co_filename}) is not available")
    return _find_lambda(code, lines) if code.co_name == "<lambda>" else _find_def(code, lines)


def _find_def(code: types.CodeType, lines: list[str]) -> ast.FunctionDef:
    start = code.co_firstlineno - 1
    if start >= len(lines):
        raise NoSource("its source has changed since it was imported")
    block = inspect.getblock(lines[start:])
    indented = block[0][:1] in " \t"
    try:
        tree = ast.parse("".join(["if 1:\n", *block] if indented else block))
    except SyntaxError:
        raise NoSource("its source cannot be parsed on its own") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            ast.increment_lineno(node, start - 1 if indented else start)
            return node
    raise NoSource("its source has changed since it was imported")


def _find_lambda(code: types.CodeType, lines: list[str]) -> ast.Lambda:
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        raise NoSource("its source cannot be parsed") from None
    nodes = [
        n for n in ast.walk(tree) if isinstance(n, ast.Lambda) and n.lineno == code.co_firstlineno
    ]
    if len(nodes) > 1:
        nodes = [n for n in nodes if _span(code) == _node_span(n.body)]
    if len(nodes) != 1:
        raise NoSource("it cannot be told apart from other lambdas on its line")
    return nodes[0]


def _span(code: types.CodeType) -> tuple[tuple[int, int], tuple[int, int]]:
    """From where to where in the source the instructions of `code` come."""
    starts, ends = [], []
    for line, end_line, column, end_column in code.co_positions():
        if None in (line, end_line, column, end_column) or column == end_column:
            continue
        starts.append((line, column))
        ends.append((end_line, end_column))
    if not starts:
        return (0, 0), (0, 0)
    return min(starts), max(ends)  # type: ignore[return-value]


def _node_span(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
