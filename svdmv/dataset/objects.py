"""An object's location -> its asset: model files, procedural seeds, folders of Google Scanned Objects."""

from __future__ import annotations

from pathlib import Path

from svdmv.core import Asset, ConfigError
from svdmv.dataset.object_source import ObjectSource

SHAPE_SCHEMES = {"shape": 1, "shape2": 2}


def asset_from_location(location: str) -> Asset:
    """The asset of an object source.

    Args:
        location: path of a model file; `shape:SEED` or `shape2:SEED` for a procedural object of the first or second
            generator; `gso:FOLDER` for an object of Google Scanned Objects as it is unpacked.

    Returns:
        Asset in the file's own unit, +Y up, not normalised.

    Raises:
        ConfigError: a seed that is no number.
        InputError: whatever the file's reader finds wrong.
    """
    from svdmv.io.meshes import read_asset

    scheme, colon, rest = location.partition(":")
    if colon and scheme in SHAPE_SCHEMES:
        from svdmv.dataset.shapes import shape_from_seed

        if not rest.isdigit():
            raise ConfigError("A procedural object needs a seed", where=location, seen=rest, expected=f"{scheme}:SEED")
        return shape_from_seed(int(rest), version=SHAPE_SCHEMES[scheme])
    if colon and scheme == "gso":
        from svdmv.dataset.folders import asset_from_gso

        return asset_from_gso(Path(rest))
    return read_asset(Path(location))


def sources_from_seeds(count: int, first: int = 0, version: int = 2, kind: str | None = None) -> list[ObjectSource]:
    """`count` procedural objects of consecutive seeds; CC0, so that nothing rests on anyone's rights.

    kind: keep only seeds whose object is of that kind; `count` seeds are looked at either way.
    Raises ConfigError: a count below 1, a negative seed, an unknown version or kind.
    """
    from svdmv.dataset.shapes import drawn_kind, kinds_of

    scheme = next((name for name, number in SHAPE_SCHEMES.items() if number == version), None)
    if count < 1 or first < 0 or scheme is None or (kind is not None and kind not in kinds_of(version)):
        raise ConfigError(
            "There are no such procedural objects",
            where="procedural",
            seen=f"count {count}, first {first}, version {version}, kind {kind}",
            expected="count >= 1, first >= 0, version 1 or 2" + ("" if kind is None else ", a kind of that version"),
        )
    seeds = [s for s in range(first, first + count) if kind is None or drawn_kind(s, version) == kind]
    name = "svdmv.dataset.shapes.shape_from_seed"
    return [
        ObjectSource(f"{scheme}-{s:08d}", f"{scheme}:{s}", "CC0-1.0", "svdmv", f"{name}({s}, version={version})")
        for s in seeds
    ]
