"""Pictures of a glTF material brought to one set of coordinates that repeat: what Asset and its renderers know.

glTF lets each texture of a material read coordinates of its own and end in a mirrored or clamped edge. Mirrors and
clamps are unrolled into a larger picture; a texture on other coordinates is painted anew on those of the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.io.gltf_document import GltfDocument
from svdmv.io.gltf_materials import Slot, picture_of_slot, slots_of_material
from svdmv.io.pieces import Piece
from svdmv.io.uv_repaint import repainted

_REPEAT, _MIRROR = 10497, 33648
_MAX_UNROLLED_PX = 8192
_EDGE = 1e-3  # coordinates this little outside the picture count as inside


def pictures_of_material(
    document: GltfDocument, index: int | None, pieces: list[Piece]
) -> dict[str, NDArray[np.uint8]]:
    """The material's pictures by name, all for the coordinates of `pieces`, which are moved where that is needed.

    Raises:
        InputError: a picture is missing, damaged or of a kind that is not decoded.
    """
    slots = slots_of_material(document, index)
    if not slots:
        return {}
    if all(piece.uvs is None for piece in pieces):
        document.notes.append("textures without texture coordinates are left out")
        return {}
    first = next(iter(slots.values()))
    pictures = {name: picture_of_slot(document, slot) for name, slot in slots.items()}
    shared = {name: slot for name, slot in slots.items() if slot.same_coordinates(first) or _copied(name, pieces)}
    low, tiles = _unrolling(document, shared, pictures, pieces)
    if tiles != (1, 1):
        for name, slot in shared.items():
            pictures[name] = _unrolled(pictures[name], slot, low, tiles)
        for piece in pieces:
            if piece.uvs is not None:
                piece.uvs = (piece.uvs - np.array(low)) / np.array(tiles)
                piece.key = (*piece.key, low, tiles)
    for name in slots.keys() - shared.keys():
        parts = [(p.faces, p.uvs, p.other_uvs[name]) for p in pieces if p.uvs is not None and name in p.other_uvs]
        size = max(pictures[name].shape[:2], next(iter(pictures.values())).shape[:2])
        painted = repainted(pictures[name], slots[name].wraps, parts, size) if parts else None
        if painted is None:
            document.notes.append(f"{name} texture on other coordinates than the first is left out")
            del pictures[name]
        else:
            pictures[name] = painted
    return {name: pictures[name] for name in slots if name in pictures}


def _copied(name: str, pieces: list[Piece]) -> bool:
    """True when the other coordinates of a texture are the first ones again, as many programs write them."""
    pairs = [(piece.uvs, piece.other_uvs.get(name)) for piece in pieces]
    return all(a is not None and b is not None and np.array_equal(a, b) for a, b in pairs)


def _unrolling(
    document: GltfDocument, slots: dict[str, Slot], pictures: dict[str, NDArray[np.uint8]], pieces: list[Piece]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """First tile and number of tiles to unroll, for u and v; one tile where the pictures repeat or nothing leaves."""
    low, tiles = [0, 0], [1, 1]
    for axis in range(2):
        if all(slot.wraps[axis] == _REPEAT for slot in slots.values()):
            continue
        least, most = _range(pieces, axis)
        start, end = int(np.floor(least + _EDGE)), int(np.ceil(most - _EDGE))
        if start >= 0 and end <= 1:
            continue
        side = max(pictures[name].shape[1 - axis] for name in slots)
        if (end - start) * side > _MAX_UNROLLED_PX:
            document.notes.append(f"coordinates {least:.3g} .. {most:.3g} of a texture that does not repeat: repeated")
            continue
        low[axis], tiles[axis] = start, max(end - start, 1)
    return (low[0], low[1]), (tiles[0], tiles[1])


def _range(pieces: list[Piece], axis: int) -> tuple[float, float]:
    """Lowest and highest coordinate that a face of the pieces uses."""
    columns: list[NDArray[Any]] = []
    for piece in pieces:
        if piece.uvs is not None and len(piece.faces):
            column = piece.uvs[:, axis]
            inside = column.min() >= -_EDGE and column.max() <= 1 + _EDGE
            columns.append(column if inside else column[np.unique(piece.faces)])
    return (min(float(c.min()) for c in columns), max(float(c.max()) for c in columns)) if columns else (0.0, 1.0)


def _unrolled(picture: NDArray[np.uint8], slot: Slot, low: tuple[int, int], tiles: tuple[int, int]) -> Any:
    """The picture over the tiles `low` .. `low + tiles`, so that repeating it is no longer needed."""
    for axis, array_axis in ((0, 1), (1, 0)):
        if tiles[axis] == 1:
            continue
        numbers = range(low[axis], low[axis] + tiles[axis])
        side = picture.shape[array_axis]
        if slot.wraps[axis] == _REPEAT:
            parts = [picture for _ in numbers]
        elif slot.wraps[axis] == _MIRROR:
            parts = [np.flip(picture, array_axis) if n % 2 else picture for n in numbers]
        else:
            ends = [np.take(picture, [0 if n < 0 else side - 1], array_axis) for n in numbers]
            parts = [
                picture if n == 0 else np.repeat(end, side, array_axis) for n, end in zip(numbers, ends, strict=True)
            ]
        picture = np.concatenate(parts, array_axis)
    return picture
