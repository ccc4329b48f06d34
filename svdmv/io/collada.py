"""COLLADA (.dae) -> Asset: the scene's nodes placed, +Y up, metres. Skins are shown as modelled, animations not played.

Source: COLLADA 1.4.1 specification (Khronos), chapter 5. Nothing is fetched; entities are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, InputError
from svdmv.io.collada_materials import ColladaMaterials
from svdmv.io.collada_xml import Tree, numbers
from svdmv.io.pieces import Piece, mesh_from_pieces

_UP = {
    "X_UP": np.array([(0, -1, 0), (1, 0, 0), (0, 0, 1)]),
    "Y_UP": np.eye(3),
    "Z_UP": np.array([(1, 0, 0), (0, 0, 1), (0, -1, 0)]),
}
_SHAPES = ("triangles", "polylist", "polygons", "tristrips", "trifans")
_DEEPEST = 200


def asset_from_collada(data: bytes, path: Path, max_texture_px: int) -> tuple[Asset, list[str]]:
    """A .dae file held in memory as one asset, and notes on what was left out.

    A picture is looked for where the file says, then by its name beside the file, in textures/ and in
    ../materials/textures/; nothing outside the folder above the file's own is opened.

    Raises:
        InputError: not COLLADA, no triangles, or data that contradicts itself.
    """
    if b"<!ENTITY" in data:
        raise InputError("The model declares entities, which are not read", where=path, expected="plain COLLADA")
    try:
        tree = Tree(ElementTree.fromstring(data), path)
    except ElementTree.ParseError as error:
        raise InputError(
            "The file is not a COLLADA model",
            where=path,
            seen="an empty file" if not data else error,
            expected="a complete .dae file",
            next_step="export the model again",
        ) from error
    scene = _Scene(tree)
    pieces = list(scene.pieces())
    if not pieces:
        raise InputError(
            "The model's scene holds no triangles",
            where=path,
            seen=f"{len(tree.all('geometry'))} geometries, {len(tree.all('node'))} nodes",
            expected="a triangle mesh in the scene",
            next_step="export the visible objects as triangles",
            status="empty",
        )
    used = list(dict.fromkeys(piece.material for piece in pieces))
    materials = ColladaMaterials(tree, path, max_texture_px)
    mesh, owners = mesh_from_pieces(pieces)
    rows = tuple(materials.material(name) for name in used)
    index = np.repeat(np.array([used.index(p.material) for p, _ in owners], np.int32), [n for _, n in owners])
    return Asset(mesh, rows, index if len(used) > 1 else None), list(dict.fromkeys(tree.notes))


class _Scene:
    """Walks the visual scene."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._numbers = tree, count()
        self._shapes: dict[str, list[tuple[str | None, Piece]]] = {}

    def pieces(self) -> Iterator[Piece]:
        """All meshes of the scene in world axes."""
        asset = self._tree.first(self._tree.root, "asset")
        up, unit = "Y_UP", 1.0
        if asset is not None:
            up = (self._tree.text(asset, "up_axis") or up).strip()
            found = self._tree.first(asset, "unit")
            unit = float(found.get("meter", "1")) if found is not None else 1.0
        world = np.eye(4)
        world[:3, :3] = _UP.get(up, np.eye(3)) * (unit if unit > 0 else 1.0)
        shown = [self._tree.target(e, "url") for e in self._tree.all("instance_visual_scene")]
        for scene in [s for s in shown if s is not None] or self._tree.all("visual_scene"):
            for node in self._tree.children(scene, "node"):
                yield from self._of_node(node, world, 0)

    def _of_node(self, node: Any, parent: NDArray[np.float64], depth: int) -> Iterator[Piece]:
        if depth > _DEEPEST:
            raise self._tree.refusal("The model's nodes form a circle", f"node {node.get('id')!r}")
        world = parent @ self._local(node)
        for instance in self._tree.children(node, "instance_geometry"):
            yield from self._placed(self._tree.target(instance, "url"), instance, world)
        for instance in self._tree.children(node, "instance_controller"):
            yield from self._of_controller(self._tree.target(instance, "url"), instance, world)
        for instance in self._tree.children(node, "instance_node"):
            target = self._tree.target(instance, "url")
            if target is not None:
                yield from self._of_node(target, world, depth + 1)
        for child in self._tree.children(node, "node"):
            yield from self._of_node(child, world, depth + 1)

    def _of_controller(self, controller: Any, instance: Any, world: NDArray[np.float64]) -> Iterator[Piece]:
        matrix = world
        for _ in range(8):  # a skin of a morph of a geometry
            if controller is None or self._tree.name(controller) == "geometry":
                break
            body = next(iter(self._tree.children(controller, "skin", "morph")), None)
            shape = None if body is None else self._tree.first(body, "bind_shape_matrix")
            if shape is not None:
                matrix = matrix @ numbers(shape.text).reshape(4, 4)
            self._tree.notes.append("skins and morphs are not applied: shown as modelled")
            controller = None if body is None else self._tree.target(body, "source")
        yield from self._placed(controller, instance, matrix)

    def _placed(self, geometry: Any, instance: Any, world: NDArray[np.float64]) -> Iterator[Piece]:
        if geometry is None:
            return
        if not np.isfinite(world).all():
            raise self._tree.refusal("A node's transform is not finite", f"geometry {geometry.get('id')!r}")
        bound = {e.get("symbol"): e.get("target", "")[1:] for e in self._tree.inside(instance, "instance_material")}
        mirrored = np.linalg.det(world[:3, :3]) < 0
        for symbol, shape in self._shapes_of(geometry):
            faces = shape.faces[:, ::-1] if mirrored else shape.faces
            normals = shape.normals
            if normals is not None:
                linear = world[:3, :3]
                cofactors = np.stack([np.cross(linear[:, k - 2], linear[:, k - 1]) for k in range(3)], 1)
                normals = normals @ cofactors.T * (-1 if mirrored else 1)
                normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
            yield Piece(
                shape.vertices @ world[:3, :3].T + world[:3, 3],
                np.ascontiguousarray(faces),
                bound.get(symbol, symbol),
                (next(self._numbers),),
                normals,
                shape.uvs,
                shape.colors,
            )

    def _shapes_of(self, geometry: Any) -> list[tuple[str | None, Piece]]:
        from svdmv.io.collada_geometry import shape_of

        name = geometry.get("id") or str(id(geometry))
        if name not in self._shapes:
            found = []
            for mesh in self._tree.children(geometry, "mesh"):
                for element in mesh:
                    kind = self._tree.name(element)
                    if kind in _SHAPES:
                        shape = shape_of(self._tree, mesh, element)
                        found += [(element.get("material"), shape)] if len(shape.faces) else []
                    elif kind in ("lines", "linestrips"):
                        self._tree.notes.append("lines are left out")
            self._shapes[name] = found
        return self._shapes[name]

    def _local(self, node: Any) -> NDArray[np.float64]:
        """The node's transforms in the order of the file."""
        matrix = np.eye(4)
        for element in node:
            kind = self._tree.name(element)
            step = np.eye(4)
            if kind == "matrix":
                step = numbers(element.text).reshape(4, 4)
            elif kind == "translate":
                step[:3, 3] = numbers(element.text)
            elif kind == "scale":
                step[:3, :3] = np.diag(numbers(element.text))
            elif kind == "rotate":
                x, y, z, angle = numbers(element.text)
                step[:3, :3] = _rotation(np.array([x, y, z]), float(np.radians(angle)))
            elif kind in ("lookat", "skew"):
                self._tree.notes.append(f"a {kind} transform is left out")
            matrix = matrix @ step
        return matrix


def _rotation(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """(3, 3) turn about `axis`, counter-clockwise against it (Rodrigues)."""
    x, y, z = axis / max(float(np.linalg.norm(axis)), 1e-300)
    cross = np.array([(0, -z, y), (z, 0, -x), (-y, x, 0)])
    turn: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn
