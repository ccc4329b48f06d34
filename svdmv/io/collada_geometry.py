"""One shape of a COLLADA mesh (triangles, polygons, strips, fans) -> triangles with vertices of one index."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.io.collada_xml import Tree, numbers
from svdmv.io.pieces import Piece

_WIDTHS = {"POSITION": 3, "NORMAL": 3, "TEXCOORD": 2, "COLOR": 3}


def shape_of(tree: Tree, mesh: Any, element: Any) -> Piece:
    """The triangles of a shape in the geometry's own axes; polygons are cut as fans. uvs from the top left.

    Raises:
        InputError: an index or a number is wrong.
    """
    inputs, width = _inputs(tree, mesh, element)
    corners = _corners(tree, element, width)
    for semantic, (offset, listed) in inputs.items():
        column = corners[:, :, offset]
        if len(listed) == 0 or column.min(initial=0) < 0 or column.max(initial=0) >= len(listed):
            seen = f"{semantic} {column.max(initial=0)} of {len(listed)}"
            raise tree.refusal("A face of the model names a vertex that is not there", seen)
    if "POSITION" not in inputs:
        tree.notes.append("a shape without positions is left out")
        return Piece(np.zeros((0, 3)), np.zeros((0, 3), np.int32), None, ())
    used = [offset for offset, _ in inputs.values()]
    rows, index = np.unique(corners.reshape(-1, width)[:, used], axis=0, return_inverse=True)
    values = {name: inputs[name][1][rows[:, k]] for k, name in enumerate(inputs)}
    if not np.isfinite(values["POSITION"]).all():
        count = int((~np.isfinite(values["POSITION"])).any(1).sum())
        raise tree.refusal("Vertices of the model are not finite", f"{count} of {len(rows)} vertices")
    uvs = values.get("TEXCOORD")
    if uvs is not None:
        uvs = uvs * (1, -1) + (0, 1)
    colors = values.get("COLOR")
    return Piece(
        values["POSITION"],
        index.reshape(-1, 3).astype(np.int32),
        None,
        (),
        values.get("NORMAL"),
        uvs,
        None if colors is None else np.asarray(np.rint(colors.clip(0, 1) * 255), np.uint8),
    )


def _inputs(tree: Tree, mesh: Any, element: Any) -> tuple[dict[str, tuple[int, NDArray[np.float64]]], int]:
    """Column of the indices and values of each semantic (its lowest set), and the number of columns."""
    rows = [(e, int(e.get("offset", "0"))) for e in tree.children(element, "input")]
    width = 1 + max((offset for _, offset in rows), default=0)
    found: dict[str, tuple[int, NDArray[np.float64]]] = {}
    for row, offset in sorted(rows, key=lambda r: int(r[0].get("set", "0") or 0)):
        source = tree.target(row, "source")
        if source is None:
            continue
        inner = [(row.get("semantic"), source)]
        if tree.name(source) == "vertices":
            inner = [(e.get("semantic"), tree.target(e, "source")) for e in tree.children(source, "input")]
        for semantic, values in inner:
            if semantic in _WIDTHS and semantic not in found and values is not None:
                found[semantic] = (offset, _values(tree, values, _WIDTHS[semantic]))
    return found, width


def _values(tree: Tree, source: Any, width: int) -> NDArray[np.float64]:
    """(N, width) numbers of a source through its accessor."""
    array, accessor = tree.first(source, "float_array"), tree.first(source, "technique_common", "accessor")
    if array is None or accessor is None:
        raise tree.refusal("A source of the model holds no numbers", source.get("id"))
    data = numbers(array.text)
    stride, start = int(accessor.get("stride", "1")), int(accessor.get("offset", "0"))
    count = int(accessor.get("count", "0"))
    if stride < 1 or start < 0 or count < 0 or start + count * stride > len(data):
        seen = f"source {source.get('id')!r}: {count} times {stride} of {len(data)} numbers"
        raise tree.refusal("The model's data is shorter than it says", seen)
    values = data[start : start + count * stride].reshape(count, stride)[:, :width]
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def _corners(tree: Tree, element: Any, width: int) -> NDArray[np.int64]:
    """(F, 3, width) indices of the corners of all triangles."""
    kind = tree.name(element)
    lists = [numbers(p.text).astype(np.int64).reshape(-1, width) for p in tree.children(element, "p")]
    if tree.children(element, "ph"):
        tree.notes.append("polygons with holes are left out")
    if kind == "triangles":
        parts = [rows[: len(rows) // 3 * 3].reshape(-1, 3, width) for rows in lists]
    elif kind == "polylist":
        sizes = numbers(tree.text(element, "vcount")).astype(np.int64)
        rows = np.concatenate([np.zeros((0, width), np.int64), *lists])
        if (sizes < 0).any() or sizes.sum() > len(rows):
            raise tree.refusal("The model's data is shorter than it says", f"{sizes.sum()} of {len(rows)} corners")
        starts = np.cumsum(sizes) - sizes
        parts = []
        for size in np.unique(sizes[sizes >= 3]):
            first = starts[sizes == size]
            for k in range(1, int(size) - 1):
                parts.append(np.stack([rows[first], rows[first + k], rows[first + k + 1]], 1))
    elif kind in ("polygons", "trifans"):
        parts = [np.stack([np.repeat(r[:1], len(r) - 2, 0), r[1:-1], r[2:]], 1) for r in lists if len(r) >= 3]
    else:
        parts = []
        for r in lists:
            odd = np.arange(max(len(r) - 2, 0)) % 2
            i = np.arange(len(odd))
            parts.append(np.stack([r[i], r[i + 1 + odd], r[i + 2 - odd]], 1))
    return np.concatenate([np.zeros((0, 3, width), np.int64), *parts])
