"""Whether other programs see the size, the orientation and the colours that we wrote.

    python benchmarks/asset_round_trip.py --open3d PYTHON --blender PYTHON --node FOLDER -o FILE

A block of 0.5 x 1 x 0.3 with a colour of its own on each side is written as GLB, OBJ, PLY, STL and USDZ and read by
trimesh (here), Open3D and Blender's bpy (each the python of an environment that has it), OpenUSD, and Khronos'
validator (npm install --prefix FOLDER gltf-validator). Colours are read where the sides are, in sRGB. Exit code 1 when
a size is off by more than 1e-5, a colour by more than 3 of 255, or a checker finds anything.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.acceptance import khronos_row
from svdmv.core import Asset, Material, Mesh
from svdmv.io.atomic import write_json
from svdmv.io.meshes import write_asset
from svdmv.io.usdz import usd_findings

SIZE = (0.5, 1.0, 0.3)
SIDES = {"+x": (200, 40, 30), "-x": (40, 180, 60), "+y": (50, 70, 210), "-y": (220, 200, 40), "+z": (30, 170, 190),
         "-z": (120, 60, 150)}  # fmt: skip
FORMATS = (".glb", ".obj", ".ply", ".stl", ".usdz")
NO_COLORS = {("trimesh", ".stl"), ("open3d", ".stl"), ("blender", ".stl")}  # the format holds none
UNREAD = {("trimesh", ".usdz"), ("open3d", ".usdz")}  # no reader there

COMMON = """
import json, sys
import numpy as np
def sides(corners, colors):
    # corners (F, 3, 3) in our axes, colors (F, 3) sRGB 0..255 or None -> bounds, colours of the six sides
    points = corners.reshape(-1, 3)
    out = {"low": points.min(0).tolist(), "high": points.max(0).tolist(), "faces": len(corners)}
    if colors is not None:
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        out["colors"] = {}
        for axis in range(3):
            for sign in (1, -1):
                chosen = normals[:, axis] * sign > 0.9
                out["colors"]["+-"[sign < 0] + "xyz"[axis]] = np.asarray(colors)[chosen].mean(0).tolist()
    return out
def sampled(picture, uvs):
    # picture (H, W, C) 0..255, uvs (F, 3, 2) from the bottom left
    height, width = picture.shape[:2]
    middle = uvs.mean(1)
    return picture[np.clip(((1 - middle[:, 1]) * height).astype(int), 0, height - 1),
                   np.clip((middle[:, 0] * width).astype(int), 0, width - 1), :3].astype(float)
"""
TRIMESH = """
import trimesh
scene = trimesh.load(sys.argv[1], process=False)
mesh = scene.to_geometry() if isinstance(scene, trimesh.Scene) else scene
corners, colors = np.asarray(mesh.triangles), None
if mesh.visual.kind == "texture":
    material = mesh.visual.material
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    colors = sampled(np.asarray(image.convert("RGB")), np.asarray(mesh.visual.uv)[mesh.faces])
elif mesh.visual.kind == "vertex":
    colors = np.asarray(mesh.visual.vertex_colors)[mesh.faces].mean(1)[:, :3]
print(json.dumps({"version": trimesh.__version__, **sides(corners, colors)}))
"""
OPEN3D = """
import open3d
model = open3d.io.read_triangle_model(sys.argv[1])
mesh, material = open3d.io.read_triangle_mesh(sys.argv[1]), None  # PLY and STL are no models there
if model.meshes:
    mesh, material = model.meshes[0].mesh, model.materials[model.meshes[0].material_idx]
corners = np.asarray(mesh.vertices)[np.asarray(mesh.triangles)]
colors = None
albedo = None if material is None else material.albedo_img
if mesh.has_triangle_uvs() and albedo is not None and np.asarray(albedo).size:
    uvs = np.asarray(mesh.triangle_uvs).reshape(-1, 3, 2)
    colors = sampled(np.asarray(albedo), uvs)
elif mesh.has_vertex_colors():
    colors = 255 * np.asarray(mesh.vertex_colors)[np.asarray(mesh.triangles)].mean(1)
print(json.dumps({"version": open3d.__version__, **sides(corners, colors)}))
"""
BLENDER = """
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
path = sys.argv[1]
turn = {"forward_axis": "NEGATIVE_Z", "up_axis": "Y"}
if path.endswith(".glb"): bpy.ops.import_scene.gltf(filepath=path)
elif path.endswith(".obj"): bpy.ops.wm.obj_import(filepath=path)
elif path.endswith(".ply"): bpy.ops.wm.ply_import(filepath=path, import_colors="SRGB", **turn)
elif path.endswith(".stl"): bpy.ops.wm.stl_import(filepath=path, **turn)
else: bpy.ops.wm.usd_import(filepath=path)
thing = next(o for o in bpy.context.scene.objects if o.type == "MESH")
mesh = thing.data
mesh.calc_loop_triangles()
world = np.array(thing.matrix_world)
points = np.array([v.co for v in mesh.vertices]) @ world[:3, :3].T + world[:3, 3]
points = np.stack([points[:, 0], points[:, 2], -points[:, 1]], 1)  # Blender's +Z up to ours
corners = points[np.array([t.vertices[:] for t in mesh.loop_triangles])]
loops, colors = np.array([t.loops[:] for t in mesh.loop_triangles]), None
nodes = [n for m in mesh.materials if m and m.use_nodes for n in m.node_tree.nodes if n.type == "TEX_IMAGE"]
image = nodes[0].image if nodes else None
if image is not None and mesh.uv_layers:
    assert image.colorspace_settings.name == "sRGB", image.colorspace_settings.name
    uvs = np.array([u.uv[:] for u in mesh.uv_layers.active.data])[loops]
    pixels = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], image.channels)[::-1]
    colors = sampled(255 * pixels, uvs)
