"""Videos as samples: curated clips and MVImgNet's videos end in the shards that renders end in; nothing is made up."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_dataset_mvimgnet import write_video

from svdmv.core import ConfigError, DataError, InputError
from svdmv.dataset.check import check_dataset
from svdmv.dataset.loader import OrbitLoader
from svdmv.dataset.mvimgnet import LICENCE
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.recorded import covering, recorded_sha256, sources_from_curated
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule
from svdmv.dataset.shard import rendered_object
from svdmv.dataset.sources import object_sources_from
from svdmv.dataset.stats import dataset_stats, text_from_stats

RULE = OrbitRule(size=48, width=64, num_views=5, orbits_per_object=3)


def write_coloured_video(folder: Path, count: int, poses: int | None = None) -> None:
    """A stand-in video 80 x 60 whose pictures have a slope of colour and a mark in the middle of the frame."""
    write_video(folder, count, size=(80, 60), poses=poses)
    for n, path in enumerate(sorted((folder / "images").iterdir(), key=lambda p: int(p.stem))):
        picture = np.zeros((60, 80, 3), np.uint8)
        picture[..., 0] = np.arange(80) * 3
        picture[..., 1] = 8 * n
        picture[28:32, 38:42] = 255
        Image.fromarray(picture).save(path)


def curated_folder(folder: Path, frames: dict[str, int], dropped: tuple[str, ...] = ()) -> Path:
    """What a curation leaves: clips.jsonl and pictures of the kept clips."""
    for name, count in frames.items():
        (folder / "frames" / name).mkdir(parents=True)
        for n in range(count):
            picture = np.full((40, 70, 3), 10 * n, np.uint8)
            picture[:, :35, 1] = 200
            Image.fromarray(picture).save(folder / "frames" / name / f"{n:03d}.png")
        (folder / "frames" / name / "frames.json").write_text(json.dumps({"frames": list(range(count))}))
    rows = [{"id": n, "video": n, "status": "kept"} for n in frames]
    rows += [{"id": n, "video": n, "status": "dropped"} for n in dropped]
    folder.mkdir(exist_ok=True)
    (folder / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_video_is_one_sample_of_its_own_frames(tmp_path: Path) -> None:
    write_coloured_video(tmp_path / "7" / "0a", 25)
    (item,) = object_sources_from("mvimgnet", folder=tmp_path)
    result = rendered_object(item, RULE, RejectRules(), 0)
    assert (result.status, len(result.samples)) == ("rendered", 1)
    assert result.samples[0]["elevation_deg"] is None
    assert result.source_sha256 == recorded_sha256(item.location)
    assert rendered_object(item, RULE, RejectRules(), 9).source_sha256 == result.source_sha256
    picture = tmp_path / "7" / "0a" / "images" / "3.png"
    picture.write_bytes((tmp_path / "7" / "0a" / "images" / "4.png").read_bytes())
    assert recorded_sha256(item.location) != result.source_sha256


def test_mvimgnet_comes_out_of_the_loader_with_its_cameras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from svdmv.cli.data import build, check

    root, out = tmp_path / "MVImgNet", tmp_path / "data"
    write_coloured_video(root / "7" / "0a", 25)
    write_coloured_video(root / "7" / "0b", 25, poses=0)
    write_coloured_video(root / "12" / "0c", 4)
    (root / "mvimgnet_category.txt").write_text("7,stove\n12,bear doll\n")
    asked = ["preset=video", f"sources.mvimgnet.folder={root}", f"out={out}", "orbits.size=30", "orbits.width=40"]
    asked += ["orbits.num_views=5", "orbits.codec=qoi", "engine.workers=1"]
    assert build(asked) == 0
    assert "rejected (short)" in capsys.readouterr().out
    assert check([f"data={out}"]) == 0
    samples = {s.uid: s for s in OrbitLoader(out, background="none").epoch_samples()}
    assert set(samples) == {"mvimgnet-7-0a", "mvimgnet-7-0b"}
    posed, bare = samples["mvimgnet-7-0a"], samples["mvimgnet-7-0b"]
    assert posed.pixels.shape == (5, 30, 40, 4)
    assert (posed.pixels[..., 3] == 255).all()
    assert np.isnan(posed.elevations_deg).all()
    assert np.isnan(posed.azimuths_deg).all()
    assert bare.facts["cameras"] is None
    assert posed.facts["licence"] == LICENCE
    assert posed.facts["frames"] == ["1.png", "13.png", "17.png", "21.png", "25.png"]  # even in way
    assert len(posed.facts["cameras"]) == 5
    middle = np.array(posed.facts["cameras"][0]["K"])[:2, 2]
    assert middle == pytest.approx((20, 15), abs=0.51)  # halved with the pictures
    text = text_from_stats(dataset_stats(out))
    assert "as recorded" in text
    assert "5 views of 40x30 px" in text
    rows = [json.loads(line) for line in (out / "objects.jsonl").read_text().splitlines()]
    assert {row["uid"]: row["reason"] for row in rows}["mvimgnet-12-0c"] == "short"


def test_splits_of_mvimgnet_are_its_own(tmp_path: Path) -> None:
    for n in range(3):
        write_video(tmp_path / "1" / f"v{n}", 2, size=(80, 60))
    held = object_sources_from("mvimgnet", folder=tmp_path, split="test", shares={"train": 0.0, "test": 1.0})
    assert len(held) == 3
    with pytest.raises(ConfigError, match="Unknown split"):
        object_sources_from("mvimgnet", folder=tmp_path, split="validation")
    with pytest.raises(DataError, match="No object is left"):
        object_sources_from("mvimgnet", folder=tmp_path, licences="CC0,CC-BY")


def test_the_middle_of_the_frame_is_kept_and_told() -> None:
    frames = np.zeros((1, 60, 120, 3), np.uint8)
    frames[0, 20:40, 70:90] = 255
    out, window = covering(frames, 30, 30)
    assert out.shape == (1, 30, 30, 3)
    rows, columns = np.nonzero(out[0, ..., 0] > 127)
    x, y, _ = window @ np.array([80.0, 30.0, 1.0])
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.1)
    assert (x, y) == (25.0, 15.0)
    whole, window = covering(frames, 60, 120)
    assert np.array_equal(whole, frames)
    assert np.array_equal(window, np.eye(3))


def test_what_a_video_is_left_out_for(tmp_path: Path) -> None:
    def end(name: str, change: object = None) -> tuple[str, str]:
        folder = tmp_path / name / "frames" / "clip"
        curated_folder(tmp_path / name, {"clip": 6})
        if callable(change):
            change(folder)
        item = sources_from_curated(tmp_path / name)[0]
        result = rendered_object(item, OrbitRule(size=32, num_views=5), RejectRules(), 0)
        return result.status, result.reason

    def fill(folder: Path, levels: list[int]) -> None:
        for n, level in enumerate(levels):
            Image.fromarray(np.full((40, 70, 3), level, np.uint8)).save(folder / f"{n:03d}.png")

    assert end("good") == ("rendered", "")
    assert end("short", lambda f: [(f / f"{n:03d}.png").unlink() for n in (1, 2)]) == ("rejected", "short")
    assert end("black", lambda f: fill(f, [0, 1, 2, 0, 1, 2])) == ("rejected", "black")
    assert end("plain", lambda f: fill(f, [90, 91, 92, 93, 94, 95])) == ("rejected", "one_colour")
    assert end("still", lambda f: fill(f, [90, 200, 90, 200, 90, 10])) == ("rejected", "repeated_views")
    assert end("broken", lambda f: (f / "005.png").write_bytes(b"no picture")) == ("failed", "load_error")
    gone = ObjectSource("gone", f"frames:{tmp_path / 'nowhere'}", "CC0-1.0")
    assert rendered_object(gone, RULE, RejectRules(), 0).reason == "short"


def test_a_curation_that_cannot_be_packed_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no curation"):
        sources_from_curated(tmp_path)
    curated_folder(tmp_path / "none", {}, dropped=("a", "b"))
    with pytest.raises(DataError, match="2 clips, 0 kept"):
        sources_from_curated(tmp_path / "none")
    (tmp_path / "none" / "clips.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(DataError, match="cannot be read"):
        sources_from_curated(tmp_path / "none")
    folder = curated_folder(tmp_path / "bare", {"a": 3})
    (folder / "frames" / "a" / "frames.json").unlink()
    with pytest.raises(DataError, match="1 of them without frames"):
        sources_from_curated(folder)


def test_videos_to_shards_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2", reason='needs opencv: pip install ".[test]"')
    pytest.importorskip("scenedetect", reason='needs scenedetect: pip install ".[test]"')
    import test_dataset_videos

    from svdmv.cli.data_curate import curate
    from svdmv.io.video import write_video as write_mp4

    videos = tmp_path / "it's mine"
    videos.mkdir()
    frames = test_dataset_videos.slide(1, np.full(24, 1.0), 60, 80)
    write_mp4(videos / "turn.mp4", frames, 12)
    shards = tmp_path / "shards, too"
    asked = [f"videos='{str(videos).replace(chr(39), chr(92) + chr(39))}'", f"out={tmp_path / 'curated'}",
             f"shards='{shards}'", "licence=CC-BY-4.0", "attribution='A. Body, 2020'", "frame_side=32",
             "num_frames=6", "text=false", "pairs=0", "filters.least_motion=0",
             "filters.least_sharpness=0"]  # fmt: skip
    assert curate(asked) == 0
    assert "1 orbits" in capsys.readouterr().out
    assert check_dataset(shards).damages == ()
    (sample,) = OrbitLoader(shards).epoch_samples()
    assert sample.pixels.shape == (6, 32, 32, 3)
    assert math.isnan(sample.elevations_deg[0])
    assert "A. Body, 2020" in (shards / "ATTRIBUTION.md").read_text("utf-8")
    for n, bound in ((0, (0, 16)), (24, (25, 255))):  # through two lossy codecs the first frame is the first
        seen = np.asarray(Image.fromarray(frames[n]).resize((32, 32), Image.Resampling.BOX, box=(10, 0, 70, 60)))
        assert bound[0] <= np.abs(sample.pixels[0].astype(int) - seen).mean() < bound[1]
    with pytest.raises(ConfigError, match="Shards hold frames"):
        curate([f"videos={tmp_path}", f"shards={tmp_path}", "num_frames=0"])
