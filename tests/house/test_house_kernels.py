"""Compiled code: a kernel that another one calls keeps no cache of its own, and is put into its caller by force where
it may round as it likes.

numba loads a cached kernel as finished code, which its caller cannot inline; compiled beside its caller it is inlined.
The two differ in the last bits, so that the order in which kernels were first used would show in the bytes of a render.
One that is called, not inlined, is a copy in the caller's cache and another one beside it in the process that compiles:
with fast-math the two round differently, and the first process would draw other pixels than the next.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def kernels_of(source: str) -> dict[str, tuple[bool, set[str]]]:
    """Of every compiled function of a file: whether it is cached, and the names that it uses."""
    found = {}
    for node in ast.parse(source).body:
        decorators = [ast.unparse(d) for d in getattr(node, "decorator_list", [])]
        if isinstance(node, ast.FunctionDef) and any("njit" in d for d in decorators):
            used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            used |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
            found[node.name] = (any("cache=True" in d for d in decorators), used - {node.name})
    return found


def cached_inner_kernels(sources: list[str]) -> set[str]:
    """Names of cached kernels that another kernel uses."""
    kernels = [item for source in sources for item in kernels_of(source).items()]
    used = set().union(*(names for _, (_, names) in kernels)) if kernels else set()
    return {name for name, (cached, _) in kernels if cached and name in used}


def loose_inner_kernels(sources: list[str]) -> set[str]:
    """Names of kernels with fast-math that another kernel uses and that are not inlined by force."""
    texts: dict[str, str] = {}
    for source in sources:
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef):
                texts[node.name] = " ".join(ast.unparse(d) for d in node.decorator_list)
    used = set().union(*(names for source in sources for _, names in kernels_of(source).values()))
    return {n for n in used if "fastmath=True" in texts.get(n, "") and "forceinline=True" not in texts[n]}


def test_a_cached_inner_kernel_is_seen() -> None:
    leaf = "@njit(cache=True)\ndef leaf(x):\n    return x\n"
    caller = "@njit(cache=True)\ndef caller(x):\n    return leaf(x)\n"
    assert cached_inner_kernels([leaf, caller]) == {"leaf"}
    assert cached_inner_kernels([leaf.replace("(cache=True)", ""), caller]) == set()


def test_no_kernel_that_another_one_calls_is_cached() -> None:
    sources = [p.read_text() for p in sorted((ROOT / "svdmv").rglob("*.py"))]
    assert sum(len(kernels_of(s)) for s in sources) > 50
    assert cached_inner_kernels(sources) == set()


def test_a_loose_inner_kernel_is_seen() -> None:
    leaf = "@njit(fastmath=True)\ndef leaf(x):\n    return x\n"
    caller = "@njit(cache=True)\ndef caller(x):\n    return leaf(x)\n"
    assert loose_inner_kernels([leaf, caller]) == {"leaf"}
    assert loose_inner_kernels([leaf.replace("fastmath=True", "fastmath=True, forceinline=True"), caller]) == set()


def test_no_inner_kernel_rounds_as_it_likes() -> None:
    assert loose_inner_kernels([p.read_text() for p in sorted((ROOT / "svdmv").rglob("*.py"))]) == set()
