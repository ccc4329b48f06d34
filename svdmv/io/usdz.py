"""Asset -> USDZ, the package that phones and tablets open: +Y up, one unit is one metre.

Source: OpenUSD's UsdPreviewSurface and USDZ specifications (openusd.org/release/spec.html).
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, DataError, Material, require
from svdmv.io.atomic import json_text, translated_os_errors, whole_file
from svdmv.io.colour import linear_from_srgb
from svdmv.io.gltf_reader import PROVENANCE_KEY
from svdmv.io.pictures import png_bytes


def write_usdz(path: Path | str, asset: Asset) -> None:
    """Write `asset` as a USDZ package, whole or not at all: preview surfaces, PNG textures, provenance as layer data.

    Raises:
        DataError: no face, or a textured material without uvs.
        MissingDependency: usd-core is not installed.
        InputError: the system refuses to write.
    """
    mesh = asset.mesh
    if not len(mesh.faces):
        raise DataError("An empty mesh cannot be written", where="Asset.mesh", seen="0 faces", expected="1 or more")
    utils = require("pxr.UsdUtils", "export", "writing USDZ")
    path = Path(path)
    with whole_file(path) as target, tempfile.TemporaryDirectory(prefix="svdmv-usdz-") as name:
        layer = Path(name) / "model.usdc"
        with translated_os_errors(path):
            _write_layer(layer, asset, path.stem)
        made = Path(name) / "package.usdz"
        if not utils.CreateNewUsdzPackage(str(layer), str(made)):
            raise DataError("OpenUSD could not pack the model", where=path, seen="CreateNewUsdzPackage failed")
        target.write_bytes(made.read_bytes())


def _write_layer(layer: Path, asset: Asset, title: str) -> None:
    usd, geom, shade, sdf, vt = (
        require(f"pxr.{n}", "export", "USDZ") for n in ("Usd", "UsdGeom", "UsdShade", "Sdf", "Vt")
    )
    stage = usd.Stage.CreateNew(str(layer))
    geom.SetStageUpAxis(stage, geom.Tokens.y)
    geom.SetStageMetersPerUnit(stage, 1.0)
    name = identifier(title)
    root = geom.Xform.Define(stage, f"/{name}")
    usd.ModelAPI(root.GetPrim()).SetKind("component")
    stage.SetDefaultPrim(root.GetPrim())
    if asset.provenance:
        stage.GetRootLayer().customLayerData = {PROVENANCE_KEY: json_text(dict(asset.provenance))}
    mesh, prim = asset.mesh, geom.Mesh.Define(stage, f"/{name}/mesh")
    prim.CreatePointsAttr(vt.Vec3fArray.FromNumpy(mesh.vertices))
    prim.CreateFaceVertexIndicesAttr(vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces.reshape(-1))))
    prim.CreateFaceVertexCountsAttr(vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    prim.CreateSubdivisionSchemeAttr(geom.Tokens.none)
    prim.CreateExtentAttr(vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.bounds)))
    if any(material.double_sided for material in asset.materials):
        prim.CreateDoubleSidedAttr(True)
    if mesh.normals is not None:
        prim.CreateNormalsAttr(vt.Vec3fArray.FromNumpy(mesh.normals))
        prim.SetNormalsInterpolation(geom.Tokens.vertex)
    variables = geom.PrimvarsAPI(prim)
    if mesh.uvs is not None:
        uvs = np.stack([mesh.uvs[:, 0], 1 - mesh.uvs[:, 1]], 1).astype(np.float32)  # from the bottom left
        variable = variables.CreatePrimvar("st", sdf.ValueTypeNames.TexCoord2fArray, geom.Tokens.vertex)
        variable.Set(vt.Vec2fArray.FromNumpy(uvs))
    if mesh.colors is not None:
        colors = linear_from_srgb(mesh.colors / 255.0).astype(np.float32)
        variable = variables.CreatePrimvar("displayColor", sdf.ValueTypeNames.Color3fArray, geom.Tokens.vertex)
        variable.Set(vt.Vec3fArray.FromNumpy(np.ascontiguousarray(colors)))
    owners = asset.material_of_faces()
    for index, material in enumerate(asset.materials):
        faces = np.flatnonzero(owners == index)
        if not len(faces):
            continue
        made = _Surface(stage, f"/{name}/materials/m{index}", layer.parent, index).made(material, mesh.uvs, mesh.colors)
        if len(faces) == len(owners):
            bound = prim.GetPrim()
        else:
            subset = geom.Subset.CreateGeomSubset(
                prim, f"m{index}", geom.Tokens.face, vt.IntArray.FromNumpy(faces.astype(np.int32)), "materialBind",
                geom.Tokens.nonOverlapping,
            )  # fmt: skip
            bound = subset.GetPrim()
        shade.MaterialBindingAPI.Apply(bound).Bind(made)
    stage.GetRootLayer().Save()


class _Surface:
    """One UsdPreviewSurface with its textures beside the layer."""

    def __init__(self, stage: Any, place: str, folder: Path, index: int) -> None:
        self._shade, self._sdf = require("pxr.UsdShade", "export", "USDZ"), require("pxr.Sdf", "export", "USDZ")
        self._stage, self._place, self._folder, self._index = stage, place, folder, index
        self._types = self._sdf.ValueTypeNames

    def made(self, m: Material, uvs: NDArray[np.float32] | None, colors: NDArray[np.uint8] | None) -> Any:
        """The material, its inputs connected."""
        material = self._shade.Material.Define(self._stage, self._place)
        surface = self._shader("surface", "UsdPreviewSurface")
        material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
        textured = any(
            t is not None for t in (m.base_color_srgb, m.metallic_roughness_linear, m.normal_linear, m.emissive_srgb)
        )
        if textured and uvs is None:
            raise DataError("A textured material needs texture coordinates", where="Asset.materials", seen="no uvs")
        types, factor = self._types, [float(v) for v in m.base_color_factor_linear]
        if textured:
            reader = self._shader("st", "UsdPrimvarReader_float2")
            reader.CreateInput("varname", types.String).Set("st")
            reader.CreateOutput("result", types.Float2)
        color = surface.CreateInput("diffuseColor", types.Color3f)
        if m.base_color_srgb is not None:
            see_through = m.alpha_mode != "OPAQUE" and bool((m.base_color_srgb[..., 3] < 255).any())
            pixels = m.base_color_srgb if see_through else m.base_color_srgb[..., :3]
            texture = self._texture("color", pixels, "sRGB", scale=(*factor[:3], factor[3]))
            color.ConnectToSource(texture.ConnectableAPI(), "rgb")
            if see_through:
                surface.CreateInput("opacity", types.Float).ConnectToSource(texture.ConnectableAPI(), "a")
        elif colors is not None:
            reader = self._shader("vertex_color", "UsdPrimvarReader_float3")
            reader.CreateInput("varname", types.String).Set("displayColor")
            reader.CreateOutput("result", types.Float3)
            color.ConnectToSource(reader.ConnectableAPI(), "result")
        else:
            color.Set(tuple(factor[:3]))
        if m.alpha_mode != "OPAQUE" and m.base_color_srgb is None and factor[3] < 1:
            surface.CreateInput("opacity", types.Float).Set(factor[3])
        if m.alpha_mode == "MASK":
            surface.CreateInput("opacityThreshold", types.Float).Set(float(m.alpha_cutoff))
        rough, metal = surface.CreateInput("roughness", types.Float), surface.CreateInput("metallic", types.Float)
        if m.metallic_roughness_linear is not None:
            scale = (1.0, float(m.roughness), float(m.metallic), 1.0)
            texture = self._texture("metallic_roughness", m.metallic_roughness_linear, "raw", scale=scale)
            rough.ConnectToSource(texture.ConnectableAPI(), "g")
            metal.ConnectToSource(texture.ConnectableAPI(), "b")
        else:
            rough.Set(float(m.roughness))
            metal.Set(float(m.metallic))
        if m.normal_linear is not None:
            span, low = (2.0, 2.0, 2.0, 1.0), (-1.0, -1.0, -1.0, 0.0)
            texture = self._texture("normal", m.normal_linear, "raw", scale=span, bias=low)
            surface.CreateInput("normal", types.Normal3f).ConnectToSource(texture.ConnectableAPI(), "rgb")
        if m.emissive_srgb is not None and any(m.emissive_factor_linear):
            texture = self._texture("emissive", m.emissive_srgb, "sRGB", scale=(*m.emissive_factor_linear, 1.0))
            surface.CreateInput("emissiveColor", types.Color3f).ConnectToSource(texture.ConnectableAPI(), "rgb")
        return material

    def _shader(self, name: str, kind: str) -> Any:
        shader = self._shade.Shader.Define(self._stage, f"{self._place}/{name}")
        shader.CreateIdAttr(kind)
        return shader

    def _texture(self, name: str, pixels: NDArray[np.uint8], space: str, **changes: tuple[float, ...]) -> Any:
        file = f"textures/{name}_{self._index}.png"
        (self._folder / "textures").mkdir(exist_ok=True)
        (self._folder / file).write_bytes(png_bytes(pixels))
        types, shader = self._types, self._shader(name, "UsdUVTexture")
        shader.CreateInput("file", types.Asset).Set(self._sdf.AssetPath(f"./{file}"))
        shader.CreateInput("sourceColorSpace", types.Token).Set(space)
        for axis in "ST":
            shader.CreateInput(f"wrap{axis}", types.Token).Set("repeat")
        for key, value in changes.items():
            if value != (1.0, 1.0, 1.0, 1.0):
                shader.CreateInput(key, types.Float4).Set(tuple(float(v) for v in value))
        reader = self._shade.Shader.Get(self._stage, f"{self._place}/st")
        shader.CreateInput("st", types.Float2).ConnectToSource(reader.ConnectableAPI(), "result")
        for output, kind in (
            ("rgb", types.Float3),
            ("r", types.Float),
            ("g", types.Float),
            ("b", types.Float),
            ("a", types.Float),
        ):
            shader.CreateOutput(output, kind)
        return shader


def identifier(title: str) -> str:
    """A name that USD allows: ASCII letters, digits and underscores, not beginning with a digit."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", title) or "object"
    return f"_{name}" if name[0].isdigit() else name


def usd_findings(path: Path | str) -> list[str]:
    """What OpenUSD's own validators say about a file, errors and warnings, one line each; empty = content.

    Raises MissingDependency: usd-core is not installed.
    """
    validation = require("pxr.UsdValidation", "export", "checking USDZ")
    usd = require("pxr.Usd", "export", "checking USDZ")
    stage = usd.Stage.Open(str(path))
    registry = validation.ValidationRegistry()
    context = validation.ValidationContext(registry.GetOrLoadAllValidators())
    return [f"{error.GetName()}: {error.GetMessage()}" for error in context.Validate(stage)]
