"""Where objects come from: licences in one spelling, splits by hash, folders as they are found, and clear refusals."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from svdmv.core import ConfigError, DataError, InputError, MissingDependency
from svdmv.dataset.licences import checked_licences, licence_allowed, spdx_from_text, write_attributions
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.objects import asset_from_location
from svdmv.dataset.sources import SOURCES, object_sources_from
from svdmv.dataset.splits import MVIMGNET_SHARES, mark_of, split_of
from svdmv.io.gltf import write_glb

TRIANGLES = "v 0 0 0\nv 1 0 0\nv 0 1 2\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("by", "CC-BY-4.0"),
        ("cc0", "CC0-1.0"),
        ("by-nc-sa", "CC-BY-NC-SA-4.0"),
        ("CC-BY-3.0", "CC-BY-3.0"),
        ("CC-BY 4.0", "CC-BY-4.0"),
        ("CC-BY International 4.0", "CC-BY-4.0"),
        ("Creative Commons - Attribution - Share Alike", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution-NoDerivs", "CC-BY-ND-4.0"),
        ("http://creativecommons.org/licenses/by-nc/3.0/", "CC-BY-NC-3.0"),
        ("Creative Commons - Public Domain Dedication", "CC0-1.0"),
        ("CC0", "CC0-1.0"),
        ("MIT License", "MIT"),
        ("CC-BY 4.0; CC0", "CC-BY 4.0; CC0"),
        (
            "see repo folder (Poly Haven CC0; YCB CC-BY 4.0; BSD)",
            "see repo folder (Poly Haven CC0; YCB CC-BY 4.0; BSD)",
        ),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_licences_have_one_spelling(text: str | None, name: str) -> None:
    assert spdx_from_text(text) == name
    assert spdx_from_text(name) == name


def test_a_family_allows_its_versions_and_not_its_cousins() -> None:
    free = ("CC0", "CC-BY")
    assert all(licence_allowed(name, free) for name in ("CC0-1.0", "CC-BY-4.0", "CC-BY-3.0", "by"))
    refused = ("CC-BY-NC-4.0", "CC-BY-SA-4.0", "MIT", "unknown", "", "CC-BY 4.0; CC-BY-NC 4.0")
    assert not any(licence_allowed(name, free) for name in refused)
    assert licence_allowed("CC-BY-NC-4.0", None)
    assert not licence_allowed("unknown", None)
    assert checked_licences("CC0, CC-BY") == free
    assert checked_licences("any") is None
    with pytest.raises(ConfigError):
        checked_licences(" ,")


def test_splits_depend_on_the_name_alone_and_have_their_shares() -> None:
    names = [f"object-{n}" for n in range(20_000)]
    shares = {"train": 0.9, "validation": 0.06, "test": 0.04}
    found = [split_of(name, shares) for name in names]
    for split, share in shares.items():
        assert found.count(split) / len(names) == pytest.approx(share, abs=4 * (share / len(names)) ** 0.5)
    assert found[:100] == [split_of(name, shares) for name in names[:100]]
    wider = {"train": 0.85, "validation": 0.06, "test": 0.09}
    held = {n for n, s in zip(names, found, strict=True) if s == "validation"}
    assert held == {n for n in names if split_of(n, wider) == "validation"}
    assert mark_of("a") == int(hashlib.sha256(b"a").hexdigest()[:8], 16) / 2**32
    assert MVIMGNET_SHARES["test"] * 200_900 == pytest.approx(900)
    with pytest.raises(ConfigError):
        split_of("a", {"train": 0.5})


def test_the_attribution_names_every_object_once(tmp_path: Path) -> None:
    items = [
        ObjectSource("b", "b.glb", "CC-BY-4.0", "Ann\nOther", "https://example.org/b"),
        ObjectSource("a", "a.glb", "CC-BY-4.0", "", ""),
        ObjectSource("c", "c.glb", "CC0-1.0", "Bo", ""),
    ]
    write_attributions(tmp_path / "A.md", items)
    lines = (tmp_path / "A.md").read_text("utf-8").splitlines()
    rows = [line for line in lines if line.startswith("- ")]
    assert rows == ["- a | author not named", "- b | Ann Other | https://example.org/b", "- c | Bo"]
    assert "## CC-BY-4.0 (2)" in lines


def manifest_folder(folder: Path, *, pack: bool = False, **changes: object) -> Path:
    """A folder with two procedural models and their manifest."""
    from svdmv.dataset.shapes import shape_from_seed

    folder.mkdir()
    rows = []
    for seed in (0, 1):
        path = folder / f"m{seed}.glb"
        write_glb(path, shape_from_seed(seed, "mug"))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({"id": f"m{seed}", "file": path.name, "sha256": digest, "licence": "CC0-1.0", "attribution": "me"})
    if pack:
        with tarfile.open(folder / "all.tar.xz", "w:xz") as tar:
            for row in rows:
                tar.add(folder / row["file"], row["file"])
                (folder / row["file"]).unlink()
    rows[0].update(changes.pop("row", {}))  # type: ignore[call-overload]
    (folder / "manifest.json").write_text(json.dumps({"format": "svdmv-objects-1", "objects": rows} | changes))
    return folder


def test_a_manifest_folder_packed_or_not(tmp_path: Path) -> None:
    plain = object_sources_from("manifest", folder=manifest_folder(tmp_path / "plain"))
    assert [item.id for item in plain] == ["m0", "m1"]
    packed = manifest_folder(tmp_path / "packed", pack=True)
    with pytest.raises(DataError, match="still packed"):
        object_sources_from("manifest", folder=packed)
    unpacked = object_sources_from("manifest", folder=packed, unpack_to=tmp_path / "out")
    assert [Path(i.location).read_bytes() for i in unpacked] == [Path(i.location).read_bytes() for i in plain]


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "svdmv-objects-2"},
        {"objects": None},
        {"row": {"sha256": "0" * 64}},
        {"row": {"file": "absent.glb"}},
        {"row": {"file": "../m0.glb"}},
    ],
)
def test_manifests_that_cannot_be_trusted_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(DataError):
        object_sources_from("manifest", folder=manifest_folder(tmp_path / "m", **changes))


def test_any_folder_of_models_gives_safe_and_distinct_ids(tmp_path: Path) -> None:
    for name in ("a/b.obj", "a b/ü.obj", "c.ply", "c.txt", "a/b.mtl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(TRIANGLES)
    items = object_sources_from("folder", folder=tmp_path, licence="cc0", attribution="me")
    assert len({item.id for item in items}) == len(items) == 3
    assert all(set(item.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") for item in items)
    assert {item.licence for item in items} == {"CC0-1.0"}
    assert object_sources_from("folder", folder=tmp_path)[0].licence == "unknown"
    with pytest.raises(DataError, match="No object is left"):
        object_sources_from("folder", folder=tmp_path, licences="CC0")
    with pytest.raises(InputError):
        object_sources_from("folder", folder=tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no model"):
        object_sources_from("folder", folder=tmp_path / "empty")


def test_scanned_objects_stand_up_and_find_their_texture(tmp_path: Path) -> None:
    meshes, textures = tmp_path / "Mug" / "meshes", tmp_path / "Mug" / "materials" / "textures"
    meshes.mkdir(parents=True)
    textures.mkdir(parents=True)
    (meshes / "model.obj").write_text("mtllib model.mtl\nusemtl m\n" + TRIANGLES)
    (meshes / "model.mtl").write_text("newmtl m\nmap_Kd texture.png\n")
    Image.fromarray(np.full((4, 4, 3), (200, 30, 30), np.uint8)).save(textures / "texture.png")
    (item,) = object_sources_from("gso", folder=tmp_path)
    assert (item.id, item.licence) == ("Mug", "CC-BY-4.0")
    asset = asset_from_location(item.location)
    assert asset.mesh.bounds.tolist() == [[0, 0, -1], [1, 2, 0]]  # z of the file became y, its y became -z
    texture = next(m.base_color_srgb for m in asset.materials if m.base_color_srgb is not None)
    assert texture[0, 0].tolist() == [200, 30, 30, 255]
    (textures / "texture.png").unlink()
    with pytest.raises(InputError, match="missing"):
        asset_from_location(item.location)
    (tmp_path / "Half").mkdir()
    with pytest.raises(InputError, match="Half"):
        object_sources_from("gso", folder=tmp_path)


def test_procedural_sources_name_their_seed_and_version() -> None:
    old = object_sources_from("procedural", count=2, version=1)
    new = object_sources_from("procedural", count=3, first=5)
    assert [item.location for item in old] == ["shape:0", "shape:1"]
    assert [item.location for item in new] == ["shape2:5", "shape2:6", "shape2:7"]
    assert {item.licence for item in [*old, *new]} == {"CC0-1.0"}
    assert asset_from_location("shape:1").provenance["seed"] == 1
    with pytest.raises(ConfigError):
        asset_from_location("shape:x")
    with pytest.raises(ConfigError):
        object_sources_from("procedural", count=0)
    only = object_sources_from("procedural", count=200, kind="pot")
    assert 0 < len(only) < 40


def test_what_is_asked_wrongly_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"procedural\?"):
        object_sources_from("procedral", count=1)
    with pytest.raises(ConfigError, match=r"count\?"):
        object_sources_from("procedural", cuont=1)
    with pytest.raises(ConfigError, match="count"):
        object_sources_from("procedural")
    with pytest.raises(ConfigError, match="validation"):
        object_sources_from("procedural", count=1, split="valid")
    assert set(SOURCES) >= {"manifest", "folder", "gso", "procedural", "objaverse"}


def test_splits_and_limits_of_a_source() -> None:
    shares = {"train": 0.5, "test": 0.5}
    both = [object_sources_from("procedural", count=40, split=s, shares=shares) for s in shares]
    assert sorted(i.id for part in both for i in part) == [i.id for i in object_sources_from("procedural", count=40)]
    assert object_sources_from("procedural", count=40, split="test", shares=shares, limit=3) == both[1][:3]


def test_objaverse_without_its_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "objaverse", None)
    with pytest.raises(MissingDependency, match=re.escape('pip install "svdmv[data]"')):
        object_sources_from("objaverse", root=tmp_path)
