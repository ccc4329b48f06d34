"""Parts of a model as a file holds them -> one mesh."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Mesh, vertex_normals

Floats = NDArray[np.floating[Any]]


@dataclass(eq=False)
class Piece:
    """A part of a model in world axes, with one material.

    Attributes:
        vertices: (V, 3) float; faces (F, 3) int32, counter-clockwise outside.
        material: row or name of the material, or None.
        key: equal for pieces that share all their vertex data.
        normals: (V, 3) unit, or None; uvs (V, 2) of the material's first texture, or None; colors (V, 3) uint8 sRGB.
        other_uvs: (V, 2) by name of a texture that reads other coordinates than the first.
    """

    vertices: Floats
    faces: NDArray[np.int32]
    material: Any
    key: tuple[Any, ...]
    normals: Floats | None = None
    uvs: Floats | None = None
    colors: NDArray[np.uint8] | None = None
    other_uvs: dict[str, Floats] = field(default_factory=dict)


def mesh_from_pieces(pieces: list[Piece]) -> tuple[Mesh, list[tuple[Piece, int]]]:
    """All pieces as one mesh, and the pieces in the order of their faces with how many each has.

    Vertices of pieces with the same key are kept once. What some pieces lack is filled: white colours, zero uvs, flat
    normals.
    """
    if any(piece.normals is not None for piece in pieces):
        for piece in pieces:
            if piece.normals is None:
                _make_flat(piece)
    blocks: dict[tuple[Any, ...], list[Piece]] = {}
    for piece in pieces:
        blocks.setdefault(piece.key, []).append(piece)
    heads = [block[0] for block in blocks.values()]
    ordered = [piece for block in blocks.values() for piece in block]
    starts = np.cumsum([0] + [len(head.vertices) for head in heads])
    offsets = {key: np.int32(start) for key, start in zip(blocks, starts, strict=False)}
    mesh = Mesh(
        _stacked([p.vertices for p in heads], heads, 3, 0, np.float32),
        np.concatenate([p.faces + offsets[p.key] for p in ordered]),
        _stacked([p.normals for p in heads], heads, 3, 0, np.float32),
        _stacked([p.uvs for p in heads], heads, 2, 0, np.float32),
        _stacked([p.colors for p in heads], heads, 3, 255, np.uint8),
    )
    return mesh, [(piece, len(piece.faces)) for piece in ordered]


def _stacked(parts: list[Any], pieces: list[Piece], width: int, value: int, dtype: Any) -> Any:
    """The pieces' arrays as one, absent ones filled with `value`; None when all are absent."""
    if all(part is None for part in parts):
        return None
    out = np.full((sum(len(p.vertices) for p in pieces), width), value, dtype)
    start = 0
    for part, piece in zip(parts, pieces, strict=True):
        if part is not None:
            out[start : start + len(part)] = part
        start += len(piece.vertices)
    return out


def _make_flat(piece: Piece) -> None:
    """Give a piece the flat normals that glTF asks for where none are stored: each face gets vertices of its own."""
    corners = piece.faces.reshape(-1)
    piece.vertices = piece.vertices[corners]
    piece.uvs = None if piece.uvs is None else piece.uvs[corners]
    piece.colors = None if piece.colors is None else piece.colors[corners]
    piece.faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    normals: NDArray[np.float32] = vertex_normals(piece.vertices, piece.faces)
    piece.normals = normals
    piece.key = (*piece.key, "flat", id(piece))
