"""A shard: what is in the tar, that it is the same each time, what is left out and why."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svdmv.dataset.check import decoded_picture, members_of
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.rejects import RejectedError, RejectRules, require_good_views
from svdmv.dataset.sampling import OrbitRule
from svdmv.dataset.shard import rendered_object, sample_key, shard_bytes, tar_blocks

RULE = OrbitRule(size=24, num_views=5, orbits_per_object=2, lights=("uniform",), shading="unlit", supersampling=1)
ITEM = ObjectSource("cube", "", "CC0-1.0", "nobody", "code")
CUBE = """\
v -1 -1 -1 1 0 0\nv 1 -1 -1 0 1 0\nv 1 1 -1 0 0 1\nv -1 1 -1 1 1 0
v -1 -1 1 0 1 1\nv 1 -1 1 1 0 1\nv 1 1 1 1 1 1\nv -1 1 1 0.2 0.3 0.4
f 1 4 3 2\nf 5 6 7 8\nf 1 2 6 5\nf 4 8 7 3\nf 1 5 8 4\nf 2 3 7 6
"""


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> ObjectSource:
    path = tmp_path_factory.mktemp("cube") / "cube.obj"
    path.write_text(CUBE)
    return replace(ITEM, location=str(path))


def test_the_tar_opens_elsewhere_and_holds_what_it_should(cube: ObjectSource) -> None:
    data, (result,) = shard_bytes([cube], RULE, RejectRules(), 3)
    assert (result.status, result.reason) == ("rendered", "")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        files = {name: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]
        assert {(m.mtime, m.uid, m.uname, m.mode) for m in tar.getmembers()} == {(0, 0, "", 0o644)}
    assert names == [f"cube-o{o:02d}.{n}" for o in range(2) for n in ("json", *(f"{v:03d}.qoi" for v in range(5)))]
    facts = json.loads(files["cube-o01.json"])
    assert facts["uid"] == "cube"
    assert facts["licence"] == "CC0-1.0"
    assert len(facts["source_sha256"]) == 64
    assert facts["azimuths_deg"] == [0, 72, 144, 216, 288]
    view = decoded_picture("000.qoi", files["cube-o01.000.qoi"])
    assert view.shape == (24, 24, 4)
    assert (view[view[..., 3] == 0] == 0).all()
    coverage = float((view[..., 3] > 127).mean())
    assert coverage == pytest.approx(facts["coverage"][0], abs=1e-4)
    for row in result.samples:
        block = data[row["offset"] : row["offset"] + row["length"]]
        assert zlib.crc32(block) == row["crc32"]
        assert [name for name, _ in members_of(block)] == [n for n in names if n.startswith(row["key"])]


def test_equal_input_gives_equal_bytes_and_other_input_other(cube: ObjectSource) -> None:
    first = rendered_object(cube, RULE, RejectRules(), 3)
    assert rendered_object(cube, RULE, RejectRules(), 3) == first
    assert rendered_object(cube, RULE, RejectRules(), 4).data != first.data
    assert rendered_object(replace(cube, id="other"), RULE, RejectRules(), 3).data != first.data
    moved = Path(cube.location).with_name("moved.obj")
    moved.write_text(CUBE)
    assert rendered_object(replace(cube, location=str(moved)), RULE, RejectRules(), 3) == first


def test_the_object_fills_its_share_of_every_orbit(cube: ObjectSource) -> None:
    """The widest view reaches `fill` of the half frame; none leaves it."""
    rule = replace(RULE, size=200, fill=0.8, kind="dynamic", num_views=8, orbits_per_object=1)
    result = rendered_object(cube, rule, RejectRules(), 0)
    reach = 0.0
    for _, content in members_of(result.data)[1:]:
        rows, columns = np.nonzero(decoded_picture(".qoi", content)[..., 3] > 127)
        reach = max(
            reach, *(abs(edge + 0.5 - 100) / 100 for edge in (rows.min(), rows.max(), columns.min(), columns.max()))
        )
    assert 0.78 < reach < 0.815


@pytest.mark.parametrize("codec", ["qoi", "png", "webp"])
def test_every_codec_opens_in_pillow(cube: ObjectSource, codec: str) -> None:
    result = rendered_object(cube, replace(RULE, codec=codec), RejectRules(), 3)
    exact = decoded_picture(".qoi", members_of(rendered_object(cube, RULE, RejectRules(), 3).data)[1][1])
    name, content = members_of(result.data)[1]
    assert name.endswith(f".000.{codec}")
    far = np.abs(decoded_picture(name, content).astype(int) - exact)
    assert far[..., 3].max() == 0
    assert far[exact[..., 3] == 255].mean() <= (12 if codec == "webp" else 0)


@pytest.mark.parametrize(
    ("uid", "key"),
    [
        ("plain_Name-7", "plain_Name-7-o00"),
        ("with.dot", "with_dot-"),
        ("a/b c", "a_b_c-"),
        ("ü" * 300, "_" * 40 + "-"),
    ],
)
def test_keys_have_no_dot_and_stay_apart(uid: str, key: str) -> None:
    made = sample_key(uid, 0)
    assert made.startswith(key)
    assert "." not in made
    assert len(made) < 90
    assert made != sample_key(uid + ".", 0) != sample_key(uid, 1)


def test_tar_blocks_are_whole_blocks() -> None:
    for size in (0, 1, 511, 512, 513):
        blocks = tar_blocks([("a.bin", bytes(range(256)) * 3)[:2], ("b", b"x" * size)])
        assert len(blocks) % 512 == 0
        assert members_of(blocks) == [("a.bin", bytes(range(256)) * 3), ("b", b"x" * size)]


def views_of(colour: tuple[int, int, int] = (200, 60, 20), side: int = 10) -> np.ndarray:
    """Four different views of a square with a slope of colour."""
    views = np.zeros((4, 32, 32, 4), np.uint8)
    for n, view in enumerate(views):
        view[8 : 8 + side, 8 : 8 + side, :3] = colour
        view[8 : 8 + side // 2, 8 : 8 + side, :3] //= 2
        view[8 : 8 + side, 8 : 8 + side, 3] = 255
        view[8, 8, 0] = n
    return views


def without(views: np.ndarray, n: int) -> np.ndarray:
    views[n, ..., 3] = 0
    return views


def at_the_edge(views: np.ndarray) -> np.ndarray:
    views[3, 31, 5, 3] = 90
    return views


def standing_still(views: np.ndarray) -> np.ndarray:
    views[2] = views[1]
    return views


def even(views: np.ndarray) -> np.ndarray:
    views[..., :3] = 90
    views[:, 8, 8, 0] = [90, 91, 92, 93]
    return views


@pytest.mark.parametrize(
    ("views", "reason", "seen"),
    [
        (without(views_of(), 2), "small", "view 2 covers 0.0000"),
        (views_of(side=3), "small", "covers 0.0088"),
        (at_the_edge(views_of()), "border", "alpha 90 on the edge of view 3"),
        (views_of((3, 3, 3)), "black", "mean colour"),
        (even(views_of()), "one_colour", "deviation"),
        (standing_still(views_of()), "repeated_views", "3 different views"),
    ],
)
def test_each_rule_rejects_with_its_own_reason(views: np.ndarray, reason: str, seen: str) -> None:
    with pytest.raises(RejectedError, match=seen) as caught:
        require_good_views(views, RejectRules())
    assert caught.value.status == reason


def test_too_large_in_the_frame_and_good_views() -> None:
    require_good_views(views_of(), RejectRules())
    full = views_of()
    full[0, ..., 3] = 255
    with pytest.raises(RejectedError, match="view 0 covers 1") as caught:
        require_good_views(full, RejectRules())
    assert caught.value.status == "large"
    off = RejectRules(0.0, 1.0, 255, 0.0, 0.0, False)
    for views in (full, even(views_of()), standing_still(views_of()), at_the_edge(views_of())):
        require_good_views(views, off)


def textured_triangle(picture: str) -> str:
    """A .gltf of one textured triangle whose picture lies beside it."""
    values = np.array([0, 0, 0, 1, 0, 0, 0, 1, 0.5, 0, 0, 1, 0, 0, 1], "<f4").tobytes()
    uri = "data:;base64," + base64.b64encode(values).decode()
    views = [{"buffer": 0, "byteOffset": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 24}]
    kinds = [{"bufferView": n, "componentType": 5126, "count": 3, "type": f"VEC{3 - n}"} for n in range(2)]
    material = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    primitive = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0}
    return json.dumps({"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
                       "meshes": [{"primitives": [primitive]}], "materials": [material], "textures": [{"source": 0}],
                       "images": [{"uri": picture}], "accessors": kinds, "bufferViews": views,
                       "buffers": [{"byteLength": 60, "uri": uri}]})  # fmt: skip


def test_what_cannot_be_rendered_has_a_status_and_a_reason(cube: ObjectSource, tmp_path: Path) -> None:
    def end(text: str | None, suffix: str = ".obj", **rules: object) -> tuple[str, str]:
        path = tmp_path / f"model{suffix}"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        result = rendered_object(replace(ITEM, location=str(path)), RULE, RejectRules(**rules), 0)  # type: ignore[arg-type]
        assert result.detail
        assert (result.data, result.samples) == (b"", ())
        return result.status, result.reason

    plain = "\n".join(" ".join(line.split()[:4]) if line[0] == "v" else line for line in CUBE.splitlines())
    plate = "\n".join(line.replace("v -1", "v 0").replace("v 1", "v 0.001") for line in CUBE.splitlines())
    points = '{"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]}'
    assert end(None) == ("failed", "load_error")
    assert end("not a model", ".glb") == ("failed", "load_error")
    assert end(CUBE, largest_file_mb=0.0001) == ("rejected", "too_large")
    assert end("v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n") == ("rejected", "degenerate")
    assert end(plain, refuse_untextured=True) == ("rejected", "untextured")
    assert end(plate) == ("rejected", "flat")
    assert end(plate, least_thickness=0.0) == ("rejected", "small")
    assert end(points, ".gltf") == ("rejected", "empty")
    assert end(textured_triangle("absent.png"), ".gltf") == ("rejected", "missing_texture")
    assert end('{"asset": {"version": "2.0"}, "extensionsRequired": ["EXT_new"]}', ".gltf") == (
        "failed",
        "unsupported:EXT_new",
    )
    assert rendered_object(replace(ITEM, location="shape:x"), RULE, RejectRules(), 0).status == "failed"


@pytest.mark.filterwarnings("ignore")  # webdataset leaves files open
def test_webdataset_reads_a_shard(cube: ObjectSource, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    (tmp_path / "00000.tar").write_bytes(shard_bytes([cube], RULE, RejectRules(), 3)[0])
    samples = list(webdataset.WebDataset(str(tmp_path / "00000.tar"), shardshuffle=False))
    assert [s["__key__"] for s in samples] == ["cube-o00", "cube-o01"]
    assert json.loads(samples[0]["json"])["orbit"] == 0
    assert decoded_picture(".qoi", samples[1]["004.qoi"]).shape == (24, 24, 4)
