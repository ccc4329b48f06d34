"""Reading: each sample once an epoch, the same order everywhere, taken up anywhere, nothing replaced."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_in_worker import RULE, discs

from svdmv.core import ConfigError, DataError
from svdmv.dataset.check import check_dataset
from svdmv.dataset.loader import OrbitLoader, torch_dataset
from svdmv.dataset.manifest import Manifest
from svdmv.dataset.object_source import ObjectSource


def keys(loader: OrbitLoader) -> list[str]:
    return [sample.key for sample in loader.epoch_samples()]


@pytest.fixture
def copied(drawn_data: Path, tmp_path: Path) -> Path:
    """A data set that may be damaged."""
    return Path(shutil.copytree(drawn_data, tmp_path / "data"))


def test_pixels_are_what_was_drawn(drawn_data: Path) -> None:
    for sample in OrbitLoader(drawn_data, background="none").epoch_samples():
        assert np.array_equal(sample.pixels, discs(ObjectSource(sample.uid, "", ""), sample.orbit, RULE))
        assert sample.azimuths_deg.tolist() == [0, 90, 180, 270]
        assert np.ptp(sample.elevations_deg) == 0
        assert sample.facts["uid"] == sample.uid


def test_backgrounds_are_mixed_in_srgb_and_rounded(drawn_data: Path) -> None:
    for background, colour in (("white", (255, 255, 255)), ((10, 200, 30), (10, 200, 30))):
        mixed = next(OrbitLoader(drawn_data, shuffle=False, background=background).epoch_samples())  # type: ignore[arg-type]
        rgba = next(OrbitLoader(drawn_data, shuffle=False, background="none").epoch_samples()).pixels.astype(np.float64)
        alpha = rgba[..., 3:] / 255
        expected = rgba[..., :3] * alpha + np.array(colour) * (1 - alpha)
        assert np.abs(mixed.pixels - expected).max() <= 0.5 + 1e-9
    one = [s.pixels[0, 0, 0].tolist() for s in OrbitLoader(drawn_data, background="random").epoch_samples()]
    two = [s.pixels[0, 0, 0].tolist() for s in OrbitLoader(drawn_data, background="random").epoch_samples()]
    assert one == two
    assert len({tuple(c) for c in one}) == 20


def test_an_epoch_has_every_sample_once_and_epochs_differ(drawn_data: Path) -> None:
    loader = OrbitLoader(drawn_data)
    first, second = keys(loader), keys(loader)
    assert sorted(first) == sorted(second) == sorted(s["key"] for s in Manifest.open(drawn_data).samples)
    assert first != second
    assert keys(OrbitLoader(drawn_data)) == first
    assert keys(OrbitLoader(drawn_data, seed=1)) != first
    assert keys(OrbitLoader(drawn_data, shuffle=False)) == [s["key"] for s in Manifest.open(drawn_data).samples]


def test_few_shards_at_a_time_stay_together(drawn_data: Path) -> None:
    shard = {s["key"]: s["shard"] for s in Manifest.open(drawn_data).samples}
    seen = [shard[key] for key in keys(OrbitLoader(drawn_data, shuffle_shards=1))]
    assert sum(a != b for a, b in pairwise(seen)) == 3
    assert seen != sorted(seen)


@pytest.mark.parametrize("readers", [2, 3, 7])
def test_readers_share_an_epoch_without_overlap(drawn_data: Path, readers: int) -> None:
    loaders = [OrbitLoader(drawn_data, reader=n, num_readers=readers) for n in range(readers)]
    parts = [keys(loader) for loader in loaders]
    assert [len(loader) for loader in loaders] == [len(part) for part in parts]
    order = keys(OrbitLoader(drawn_data))
    assert [parts[n % readers][n // readers] for n in range(20)] == order


@pytest.mark.parametrize("stop", [0, 1, 7, 19, 20, 27])
def test_a_resumed_reader_sees_what_it_would_have_seen(drawn_data: Path, stop: int) -> None:
    def stream(loader: OrbitLoader, count: int) -> list[tuple[str, bytes]]:
        samples = iter(loader)
        return [(s.key, s.pixels.tobytes()) for s, _ in zip(samples, range(count), strict=False)]

    whole = stream(OrbitLoader(drawn_data, background="random"), 45)
    begun = OrbitLoader(drawn_data, background="random")
    samples = iter(begun)
    for _ in range(stop):
        next(samples)
    state = json.loads(json.dumps(begun.state()))
    fresh = OrbitLoader(drawn_data, background="random")
    fresh.resume(state)
    assert stream(fresh, 45 - stop) == whole[stop:]


def test_a_state_of_another_loader_is_refused(drawn_data: Path) -> None:
    state = OrbitLoader(drawn_data).state()
    for other in (OrbitLoader(drawn_data, seed=1), OrbitLoader(drawn_data, num_readers=2)):
        with pytest.raises(ConfigError, match="state is of another loader"):
            other.resume(state)


def test_views_are_even_from_a_drawn_start(drawn_data: Path) -> None:
    starts = set()
    for sample in OrbitLoader(drawn_data, num_views=2, background="none").epoch_samples():
        whole = discs(ObjectSource(sample.uid, "", ""), sample.orbit, RULE)
        assert (sample.views[1] - sample.views[0]) % 4 == 2
        assert np.array_equal(sample.pixels, whole[list(sample.views)])
        assert sample.azimuths_deg.tolist() == [0, 180]
        starts.add(sample.views[0])
    assert starts == {0, 1, 2, 3}
    fixed = OrbitLoader(drawn_data, num_views=2, random_start=False)
    assert {s.views for s in fixed.epoch_samples()} == {(0, 2)}


def damage(folder: Path, count: int) -> list[str]:
    """Flip a bit in some samples; their keys."""
    hurt = list(Manifest.open(folder).samples[3 : 3 + count])
    for row in hurt:
        path = folder / f"shards/{row['shard']:05d}.tar"
        data = bytearray(path.read_bytes())
        data[row["offset"] + row["length"] // 2] ^= 4
        path.write_bytes(data)
    return [row["key"] for row in hurt]


def test_an_unreadable_sample_is_an_error_or_a_named_gap_and_never_another(drawn_data: Path, copied: Path) -> None:
    hurt = damage(copied, 2)
    with pytest.raises(DataError, match=r"Samples cannot be read(.|\n)*svdmv data check"):
        keys(OrbitLoader(copied))
    with pytest.raises(DataError, match="at most 1"):
        keys(OrbitLoader(copied, max_unreadable=1))
    loader = OrbitLoader(copied, max_unreadable=2)
    assert keys(loader) == [key for key in keys(OrbitLoader(drawn_data)) if key not in hurt]
    assert sorted(loader.unreadable) == sorted(hurt)
    assert all("damaged" in reason for reason in loader.unreadable.values())
    keys(loader)
    assert len(loader.unreadable) == 2


def test_a_lost_shard_is_told(copied: Path) -> None:
    (copied / "shards" / "00001.tar").unlink()
    with pytest.raises(DataError, match="Samples cannot be read"):
        keys(OrbitLoader(copied))


def test_a_split_reads_its_objects_alone(drawn_data: Path) -> None:
    assert {s.uid for s in OrbitLoader(drawn_data, uids=frozenset({"o03", "o07"})).epoch_samples()} == {"o03", "o07"}
    with pytest.raises(DataError, match="Objects are not in the data set"):
        OrbitLoader(drawn_data, uids=frozenset({"o03", "nobody"}))


@pytest.mark.parametrize(
    "wrong", [{"reader": 2, "num_readers": 2}, {"num_views": 3}, {"background": "blue"}, {"shuffle_shards": 0}]
)
def test_settings_out_of_range_are_refused(drawn_data: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        OrbitLoader(drawn_data, **wrong)


def test_manifests_that_cannot_be_used(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no readable data set"):
        OrbitLoader(tmp_path / "nowhere")
    path = copied / "manifest.jsonl"
    text = path.read_text()
    path.write_text(text.replace("svdmv-orbits-1", "svdmv-orbits-9"))
    with pytest.raises(DataError, match="manifest is of another version"):
        OrbitLoader(copied)
    path.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match="19 samples where the head says 20"):
        OrbitLoader(copied)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # where a machine lends one core
@pytest.mark.parametrize("done", [0, 3])
def test_torch_workers_share_and_resume(drawn_data: Path, done: int) -> None:
    from torch.utils.data import DataLoader

    def batches(batches_done: int, count: int) -> list[list[str]]:
        data = torch_dataset(OrbitLoader(drawn_data), batch_size=2, batches_done=batches_done)
        stream = DataLoader(data, batch_size=2, num_workers=2, multiprocessing_context="fork")
        return [batch["key"] for batch, _ in zip(stream, range(count), strict=False)]

    whole = batches(0, 10)
    assert len({key for batch in whole for key in batch}) == 20
    assert batches(done, 10 - done) == whole[done:]


def test_check_finds_nothing_in_whole_data(drawn_data: Path) -> None:
    report = check_dataset(drawn_data)
    assert report.damages == ()
    assert (report.shards, report.samples, report.members) == (4, 20, 100)


def test_check_names_any_damaged_member(copied: Path) -> None:
    """A bit is flipped in a header, in JSON, in a picture's header, its pixels and its padding; each is found."""
    manifest = Manifest.open(copied)
    row = next(s for s in manifest.samples if s["shard"] == 1)
    path = manifest.shard_paths()[1]
    whole = path.read_bytes()
    picture = whole.index(b"qoif", row["offset"])
    for at in (
        row["offset"] + 3,
        row["offset"] + 600,
        picture + 1,
        picture + 40,
        picture - 512,
        row["offset"] + row["length"] - 1,
    ):
        data = bytearray(whole)
        data[at] ^= 1
        path.write_bytes(data)
        found = check_dataset(copied).damages
        assert {d.where.split(":")[0] for d in found} == {"00001.tar"}
        assert any(row["key"] in d.where for d in found)
    path.write_bytes(whole[:-1024])
    assert {d.where for d in check_dataset(copied).damages} == {"00001.tar"}


def test_check_finds_what_is_missing_or_of_no_one(copied: Path) -> None:
    (copied / "shards" / "00002.tar").unlink()
    (copied / "shards" / "extra.tar").write_bytes(b"")
    objects = (copied / "objects.jsonl").read_text().replace('"o05"', '"o55"')
    (copied / "objects.jsonl").write_text(objects)
    found = {d.where: d.what for d in check_dataset(copied).damages}
    assert set(found) == {"00002.tar", "extra.tar", "objects.jsonl"}
