"""Procedural objects: a seed in, a textured household-like thing out. Front to +Z, up +Y, free of anyone's rights.

The kinds live in svdmv.dataset.procedural, a function each; KINDS says how often each is drawn.
"""

from __future__ import annotations

import importlib

import numpy as np

from svdmv.core import Asset, ConfigError, Mesh
from svdmv.dataset.procedural.forms import Part
from svdmv.dataset.procedural.paints import Paint

_ROOM = "svdmv.dataset.procedural."
_STREAMS = {1: 20240, 2: 20241}
KINDS: dict[str, tuple[str, float]] = {
    "mug": ("vessels:mug", 1.0),
    "vase": ("vessels:vase", 1.0),
    "bottle": ("vessels:bottle", 1.0),
    "bowl": ("vessels:bowl", 0.7),
    "bell": ("vessels:bell", 0.5),
    "teapot": ("vessels:teapot", 0.8),
    "lamp": ("vessels:lamp", 0.7),
    "plant": ("garden:plant", 1.2),
    "sweet": ("garden:sweet", 0.8),
    "fruit": ("garden:apple", 0.7),
    "mushroom": ("garden:mushroom", 0.8),
    "trophy": ("vessels:goblet", 0.5),
    "car": ("vehicles:car", 2.0),
    "truck": ("vehicles:truck", 1.4),
    "bus": ("vehicles:bus", 1.0),
    "plane": ("craft:plane", 1.2),
    "boat": ("craft:boat", 1.0),
    "rocket": ("craft:rocket", 0.8),
    "locomotive": ("vehicles:locomotive", 0.9),
    "beast": ("creatures:beast", 3.0),
    "bird": ("creatures:bird", 1.4),
    "fish": ("creatures:fish", 1.0),
    "figure": ("figures:figure", 2.2),
    "robot": ("figures:robot", 1.4),
    "teddy": ("creatures:teddy", 1.2),
    "snowman": ("figures:snowman", 0.6),
    "carton": ("goods:carton", 1.6),
    "books": ("goods:books", 0.8),
    "gift": ("goods:gift", 0.6),
    "shoe": ("goods:shoe", 1.4),
    "chair": ("furniture:chair", 1.4),
    "cabinet": ("furniture:cabinet", 0.8),
    "house": ("furniture:house", 1.2),
    "letter": ("emblems:letter", 0.9),
    "medal": ("emblems:medal", 0.8),
    "radio": ("goods:radio", 1.1),
    "clock": ("goods:clock", 0.8),
    "jumble": ("emblems:jumble", 1.5),
}


VERSIONS = (1, 2)


def kinds_of(version: int) -> dict[str, tuple[str, float]]:
    """Kind -> (module:function, weight) of a generator's version. Raises ConfigError: there is no such version."""
    if version == 1:
        return KINDS
    if version == 2:
        from svdmv.dataset.procedural.catalogue import DRESSED_AGAIN, KINDS_2

        return {**{name: (where, weight * DRESSED_AGAIN) for name, (where, weight) in KINDS.items()}, **KINDS_2}
    raise ConfigError(
        "There is no such generator of shapes", where="version", seen=version, expected=f"one of {VERSIONS}"
    )


def drawn_kind(seed: int, version: int = 1) -> str:
    """The kind that a seed draws."""
    return _drawn(np.random.default_rng([seed, _STREAMS[version]]), kinds_of(version))


def shape_from_seed(seed: int, kind: str | None = None, *, version: int = 1) -> Asset:
    """The object of a seed: same seed and version, same bytes.

    Args:
        seed: 0 or above.
        kind: a name in kinds_of(version); None draws one by weight.
        version: 1, the generator that svdmv-mini was trained with, whose objects never change; 2, with more kinds,
            objects without a name, cuts, relief, worn and woven finishes, decals.

    Returns:
        Asset, front +Z, up +Y, standing on y = 0 or near it, about 1 to 2 units high; not normalised.
        Vertex normals are sharp above 45 degrees; provenance names generator, kind, seed and, from 2 on, version.

    Raises:
        ConfigError: a negative seed, an unknown kind or version.
    """
    kinds = kinds_of(version)
    if seed < 0 or (kind is not None and kind not in kinds):
        raise ConfigError(
            "There is no such shape",
            where="shape_from_seed",
            seen=f"seed {seed}, kind {kind}",
            expected="a seed of 0 or more and a kind of " + ", ".join(kinds),
        )
    rng = np.random.default_rng([seed, _STREAMS[version]])
    drawn = _drawn(rng, kinds)
    name = drawn if kind is None else kind
    provenance: dict[str, str | int] = {"generator": "svdmv.dataset.shapes", "kind": name, "seed": seed}
    if version == 1:
        module, _, function = kinds[name][0].partition(":")
        parts: list[Part] = getattr(importlib.import_module(_ROOM + module), function)(rng)
        return _assembled(parts, provenance)
    from svdmv.dataset.procedural.catalogue import dressed, made_of

    return _assembled(dressed(rng, made_of(kinds[name][0], rng), name), {**provenance, "version": version})


def _drawn(rng: np.random.Generator, kinds: dict[str, tuple[str, float]]) -> str:
    names = list(kinds)
    weights = np.cumsum([kinds[name][1] for name in names])
    return names[int(np.searchsorted(weights, rng.uniform() * weights[-1], side="right"))]


def _assembled(parts: list[Part], provenance: dict[str, str | int]) -> Asset:
    """All parts as one mesh, one material for each paint."""
    from svdmv.render.scene import creased

    paints: list[Paint] = []
    index, starts, total = [], [], 0
    for part in parts:
        if part.paint is None:
            raise ValueError("a part has no paint")
        if not any(part.paint is p for p in paints):
            paints.append(part.paint)
        index.append(np.full(len(part.faces), next(i for i, p in enumerate(paints) if p is part.paint)))
        starts.append(total)
        total += len(part.vertices)
    vertices = np.concatenate([p.vertices for p in parts])
    vertices = (np.round(vertices * 2**16) / 2**16).astype(np.float32)  # last bits differ from machine to machine
    faces = np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=True)])
    uvs = np.concatenate([p.uvs for p in parts]).astype(np.float32)
    corners = vertices[faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    keep = area > 1e-10
    source, faces, normals = creased(vertices, faces[keep])
    mesh = Mesh(vertices[source], faces.astype(np.int32), normals.astype(np.float32), uvs[source])
    materials = tuple(p.material(f"paint {i}") for i, p in enumerate(paints))
    return Asset(mesh, materials, np.concatenate(index)[keep].astype(np.int32), provenance)
