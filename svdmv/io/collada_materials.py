"""COLLADA effects of the common profile -> Material: diffuse colour or picture, emission, transparency.

Colours are taken as sRGB, as the programs that write them mean them. Specular parts are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError, Material
from svdmv.io.atomic import translated_os_errors
from svdmv.io.collada_xml import Tree, numbers
from svdmv.io.colour import linear_from_srgb
from svdmv.io.pictures import rgba_from_bytes

_SHADERS = ("phong", "blinn", "lambert", "constant")
_ELSEWHERE = (".", "textures", "../materials/textures", "../textures")


class ColladaMaterials:
    """The materials of a document by their ids; pictures are decoded once."""

    def __init__(self, tree: Tree, path: Path, max_texture_px: int) -> None:
        self._tree, self._path, self._max_texture_px = tree, path, max_texture_px
        self._pictures: dict[Path, NDArray[np.uint8]] = {}

    def material(self, name: int | str | None) -> Material:
        """The material with this id; a plain grey-white one when there is none.

        Raises:
            InputError: a picture is absent or damaged (status missing_texture).
        """
        tree = self._tree
        row = tree.by_id(str(name))
        if row is None or tree.name(row) != "material":
            return Material(name=str(name or "default"))
        instance = tree.first(row, "instance_effect")
        effect = None if instance is None else tree.target(instance, "url")
        shaders = [] if effect is None else tree.inside(effect, *_SHADERS)
        label = row.get("name") or row.get("id") or "material"
        if not shaders:
            tree.notes.append(f"material {label!r} has no common shader: plain")
            return Material(name=label)
        shader = shaders[0]
        unlit = tree.name(shader) == "constant"
        main = "emission" if unlit and tree.first(shader, "diffuse") is None else "diffuse"
        colour, picture = self._colour(effect, tree.first(shader, main), 1.0)
        glow, glow_picture = self._colour(effect, tree.first(shader, "emission"), 0.0)
        alpha, alpha_picture = self._alpha(shader), tree.first(shader, "transparent", "texture") is not None
        seen_through = picture is not None and alpha_picture and bool((picture[..., 3] < 255).any())
        red, green, blue = (float(v) for v in colour)
        glow = np.zeros(3) if main == "emission" else glow
        r, g, b = (float(v) for v in glow)
        sides = [e.text for e in [*tree.inside(effect, "double_sided"), *tree.inside(row, "double_sided")]]
        return Material(
            name=label,
            base_color_factor_linear=(red, green, blue, alpha),
            base_color_srgb=picture,
            emissive_factor_linear=(r, g, b),
            emissive_srgb=None if glow_picture is None or main == "emission" else glow_picture[..., :3],
            alpha_mode="BLEND" if seen_through or alpha < 1 else "OPAQUE",
            double_sided=any((text or "").strip() in ("1", "true") for text in sides),
            unlit=unlit,
        )

    def _colour(self, effect: Any, row: Any, default: float) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
        """Linear factor (3,) and picture of a shader's parameter."""
        if row is None:
            return np.full(3, default), None
        texture = self._tree.first(row, "texture")
        if texture is not None:
            picture = self._picture(effect, texture.get("texture", ""))
            return (np.ones(3), picture) if picture is not None else (np.full(3, default), None)
        found = numbers(self._tree.text(row, "color"))
        if len(found) < 3 or not np.isfinite(found).all():
            return np.full(3, default), None
        return linear_from_srgb(found[:3].clip(0, 1)), None

    def _alpha(self, shader: Any) -> float:
        """Opacity; a fully transparent material is taken as opaque, because that is what careless writers mean."""
        row, amount = self._tree.first(shader, "transparent"), self._tree.text(shader, "transparency", "float")
        value = float(amount) if amount is not None else 1.0
        colour = np.array([1.0, 1.0, 1.0, 1.0]) if row is None else numbers(self._tree.text(row, "color"))
        colour = colour if len(colour) == 4 else np.ones(4)
        mode = "A_ONE" if row is None else row.get("opaque", "A_ONE")
        light = float(colour[:3] @ (0.212671, 0.715160, 0.072169))
        shares = {
            "A_ONE": colour[3] * value,
            "A_ZERO": 1 - colour[3] * value,
            "RGB_ZERO": 1 - light * value,
            "RGB_ONE": light * value,
        }
        alpha = float(np.clip(shares.get(mode, 1.0), 0, 1))
        if alpha == 0 or not np.isfinite(alpha):
            self._tree.notes.append("a fully transparent material is shown as opaque")
            return 1.0
        return alpha

    def _picture(self, effect: Any, name: str) -> NDArray[np.uint8] | None:
        """The picture behind a sampler's name, or directly an image's."""
        tree = self._tree
        params = {e.get("sid"): e for e in tree.inside(effect, "newparam")}
        for _ in range(4):
            if name not in params:
                break
            row = params[name]
            link = next(iter(tree.inside(row, "source", "init_from")), None)
            image = next(iter(tree.inside(row, "instance_image")), None)
            name = image.get("url", "").removeprefix("#") if image is not None else (getattr(link, "text", None) or "")
            name = name.strip()
        image = tree.by_id(name)
        texts = [] if image is None else [(e.text or "").strip() for e in tree.inside(image, "init_from", "ref")]
        address = next((text for text in texts if text), None)
        if address is None:
            tree.notes.append(f"texture {name!r} leads nowhere: left out")
            return None
        return self._decoded(address)

    def _decoded(self, address: str) -> NDArray[np.uint8]:
        parsed = urlparse(address.replace("\\", "/"))
        place = unquote(parsed.path if parsed.scheme == "file" else address.replace("\\", "/"))
        folder, top = self._path.parent.resolve(), self._path.parent.resolve().parent
        spots = [folder / place, *(folder / spot / Path(place).name for spot in _ELSEWHERE)]
        found = next((p for p in (s.resolve() for s in spots) if p.is_relative_to(top) and p.is_file()), None)
        if found is None:
            raise InputError(
                "The model refers to a picture that is not there",
                where=self._path,
                seen=address[:120],
                expected="the picture in the model's folder, in textures/ or in ../materials/textures/",
                next_step=f"put {Path(place).name[:120]} beside the model",
                status="missing_texture",
            )
        if found not in self._pictures:
            with translated_os_errors(found):
                data = found.read_bytes()
            try:
                rgba, notes = rgba_from_bytes(data, found, max_side_px=self._max_texture_px, as_stored=True)
            except InputError as error:
                error.status = "missing_texture"
                raise
            self._tree.notes.extend(f"texture {found.name}: {note}" for note in notes)
            self._pictures[found] = rgba
        return self._pictures[found]
