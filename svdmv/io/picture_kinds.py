"""What a file that is not a readable picture most likely is, said in one sentence."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import Image

from svdmv.core import InputError

_RAW_SUFFIXES = {".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw", ".raw"}
_EXPORT_AS_PNG = "open it in an image program and save it as PNG"
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"}


@cache
def readable_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are opened; the others (PostScript runs a program) never are."""
    Image.init()
    wanted = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "JPEG2000", "AVIF")
    return tuple(name for name in wanted if name in Image.OPEN)


def refusal_of_unreadable(data: bytes, where: Path | str, error: Exception) -> InputError:
    """The InputError for a file that no picture decoder accepts: names its true kind where the first bytes tell."""
    kind, next_step = _kind_of(data, Path(str(where)).suffix.lower())
    damaged = kind is None and not type(error).__name__.startswith("Unidentified")
    return InputError(
        "The picture is damaged" if damaged else "This file is not a picture that can be read",
        where=where,
        seen=kind or (str(error) if damaged else f"{len(data)} bytes of an unknown kind"),
        expected="PNG, JPEG, WebP, TIFF, GIF or BMP",
        next_step=next_step,
    )


def _kind_of(data: bytes, suffix: str) -> tuple[str | None, str]:
    head = data[:512].lstrip().lower()
    if not data:
        return "an empty file (0 bytes)", "download or export the picture again"
    if head.startswith((b"<!doctype html", b"<html")) or b"<html" in head:
        return "a web page (HTML), not a picture", "open the page in a browser and save the picture itself"
    if b"<svg" in head:
        return "an SVG drawing (vectors, no pixels)", "export it as PNG, 1024 px wide, from a drawing program"
    if data[4:8] == b"ftyp":
        if data[8:12] in _HEIF_BRANDS:
            return "a HEIC/HEIF photo", "convert it to JPEG or PNG (on a phone: share it as 'most compatible')"
        if data[8:12] in (b"avif", b"avis"):
            return "an AVIF picture that this Pillow cannot decode", "convert it to PNG, or pip install -U pillow"
        return "a video or another ISO media file", "save one frame as PNG"
    if suffix in _RAW_SUFFIXES or data[8:10] == b"CR" or data[:8] == b"FUJIFILM":
        return "a camera's raw file", "develop it to JPEG or PNG with the camera's program"
    for magic, kind in (
        (b"\x89PNG\r\n\x1a\n", "a damaged PNG"),
        (b"\xff\xd8\xff", "a damaged JPEG"),
        (b"GIF8", "a damaged GIF"),
        (b"RIFF", "a damaged WebP, or a RIFF file of another kind"),
        (b"II*\x00", "a damaged TIFF, or one of a kind that Pillow does not decode"),
        (b"MM\x00*", "a damaged TIFF, or one of a kind that Pillow does not decode"),
    ):
        if data.startswith(magic):
            return kind, "download or export the picture again"
    for magic, kind in (
        (b"%PDF", "a PDF document"),
        (b"%!PS", "a PostScript drawing"),
        (b"8BPS", "a Photoshop document"),
        (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
        (b"#?RADIANCE", "a Radiance HDR picture"),
        (b"\xff\x0a", "a JPEG XL picture"),
        (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
        (b"\xabKTX", "a KTX texture"),
        (b"DDS ", "a DDS texture"),
        (b"PK\x03\x04", "a ZIP archive"),
    ):
        if data.startswith(magic):
            return kind, _EXPORT_AS_PNG
    if data.startswith(b"glTF"):
        return "a 3D model (GLB)", "give a picture here; to render a model use: svdmv render MODEL.glb -o OUT"
    return None, "use a PNG, JPEG or WebP picture"
