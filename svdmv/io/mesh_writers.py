"""Asset -> OBJ (with .mtl and textures), PLY and STL. World axes and unit go into the file as they are: +Y up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, DataError, Mesh
from svdmv.io.atomic import write_bytes, write_text
from svdmv.io.colour import linear_from_srgb, srgb_from_linear
from svdmv.io.pictures import png_bytes


def write_obj(path: Path | str, asset: Asset) -> None:
    """Write NAME.obj, NAME.mtl and one NAME_<n>.png a textured material; the .obj last.

    Vertex colours follow the position (x y z r g b, sRGB), as MeshLab and Blender read them; uvs get the format's
    bottom-left origin; floats are written with every digit. With vertex colours and plain white materials no .mtl is
    written, for many readers drop the colours beside one.

    Raises:
        DataError: no face.
        InputError: the system refuses to write.
    """
    path = Path(path)
    mesh = _with_faces(asset)
    rows = [f"# {len(mesh.vertices)} vertices, {len(mesh.faces)} faces, +Y up"]
    with_materials = mesh.colors is None or any(
        m.base_color_srgb is not None or m.base_color_factor_linear != (1.0, 1.0, 1.0, 1.0) for m in asset.materials
    )
    if with_materials:
        rows.append(f"mtllib {path.stem}.mtl")
    colors = None if mesh.colors is None else mesh.colors / 255.0
    for i, vertex in enumerate(mesh.vertices.tolist()):
        tail = "" if colors is None else " " + " ".join(f"{c:.6f}" for c in colors[i])
        rows.append("v " + " ".join(map(repr, vertex)) + tail)
    if mesh.uvs is not None:
        rows += [f"vt {u!r} {1.0 - v!r}" for u, v in mesh.uvs.astype(np.float64).tolist()]
    if mesh.normals is not None:
        rows += ["vn " + " ".join(map(repr, normal)) for normal in mesh.normals.tolist()]
    corner = {(True, True): "{0}/{0}/{0}", (True, False): "{0}/{0}", (False, True): "{0}//{0}", (False, False): "{0}"}[
        mesh.uvs is not None, mesh.normals is not None
    ]
    owners = asset.material_of_faces()
    library = []
    for index, material in enumerate(asset.materials):
        name = f"m{index}"
        r, g, b = (float(v) for v in srgb_from_linear(np.asarray(material.base_color_factor_linear[:3])))
        library += [f"newmtl {name}", f"Kd {r:.6f} {g:.6f} {b:.6f}", f"d {material.base_color_factor_linear[3]:.6f}"]
        if material.base_color_srgb is not None:
            write_bytes(path.with_name(f"{path.stem}_{index}.png"), png_bytes(material.base_color_srgb))
            library.append(f"map_Kd {path.stem}_{index}.png")
        faces = mesh.faces[owners == index]
        if len(faces):
            rows += [f"usemtl {name}"] if with_materials else []
            rows += ["f " + " ".join(corner.format(c + 1) for c in face) for face in faces.tolist()]
    if with_materials:
        write_text(path.with_suffix(".mtl"), "\n".join(library) + "\n")
    write_text(path, "\n".join(rows) + "\n")


def write_ply(path: Path | str, asset: Asset) -> None:
    """Write a binary PLY: positions, and normals, uvs (s, t from the bottom left) and sRGB colours where there are any.

    PLY holds no texture: a textured asset without vertex colours gets those that its texture shows there,
    and no uvs.

    Raises:
        DataError: no face.
        InputError: the system refuses to write.
    """
    mesh = _with_faces(asset)
    columns: list[tuple[str, str, str, Any]] = [(n, "<f4", "float", mesh.vertices[:, i]) for i, n in enumerate("xyz")]
    if mesh.normals is not None:
        columns += [(f"n{n}", "<f4", "float", mesh.normals[:, i]) for i, n in enumerate("xyz")]
    painted = None if mesh.colors is not None else _texture_at_vertices(asset)
    if mesh.uvs is not None and painted is None:  # readers take uvs for a texture and drop the colours
        columns += [("s", "<f4", "float", mesh.uvs[:, 0]), ("t", "<f4", "float", 1.0 - mesh.uvs[:, 1])]
    colors = mesh.colors if mesh.colors is not None else painted
    if colors is not None:
        columns += [(n, "u1", "uchar", colors[:, i]) for i, n in enumerate(("red", "green", "blue"))]
    vertices = np.zeros(len(mesh.vertices), [(name, kind) for name, kind, _, _ in columns])
    for name, _, _, values in columns:
        vertices[name] = values
    faces = np.zeros(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property {word} {name}" for name, _, word, _ in columns]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    write_bytes(path, ("\n".join(header) + "\n").encode() + vertices.tobytes() + faces.tobytes())


def write_stl(path: Path | str, asset: Asset) -> None:
    """Write a binary STL: triangles and their normals, nothing else.

    Raises:
        DataError: no face.
        InputError: the system refuses to write.
    """
    mesh = _with_faces(asset)
    corners = mesh.vertices[mesh.faces]
    wide = corners.astype(np.float64)
    normals = np.cross(wide[:, 1] - wide[:, 0], wide[:, 2] - wide[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    facets = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets["normal"], facets["corners"] = normals, corners
    head = b"binary STL, +Y up".ljust(80, b" ")
    write_bytes(path, head + np.array(len(facets), "<u4").tobytes() + facets.tobytes())


def _texture_at_vertices(asset: Asset) -> NDArray[np.uint8] | None:
    """(V, 3) uint8: the base colour at each vertex; None where no material has a texture."""
    mesh = asset.mesh
    if mesh.uvs is None or all(material.base_color_srgb is None for material in asset.materials):
        return None
    colors = np.full((len(mesh.vertices), 3), 255, np.uint8)
    owners = asset.material_of_faces()
    for index, material in enumerate(asset.materials):
        used = np.unique(mesh.faces[owners == index])
        factor = np.asarray(material.base_color_factor_linear[:3])
        shown = np.ones((len(used), 3))
        if material.base_color_srgb is not None:
            height, width = material.base_color_srgb.shape[:2]
            places = mesh.uvs[used] - np.floor(mesh.uvs[used]) * ((mesh.uvs[used] < 0) | (mesh.uvs[used] > 1))
            columns = np.minimum((places[:, 0] * width).astype(np.int64), width - 1)
            rows = np.minimum((places[:, 1] * height).astype(np.int64), height - 1)
            shown = linear_from_srgb(material.base_color_srgb[rows, columns, :3] / 255.0)
        colors[used] = np.round(255 * srgb_from_linear(np.clip(shown * factor, 0, 1)))
    return colors


def _with_faces(asset: Asset) -> Mesh:
    if not len(asset.mesh.faces):
        raise DataError("An empty mesh cannot be written", where="Asset.mesh", seen="0 faces", expected="1 or more")
    return asset.mesh