elif mesh.color_attributes:
    layer = mesh.color_attributes[0]
    rows = np.array([c.color_srgb[:3] for c in layer.data])
    index = np.array([t.vertices[:] for t in mesh.loop_triangles]) if layer.domain == "POINT" else loops
    colors = 255 * rows[index].mean(1)
print("RESULT" + json.dumps({"version": bpy.app.version_string, **sides(corners, colors)}))
"""


def block() -> Asset:
    """24 vertices; the texture has a tile a side, each tile larger than what the uvs touch."""
    vertices, faces, uvs, normals = [], [], [], []
    picture = np.full((64, 96, 4), 255, np.uint8)
    for number, (name, color) in enumerate(SIDES.items()):
        axis, sign = "xyz".index(name[1]), 1 if name[0] == "+" else -1
        row, column = divmod(number, 3)
        picture[32 * row : 32 * row + 32, 32 * column : 32 * column + 32, :3] = color
        right, up = np.eye(3)[(axis + 1) % 3] * sign, np.eye(3)[(axis + 2) % 3]
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            vertices.append((np.eye(3)[axis] * sign + a * right + b * up) * SIZE / 2)
            uvs.append(((32 * column + 16 + 10 * a) / 96, (32 * row + 16 + 10 * b) / 64))
            normals.append(np.eye(3)[axis] * sign)
        first = 4 * number
        faces += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    mesh = Mesh(np.float32(vertices), np.int32(faces), np.float32(normals), np.float32(uvs))
    return Asset(mesh, (Material(base_color_srgb=picture),), provenance={"made by": "benchmarks/asset_round_trip.py"})


def asked(python: str, program: str, path: Path) -> dict[str, Any]:
    """What a program says about a file."""
    done = subprocess.run([python, "-c", COMMON + program, str(path)], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("{", "RESULT"))]
    if done.returncode or not lines:
        return {"error": (done.stderr or done.stdout).strip().splitlines()[-1:]}
    told: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT"))
    return told


def judged(program: str, suffix: str, told: dict[str, Any]) -> dict[str, Any]:
    """Size and colour errors, and whether they are small."""
    if "error" in told:
        return {"ok": False, **told}
    size_error = max(
        float(np.abs(np.subtract(told["high"], np.divide(SIZE, 2))).max()),
        float(np.abs(np.add(told["low"], np.divide(SIZE, 2))).max()),
    )
    out = {"version": told["version"], "size_error": size_error, "ok": size_error <= 1e-5}
    if (program, suffix) in NO_COLORS:
        return out
    colors = told.get("colors")
    out["color_error"] = (
        None if colors is None else max(float(np.abs(np.subtract(colors[n], c)).max()) for n, c in SIDES.items())
    )
    out["ok"] = bool(out["ok"] and out["color_error"] is not None and out["color_error"] <= 3)
    return out


def main() -> int:
    """Write, ask, judge, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--open3d")
    parser.add_argument("--blender")
    parser.add_argument("--node", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    programs = [
        ("trimesh", sys.executable, TRIMESH),
        ("open3d", options.open3d, OPEN3D),
        ("blender", options.blender, BLENDER),
    ]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for suffix in FORMATS:
            path = Path(name) / f"block{suffix}"
            write_asset(path, block())
            for program, python, text in programs:
                if python is not None and (program, suffix) not in UNREAD:
                    rows.append(
                        {"program": program, "format": suffix, **judged(program, suffix, asked(python, text, path))}
                    )
                    print(rows[-1])
        findings = usd_findings(Path(name) / "block.usdz")
        rows.append({"program": "OpenUSD validators", "format": ".usdz", "ok": not findings, "findings": findings,
                     "version": version("usd-core")})  # fmt: skip
        if options.node is not None:
            row = khronos_row(Path(name) / "block.glb", options.node)
            rows.append({"program": "Khronos glTF validator", "format": ".glb", "ok": row.ok, "findings": row.value})
    print(*rows[-2:], sep="\n")
    write_json(
        options.output,
        {
            "what": "size, orientation and colours of a block of six colours as other programs read it",
            "command": "python benchmarks/asset_round_trip.py --open3d PYTHON --blender PYTHON --node FOLDER -o FILE",
            "date": datetime.now(UTC).date().isoformat(),
            "python": platform.python_version(),
            "svdmv": version("svdmv"),
            "size": SIZE,
            "rows": rows,
        },
    )
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
