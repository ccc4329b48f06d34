"""Objaverse through its package, against a stand-in of its layout on loopback: choice, faults, ledger, attribution."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("objaverse", reason='needs the package objaverse: pip install ".[test]"')

from hub_stand_in import Hub, annotation, glb, served, write_hub

from svdmv.core import DataError, InputError
from svdmv.dataset.downloads import Download, DownloadLedger, Patience, fetch, fetch_all
from svdmv.dataset.objaverse import ATTRIBUTION, LEDGER, glb_fault
from svdmv.dataset.sources import object_sources_from

QUICK = Patience(attempts=3, timeout_s=0.4, pause_s=0.01)
OBJECTS = {
    "aa": {},
    "bb": {"license": "cc0", "user": {"username": "bob"}},
    "cc": {"license": "by-nc"},
    "dd": {"animationCount": 2},
    "ee": {"archives": {"glb": {"faceCount": 900_000, "size": 28}}},
    "ff": {"archives": {"glb": {"faceCount": 10, "size": 10**9}}},
    "gg": {"isAgeRestricted": True},
    "hh": {"license": None},
    "ii": {},
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    write_hub(
        tmp_path / "hub", {u: annotation(u, **c) for u, c in OBJECTS.items()}, {"mug": ["aa", "cc"], "cup": ["ii"]}
    )
    with served(tmp_path / "hub") as running:
        yield running


def chosen(hub: Hub, root: Path, **options: Any) -> list[str]:
    """Ids of a selection that may download."""
    found = object_sources_from("objaverse", root=root, hub=hub.address, download=True, patience=QUICK, **options)
    return [item.id for item in found]


def test_filters_keep_what_may_be_used_and_give_each_refusal_its_reason(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "root"
    items = object_sources_from("objaverse", root=root, hub=hub.address, download=True, patience=QUICK)
    assert [(i.id, i.licence) for i in items] == [("aa", "CC-BY-4.0"), ("bb", "CC0-1.0"), ("ii", "CC-BY-4.0")]
    assert items[0].attribution == "Thing aa by Ann Other"
    assert items[1].source == "https://sketchfab.com/3d-models/bb"
    assert all(Path(i.location).read_bytes() == glb(i.id) for i in items)
    rows = DownloadLedger(root / LEDGER).rows()
    reasons = {uid: row["reason"].split(":")[0] for uid, row in rows.items() if row["status"] == "rejected"}
    assert reasons == {
        "cc": "licence", "dd": "animated", "ee": "faces", "ff": "bytes", "gg": "age_restricted", "hh": "licence"
    }  # fmt: skip
    assert rows["aa"]["status"] == "ok"
    assert rows["aa"]["sha256"] == hashlib.sha256(glb("aa")).hexdigest()
    assert "Thing aa by Ann Other" in (root / ATTRIBUTION).read_text("utf-8")
    assert "cc" not in (root / ATTRIBUTION).read_text("utf-8").split()


def test_options_widen_and_narrow_the_choice(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert chosen(hub, root, categories="mug") == ["aa"]
    assert chosen(hub, root, categories=["mug", "cup"], licences="any") == ["aa", "cc", "ii"]
    assert chosen(hub, root, uids=["dd", "aa.glb"], animated=True) == ["aa", "dd"]
    assert chosen(hub, root, limit=2) == ["aa", "bb"]
    listed = tmp_path / "uids.txt"
    listed.write_text("ii\n\nbb\n")
    assert chosen(hub, root, uids=listed) == ["bb", "ii"]
    halves = [chosen(hub, root, licences="any", split=s, shares={"train": 0.5, "test": 0.5}) for s in ("train", "test")]
    assert sorted(halves[0] + halves[1]) == ["aa", "bb", "cc", "ii"]


def test_a_second_run_fetches_nothing_and_works_without_a_hub(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = chosen(hub, root)
    hub.asked.clear()
    assert chosen(hub, root) == first
    assert hub.asked == []
    offline = object_sources_from("objaverse", root=root)
    assert [i.id for i in offline] == first


def test_passing_faults_are_outlasted_and_lasting_ones_are_rows(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "root"
    hub.faults = {
        "object-paths.json.gz": ["503"],
        "glbs/000-000/aa.glb": ["503", "cut"],
        "glbs/000-001/bb.glb": ["wrong", "hang"],
        "glbs/000-000/ii.glb": ["404"],
    }
    items = object_sources_from("objaverse", root=root, hub=hub.address, download=True, patience=QUICK)
    rows = DownloadLedger(root / LEDGER).rows()
    assert [i.id for i in items] == ["aa", "bb", "ii"]  # the missing one stays named
    assert {u: (rows[u]["status"], rows[u]["attempts"]) for u in ("aa", "bb")} == {"aa": ("ok", 3), "bb": ("ok", 3)}
    assert rows["ii"]["status"] == "failed"
    assert "404" in rows["ii"]["reason"]
    assert not Path(items[2].location).exists()
    assert not list(root.rglob(".svdmv-part-*"))
    again = chosen(hub, root)
    assert again == ["aa", "bb", "ii"]
    assert DownloadLedger(root / LEDGER).rows()["ii"]["status"] == "ok"


def test_files_that_the_package_left_are_looked_into(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "glbs/000-000").mkdir(parents=True)
    (root / "glbs/000-001").mkdir(parents=True)
    (root / "glbs/000-000/aa.glb").write_bytes(glb("aa"))
    (root / "glbs/000-001/bb.glb").write_bytes(glb("bb")[:-3])
    assert chosen(hub, root) == ["aa", "bb", "ii"]
    assert "glbs/000-000/aa.glb" not in hub.asked
    assert "glbs/000-001/bb.glb" in hub.asked
    assert (root / "glbs/000-001/bb.glb").read_bytes() == glb("bb")


def test_known_checksums_are_held_against_what_is_here_and_what_comes(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "root"
    right = hashlib.sha256(glb("aa")).hexdigest()
    assert chosen(hub, root, uids=["aa"], checksums={"aa": "f" * 64}) == ["aa"]
    assert "announced" in DownloadLedger(root / LEDGER).rows()["aa"]["reason"]
    assert chosen(hub, root, uids=["aa"], checksums={"aa": right}) == ["aa"]
    assert DownloadLedger(root / LEDGER).rows()["aa"]["status"] == "ok"


def test_bad_input_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with pytest.raises(InputError, match="not on this disk"):
        object_sources_from("objaverse", root=root)
    with pytest.raises(InputError, match="zz"):
        chosen(hub, root, uids=["aa", "zz"])
    with pytest.raises(InputError, match="teapot"):
        chosen(hub, root, categories="teapot")
    with pytest.raises(InputError, match="list of uids"):
        chosen(hub, root, uids=tmp_path / "absent.txt")
    chosen(hub, root, uids=["aa"])
    with pytest.raises(InputError, match="missing, the first ii"):
        object_sources_from("objaverse", root=root, uids=["aa", "ii"])
    damaged = root / "metadata" / "000-000.json.gz"
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(DataError, match=r"000-000\.json\.gz"):
        chosen(hub, root, uids=["aa"])
    damaged.write_bytes(gzip.compress(b"{}"))
    with pytest.raises(DataError, match="lacks objects"):
        chosen(hub, root, uids=["aa"])


def test_the_package_is_left_as_it_was(hub: Hub, tmp_path: Path) -> None:
    import objaverse

    before = objaverse._VERSIONED_PATH
    chosen(hub, tmp_path / "root", uids=["aa"])
    assert before == objaverse._VERSIONED_PATH


def test_a_server_that_is_gone_is_given_up_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="try 2 of 2"):
        fetch(Download("x", "http://127.0.0.1:9/x", tmp_path / "x"), Patience(2, 0.3, 1, 0.01))
    assert list(tmp_path.iterdir()) == []


def test_the_ledger_is_read_while_others_write_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    ledger = DownloadLedger(tmp_path / "l.sqlite")
    threads = [
        threading.Thread(target=lambda k=k: [ledger.write([{"id": f"{k}-{n}", "status": "ok"}]) for n in range(10)])
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.rows()) == 40
    (tmp_path / "bad.sqlite").write_bytes(b"not a database, " * 40)
    with pytest.raises(DataError, match="ledger"):
        DownloadLedger(tmp_path / "bad.sqlite").rows()


def test_many_at_once_keep_their_order_and_their_reasons(hub: Hub, tmp_path: Path) -> None:
    items = [
        Download(uid, f"{hub.address}glbs/{g}/{uid}.glb", tmp_path / f"{uid}.glb")
        for uid, g in (("aa", "000-000"), ("bb", "000-001"), ("none", "000-000"))
    ]
    failed = fetch_all(items, DownloadLedger(tmp_path / "l.sqlite"), workers=3, patience=QUICK)
    assert list(failed) == ["none"]
    assert "404" in failed["none"]


def test_the_head_of_a_glb_tells_truncation(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    path.write_bytes(glb("a"))
    assert glb_fault(path) is None
    path.write_bytes(glb("a")[:-1])
    assert "truncated" in str(glb_fault(path))
    path.write_bytes(b"<html>")
    assert "not a GLB" in str(glb_fault(path))
