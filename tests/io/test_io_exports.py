"""USDZ, animations and camera files: what other programs' conventions ask for, read back."""

from __future__ import annotations

import json
import runpy
import sys
import types
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from simple_meshes import cube

from svdmv.core import (
    Asset,
    Camera,
    ConfigError,
    DataError,
    InputError,
    Material,
    Mesh,
    MissingDependency,
    Orbit,
    ViewSet,
    vertex_normals,
)
from svdmv.io.animations import write_animation
from svdmv.io.camera_files import quaternion_from_rotation, write_camera_files
from svdmv.io.colmap import read_colmap
from svdmv.io.mesh_writers import write_ply
from svdmv.io.meshes import read_asset
from svdmv.io.usdz import identifier, usd_findings, write_usdz
from svdmv.io.views import load_views

CORNERS = np.array([(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (255, 255, 0, 255)], np.uint8)


@pytest.fixture
def asset() -> Asset:
    vertices, faces = cube(0.5)
    uvs = np.linspace(0.1, 0.9, 16).reshape(8, 2).astype(np.float32)
    mesh = Mesh(vertices.astype(np.float32), faces, vertex_normals(vertices, faces), uvs)
    picture = CORNERS.reshape(2, 2, 4).repeat(8, 0).repeat(8, 1)
    bumps = np.full((4, 4, 3), (128, 128, 255), np.uint8)
    return Asset(mesh, (Material(base_color_srgb=picture, normal_linear=bumps, roughness=0.7),), provenance={"seed": 3})


@pytest.fixture
def views() -> ViewSet:
    cameras = list(Orbit.static(20.0, 4, radius=1.75, fov_y_deg=33.8).cameras(24, 16))
    moved = cameras[3].K.copy()
    moved[0, 2] += 2.5
    cameras[3] = Camera(moved, cameras[3].world_from_camera, 24, 16)
    rng = np.random.default_rng(0)
    images, alphas = rng.integers(0, 256, (4, 16, 24, 3), np.uint8), rng.integers(0, 256, (4, 16, 24), np.uint8)
    return ViewSet(images, tuple(cameras), alphas)


def test_usdz_says_in_usd_what_the_asset_says(asset: Asset, tmp_path: Path) -> None:
    pxr = pytest.importorskip("pxr", reason="usd-core is not installed")
    from pxr import Usd, UsdGeom, UsdShade

    assert pxr is not None
    path = tmp_path / "1 odd name.usdz"
    write_usdz(path, asset)
    assert usd_findings(path) == []
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert json.loads(stage.GetRootLayer().customLayerData["svdmv"]) == {"seed": 3}
    prim = stage.GetPrimAtPath("/_1_odd_name/mesh")
    mesh = UsdGeom.Mesh(prim)
    np.testing.assert_array_equal(mesh.GetPointsAttr().Get(), asset.mesh.vertices)
    np.testing.assert_array_equal(np.reshape(mesh.GetFaceVertexIndicesAttr().Get(), (-1, 3)), asset.mesh.faces)
    uvs = np.asarray(UsdGeom.PrimvarsAPI(prim).GetPrimvar("st").Get())
    assert asset.mesh.uvs is not None
    np.testing.assert_allclose(uvs, np.stack([asset.mesh.uvs[:, 0], 1 - asset.mesh.uvs[:, 1]], 1), atol=1e-7)
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
    surface = UsdShade.Shader(stage.GetPrimAtPath(f"{material.GetPath()}/surface"))
    assert surface.GetInput("roughness").Get() == pytest.approx(0.7)
    for name, space in (("color", "sRGB"), ("normal", "raw")):
        shader = UsdShade.Shader(stage.GetPrimAtPath(f"{material.GetPath()}/{name}"))
        assert shader.GetInput("sourceColorSpace").Get() == space
    with zipfile.ZipFile(path) as package:
        assert {i.compress_type for i in package.infolist()} == {zipfile.ZIP_STORED}
        with Image.open(BytesIO(package.read("textures/color_0.png"))) as picture:
            base = asset.materials[0].base_color_srgb
            assert base is not None
            np.testing.assert_array_equal(np.asarray(picture), base[..., :3])


def test_usdz_of_several_materials_and_of_vertex_colours_is_sound(asset: Asset, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed")
    red, glass = Material(base_color_factor_linear=(1, 0, 0, 1)), Material(alpha_mode="BLEND", double_sided=True)
    two = replace(asset, materials=(red, glass), face_materials=np.arange(12, dtype=np.int32) % 2)
    write_usdz(tmp_path / "two.usdz", two)
    assert usd_findings(tmp_path / "two.usdz") == []
    colors = np.full((8, 3), 128, np.uint8)
    write_usdz(tmp_path / "plain.usdz", Asset(replace(asset.mesh, uvs=None, colors=colors)))
    assert usd_findings(tmp_path / "plain.usdz") == []
    with pytest.raises(DataError, match="texture coordinates"):
        write_usdz(tmp_path / "bad.usdz", replace(asset, mesh=replace(asset.mesh, uvs=None)))
    assert not (tmp_path / "bad.usdz").exists()
    assert [identifier(t) for t in ("a-b", "", "3d")] == ["a_b", "object", "_3d"]


def test_without_usd_core_the_message_names_the_extra(
    asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.delitem(sys.modules, "pxr.UsdUtils", raising=False)
    with pytest.raises(MissingDependency, match=r"svdmv\[export\]"):
        write_usdz(tmp_path / "x.usdz", asset)
    assert list(tmp_path.iterdir()) == []


def moving_square(count: int = 5) -> np.ndarray:
    frames = np.zeros((count, 24, 32, 4), np.uint8)
    for i in range(count):
        frames[i, 8:16, 4 + 4 * i : 12 + 4 * i] = (200, 40, 20, 255)
    return frames


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_clear_animations_keep_frames_colours_and_what_is_clear(suffix: str, tmp_path: Path) -> None:
    frames = moving_square()
    write_animation(tmp_path / f"a{suffix}", frames, 10, transparent=True)
    with Image.open(tmp_path / f"a{suffix}") as picture:
        assert picture.n_frames == 5
        assert picture.info["loop"] == 0
        for i in range(5):
            picture.seek(i)
            shown = np.asarray(picture.convert("RGBA"))
            np.testing.assert_array_equal(shown[..., 3] > 127, frames[i, ..., 3] > 127)
            inside = frames[i, 9:15, 5 + 4 * i : 11 + 4 * i, 3] > 0
            assert np.abs(shown[9:15, 5 + 4 * i : 11 + 4 * i][inside][:, :3].astype(int) - (200, 40, 20)).max() <= 12
    write_animation(tmp_path / f"b{suffix}", frames, 10)
    with Image.open(tmp_path / f"b{suffix}") as picture:
        assert np.asarray(picture.convert("RGB"))[0, 0].min() >= 250


def test_videos_are_never_clear_and_odd_names_are_refused(tmp_path: Path) -> None:
    write_animation(tmp_path / "a.mp4", moving_square(), 10)
    assert (tmp_path / "a.mp4").stat().st_size > 500
    with pytest.raises(InputError, match="clear background"):
        write_animation(tmp_path / "b.mp4", moving_square(), 10, transparent=True)
    with pytest.raises(InputError, match="no animation"):
        write_animation(tmp_path / "b.avi", moving_square(), 10)
    with pytest.raises(DataError):
        write_animation(tmp_path / "b.gif", moving_square()[..., :3], 10)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_colmap_models_come_back_from_both_of_their_forms(views: ViewSet, tmp_path: Path) -> None:
    write_camera_files(tmp_path / "out", views, "colmap")
    model = tmp_path / "out" / "sparse" / "0"
    read = read_colmap(model)
    assert read.distortion == 0
    for i, camera in enumerate(views.cameras):
        again = read.cameras[f"{i:03d}.png"]
        np.testing.assert_allclose(again.K, camera.K, atol=1e-12)
        np.testing.assert_allclose(again.world_from_camera, camera.world_from_camera, atol=1e-12)
    rows = [r.split() for r in (model / "images.txt").read_text().splitlines() if r and r[0] != "#"]
    lenses = [r.split() for r in (model / "cameras.txt").read_text().splitlines() if r and r[0] != "#"]
    assert len(lenses) == 2
    point = np.array([0.1, 0.2, 0.3])
    for row, camera in zip(rows, views.cameras, strict=True):
        w, x, y, z, tx, ty, tz = map(float, row[1:8])
        turn = np.array([w, x, y, z])
        vector = np.cross(turn[1:], point) * 2
        local = point + w * vector + np.cross(turn[1:], vector) + (tx, ty, tz)
        fx, fy, cx, cy = map(float, lenses[int(row[8]) - 1][4:])
        pixel = (fx * local[0] / local[2] + cx, fy * local[1] / local[2] + cy)
        np.testing.assert_allclose(pixel, camera.project(point[None])[0][0], atol=1e-9)
    assert len(list((tmp_path / "out" / "images").iterdir())) == 4


def test_half_turns_have_quaternions_too() -> None:
    for rotation in (np.eye(3), np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])):
        w, x, y, z = quaternion_from_rotation(rotation)
        assert w >= 0
        again = np.outer((x, y, z), (x, y, z)) * 2 + np.eye(3) * (2 * w * w - 1)
        again += 2 * w * np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        np.testing.assert_allclose(again, rotation, atol=1e-12)


def test_nerfstudio_folders_load_as_view_folders(views: ViewSet, tmp_path: Path) -> None:
    write_camera_files(tmp_path / "out", views, "nerfstudio")
    again = load_views(tmp_path / "out")
    np.testing.assert_array_equal(again.images, views.images)
    for ours, theirs in zip(views.cameras, again.cameras, strict=True):
        np.testing.assert_array_equal(ours.world_from_camera, theirs.world_from_camera)


class Anything(types.SimpleNamespace):
    """Takes every call and remembers what was set."""

    def __getattr__(self, name: str) -> Anything:
        made = Anything()
        setattr(self, name, made)
        return made

    def __call__(self, *_: object, **__: object) -> Anything:
        return Anything()


def test_the_blender_script_places_the_cameras(views: ViewSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blender's own projection is checked by scripts/round_trip; here: matrix, angle and shift that it is given."""
    write_camera_files(tmp_path / "out", views, "blender")
    made: list[tuple[Anything, Anything]] = []

    class Objects(dict):  # type: ignore[type-arg]  # stands for bpy.data.objects
        def new(self, name: str, data: Anything) -> Anything:
            made.append((Anything(), data))
            self[name] = made[-1][0]
            return made[-1][0]

    bpy = Anything()
    bpy.data = Anything(objects=Objects())
    monkeypatch.setitem(sys.modules, "bpy", bpy)  # type: ignore[arg-type]  # a stand-in
    monkeypatch.setitem(sys.modules, "mathutils", types.SimpleNamespace(Matrix=np.array))  # type: ignore[arg-type]
    runpy.run_path(str(tmp_path / "out" / "cameras.py"))
    assert len(made) == 4
    for (thing, data), camera in zip(made, views.cameras, strict=True):
        x, y, z = camera.position
        np.testing.assert_allclose(thing.matrix_world[:3, 3], (x, -z, y), atol=1e-12)
        assert data.angle == pytest.approx(2 * np.arctan(12 / camera.K[0, 0]))
        assert data.shift_x == pytest.approx((12 - camera.K[0, 2]) / 24)


def test_unknown_kinds_of_cameras_are_refused(views: ViewSet, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such kind"):
        write_camera_files(tmp_path / "out", views, "maya")
    assert not (tmp_path / "out").exists()


def test_ply_takes_its_vertex_colours_from_the_texture(asset: Asset, tmp_path: Path) -> None:
    write_ply(tmp_path / "a.ply", asset)
    colors = read_asset(tmp_path / "a.ply").mesh.colors
    assert colors is not None
    assert asset.mesh.uvs is not None
    corner = (asset.mesh.uvs > 0.5).astype(int)
    expected = CORNERS.reshape(2, 2, 4)[corner[:, 1], corner[:, 0], :3]
    np.testing.assert_array_equal(colors, expected)
