"""Every pixel mode and colour profile of picture files -> 8-bit sRGB RGBA."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from svdmv.core import InputError


def rgba_from_any_mode(image: Image.Image, value_range: Any, profile: bytes | None, notes: list[str]) -> Image.Image:
    """`image` of any Pillow mode as RGBA.

    Args:
        image: a decoded picture or a band of one.
        value_range: (lowest, highest) of the whole picture for the modes "I" and "F", else None.
        profile: the ICC profile, used here for CMYK and LAB only.
        notes: gets a line when the step is a guess.

    Raises:
        InputError: values that are not finite.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return _with_key(_eight_bit(np.asarray(image), 0.0, 65535.0), image, np.asarray(image))
    if mode in ("I", "F"):
        return _with_key(_eight_bit(np.asarray(image), *_range_of(mode, value_range, notes)), image, np.asarray(image))
    if mode == "CMYK":
        return _from_cmyk(image, profile, notes)
    if mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        out = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        return (out or image).convert("RGBA")
    if mode in ("YCbCr", "HSV", "RGBX"):
        return image.convert("RGB").convert("RGBA")
    if mode == "La":
        return image.convert("LA").convert("RGBA")
    return image.convert("RGBA")


def srgb_from_profile(rgba: Image.Image, profile: bytes, notes: list[str], *, grey: bool) -> Image.Image:
    """`rgba` brought from the ICC `profile` to sRGB; alpha untouched. A profile that cannot be used is noted."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        description = ImageCms.getProfileDescription(source).strip()
        if description.lower().startswith("srgb"):
            return rgba
        pixels = rgba.convert("L") if grey and source.profile.xcolor_space.strip() == "GRAY" else rgba.convert("RGB")
        out = ImageCms.profileToProfile(pixels, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if out is None:
            raise ValueError("no output")
    except Exception as error:  # a damaged profile raises anything
        notes.append(f"ICC profile not usable, taken as sRGB ({str(error) or type(error).__name__})")
        return rgba
    notes.append(f"converted from ICC profile {description!r} to sRGB")
    out.putalpha(rgba.getchannel("A"))
    return out


def _eight_bit(values: np.ndarray[Any, Any], low: float, high: float) -> np.ndarray[Any, Any]:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(
            "The picture holds values that are not finite",
            seen=f"{int((~np.isfinite(values)).sum())} of {values.size} pixels",
            expected="finite numbers",
        )
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def _range_of(mode: str, value_range: Any, notes: list[str]) -> tuple[float, float]:
    """The values shown as black and white: those of the usual encodings when they fit, else the picture's own."""
    low, high = (float(v) for v in value_range)
    ceilings: tuple[float, ...] = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        return 0.0, 1.0  # refused by the caller, value by value
    if mode == "I" and high > 255.0:
        ceilings = (65535.0,)
    ceiling = next((c for c in ceilings if low >= 0 and high <= c), None)
    if ceiling is not None:
        notes.append(f"grey values taken as 0 .. {ceiling:g}")
        return 0.0, ceiling
    notes.append(f"grey values stretched from {low:g} .. {high:g}")
    return low, high if high > low else low + 1.0


def _with_key(grey: np.ndarray[Any, Any], image: Image.Image, stored: np.ndarray[Any, Any]) -> Image.Image:
    """Grey as RGBA; the one value that the file calls transparent gets alpha 0."""
    rgba = Image.fromarray(grey).convert("RGBA")
    key = image.info.get("transparency")
    if isinstance(key, int):
        rgba.putalpha(Image.fromarray(np.where(stored == key, 0, 255).astype(np.uint8)))
    return rgba


def _from_cmyk(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            out = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if out is not None:
                notes.append("CMYK converted to sRGB by its ICC profile")
                return out.convert("RGBA")
        except Exception as error:  # a damaged profile raises anything
            notes.append(f"ICC profile not usable ({str(error) or type(error).__name__})")
    notes.append("CMYK converted to sRGB without a profile: colours are approximate")
    return image.convert("RGB").convert("RGBA")
