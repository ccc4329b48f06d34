"""Objaverse-XL's tables against a stand-in of their layout: licences, checksums, files that vanished or changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("objaverse", reason='needs the package objaverse: pip install ".[test]"')
pytest.importorskip("pandas", reason='needs pandas, which objaverse brings: pip install ".[test]"')

from hub_stand_in import annotation, glb, served, write_hub

from svdmv.core import InputError
from svdmv.dataset.downloads import DownloadLedger, Patience
from svdmv.dataset.objaverse import LEDGER
from svdmv.dataset.objaverse_xl import sources_from_objaverse_xl

BASE = "https://github.com/ann/things/blob/0123abcd/"


def row(name: str, data: bytes, licence: str | None = "Creative Commons Attribution 4.0", kind: str = "glb") -> dict:
    return {
        "fileIdentifier": name,
        "source": "github",
        "license": licence,
        "fileType": kind,
        "sha256": hashlib.sha256(data).hexdigest(),
        "metadata": "{}",
    }


def write_table(root: Path, table: str, rows: list[dict]) -> None:
    (root / table).mkdir(parents=True, exist_ok=True)
    import pandas

    pandas.DataFrame(rows).to_parquet(root / table / f"{table}.parquet")


def test_repository_files_are_kept_missed_or_found_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import objaverse.xl

    repository = tmp_path / "github" / "repos" / "ann" / "things"
    (repository / "sub dir").mkdir(parents=True)
    (repository / "good.glb").write_bytes(glb("good"))
    (repository / "sub dir" / "changed.glb").write_bytes(glb("other"))
    rows = [
        row(BASE + "good.glb", glb("good")),
        row(BASE + "sub dir/changed.glb", glb("as listed")),
        row(BASE + "gone.glb", glb("gone")),
        row(BASE + "closed.glb", b"", None),
        row(BASE + "code.glb", b"", "GNU General Public License v3.0"),
        row(BASE + "scene.blend", b"", kind="blend"),
    ]
    write_table(tmp_path, "github", rows)
    with pytest.raises(InputError, match=r"gone\.glb"):
        sources_from_objaverse_xl(tmp_path)
    asked: list[list[str]] = []
    monkeypatch.setattr(objaverse.xl, "download_objects", lambda f, **_: asked.append(list(f["fileIdentifier"])))
    items = sources_from_objaverse_xl(tmp_path, download=True)
    assert asked == [[BASE + "gone.glb"]]
    assert [i.source for i in items] == [BASE + "gone.glb", BASE + "good.glb"]
    assert {i.licence for i in items} == {"CC-BY-4.0"}
    assert {i.attribution for i in items} == {"ann/things"}
    rows_ = DownloadLedger(tmp_path / LEDGER).rows()
    ends = {name.removeprefix(BASE): (r["status"], r["reason"].split(":")[0]) for name, r in rows_.items()}
    assert ends == {
        "good.glb": ("ok", ""),
        "sub dir/changed.glb": ("rejected", "modified"),
        "gone.glb": ("failed", "missing"),
        "closed.glb": ("rejected", "licence"),
        "code.glb": ("rejected", "licence"),
        "scene.blend": ("rejected", "unsupported"),
    }


def test_objects_of_sketchfab_are_those_of_the_first_objaverse_with_checksums(tmp_path: Path) -> None:
    write_hub(tmp_path / "hub", {u: annotation(u) for u in ("aa", "bb", "cc")}, {})
    rows = [row(f"https://sketchfab.com/3d-models/{u}", glb(u)) for u in ("aa", "bb")]
    rows[1]["sha256"] = "f" * 64
    write_table(tmp_path, "sketchfab", rows)
    with served(tmp_path / "hub") as hub:
        items = sources_from_objaverse_xl(
            tmp_path, "sketchfab", download=True, hub=hub.address, patience=Patience(1, 1.0, 5.0, 0.01)
        )
    assert [i.id for i in items] == ["aa", "bb"]
    ledger = DownloadLedger(tmp_path / "hf-objaverse-v1" / LEDGER).rows()
    assert (ledger["aa"]["status"], ledger["bb"]["status"]) == ("ok", "failed")


def test_bad_tables_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not on this disk"):
        sources_from_objaverse_xl(tmp_path)
    with pytest.raises(InputError, match="github or sketchfab"):
        sources_from_objaverse_xl(tmp_path, "thingiverse")
    write_table(tmp_path, "github", [{"fileIdentifier": BASE + "a.glb", "source": "github"}])
    with pytest.raises(InputError, match="license"):
        sources_from_objaverse_xl(tmp_path)
    (tmp_path / "github" / "github.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        sources_from_objaverse_xl(tmp_path)
