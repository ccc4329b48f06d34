"""Curation: filters with known answers, Elo that finds worse clips, pages, a whole run with a bad video in it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from svdmv.core import ConfigError, DataError, InputError
from svdmv.dataset.curate_filters import ClipRow, FilterRule, counts_by_reason, filtered, lowest_share, threshold_of
from svdmv.dataset.preferences import (
    NUM_RANGES,
    elo_ratings,
    preference_pairs,
    ranges_of,
    share_from_ratings,
    verdict_from_votes,
)


def rows_of(motions: list[float], **more: float) -> list[ClipRow]:
    return [ClipRow(f"c{n}", f"v{n}", 0, 30, 24.0, m, 1.0 + n, 0.0) for n, m in enumerate(motions)]


def test_shares_take_the_lowest_and_break_ties_by_name() -> None:
    values = {"a": 3.0, "b": 1.0, "c": 1.0, "d": 2.0}
    assert lowest_share(values, 0.25) == {"b"}
    assert lowest_share(values, 0.5) == {"b", "c"}
    assert lowest_share(values, 0.24) == set()
    assert lowest_share({}, 0.5) == set()
    assert threshold_of([3.0, 1.0, 2.0, 4.0], 0.25) == 2.0
    assert threshold_of([3.0, 1.0], 0.0) is None


def test_every_rule_gives_its_own_reason_and_a_clip_may_have_several() -> None:
    rows = rows_of([0.0001, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08])
    rows[7] = ClipRow("c7", "v7", 0, 10, 24.0, 0.08, 8.0, 0.2)
    rows.append(ClipRow("bad", "bad", error="load_error: truncated"))
    done = {r.id: r for r in filtered(rows, FilterRule(least_motion=0.25, least_sharpness=0.125))}
    words = {name: [reason.split(":")[0] for reason in r.reasons] for name, r in done.items()}
    assert words["c0"] == ["still", "least_motion", "least_sharpness"]
    assert words["c1"] == ["least_motion"]
    assert words["c7"] == ["too_short", "text"]
    assert done["bad"].status == "failed"
    assert [n for n, r in done.items() if r.status == "kept"] == ["c2", "c3", "c4", "c5", "c6"]
    counts = counts_by_reason(list(done.values()))
    assert counts == {"least_motion": 2, "least_sharpness": 1, "still": 1, "text": 1, "too_short": 1}
    for wrong in ({"least_motion": 1.2}, {"max_text": -0.1}, {"min_frames": 1}):
        with pytest.raises(ConfigError):
            FilterRule(**wrong)  # type: ignore[arg-type]


def test_pairs_meet_every_two_ranges_equally_often() -> None:
    values = {f"c{n:02d}": float(n) for n in range(32)}
    ranges = ranges_of(values)
    assert [list(ranges.values()).count(k) for k in range(NUM_RANGES)] == [4] * NUM_RANGES
    pairs = preference_pairs(values, 56)
    assert pairs == preference_pairs(values, 56)
    met = [tuple(sorted((p.left_range, p.right_range))) for p in pairs]
    assert all(met.count(pair) == 2 for pair in set(met))
    assert len(set(met)) == 28
    assert all(ranges[p.left] == p.left_range and ranges[p.right] == p.right_range for p in pairs)
    assert 10 < sum(p.left_range < p.right_range for p in pairs) < 46
    with pytest.raises(DataError):
        preference_pairs({"a": 1.0}, 3)


def test_elo_finds_the_ranges_that_lose_and_nothing_where_all_are_equal() -> None:
    quality = np.array([0.0, 0.0, 2, 2, 2, 2, 2, 2])
    matches = [
        (a, b, float(quality[a] > quality[b]) if quality[a] != quality[b] else 0.5)
        for a in range(8)
        for b in range(8)
        if a != b
    ]
    ratings = elo_ratings(matches * 2)
    assert sum(ratings) == pytest.approx(8000)
    assert max(ratings[:2]) < min(ratings[2:]) - 50
    assert share_from_ratings(ratings) == 0.25
    assert share_from_ratings(elo_ratings([(a, b, 0.5) for a, b, _ in matches])) == 0
    assert share_from_ratings([900.0, *[1000.0] * 7]) == 0.125
    assert share_from_ratings([float(100 * n) for n in range(8)]) == 0.5  # never more than half
    one = elo_ratings([(0, 1, 1.0)], num_ranges=2)
    assert one == pytest.approx([1012, 988])


def test_votes_are_read_or_refused(tmp_path: Path) -> None:
    votes = [{"left": "a", "right": "b", "left_range": 0, "right_range": 7, "choice": "right"}] * 12
    path = tmp_path / "votes.json"
    path.write_text(json.dumps({"format": "svdmv-votes-1", "score": "motion", "votes": votes}))
    verdict = verdict_from_votes(path)
    assert (verdict.score, verdict.votes, verdict.share) == ("motion", 12, 0.125)
    for text in (
        "{}",
        "no json",
        json.dumps({"format": "svdmv-votes-1", "score": "motion", "votes": []}),
        json.dumps({"format": "svdmv-votes-2", "score": "motion", "votes": votes}),
        json.dumps({"format": "svdmv-votes-1", "score": "motion", "votes": [{**votes[0], "left_range": 9}]}),
        json.dumps({"format": "svdmv-votes-1", "score": "motion", "votes": [{**votes[0], "choice": "both"}]}),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match="votes"):
            verdict_from_votes(path)


class Balanced(HTMLParser):
    """Raises when tags do not close; collects ids, pictures and addresses that lead out of the page."""

    VOID = {"meta", "img", "br", "link", "input"}  # noqa: RUF012 - constant

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href") and not str(value).startswith("data:"):
                self.outside.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(path: Path) -> tuple[str, Balanced]:
    text = path.read_text("utf-8")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert parser.outside == []
    return text, parser


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos (one with a cut), a still one, a folder of pictures, a short one, and a file that is no video."""
    pytest.importorskip("cv2", reason='needs opencv: pip install ".[test]"')
    pytest.importorskip("scenedetect", reason='needs scenedetect: pip install ".[test]"')
    import test_dataset_videos

    from svdmv.io.video import write_video

    def slide(seed: int, steps: np.ndarray, level: int = 90) -> np.ndarray:
        return test_dataset_videos.slide(seed, steps, 60, 80) // 4 + np.uint8(level)

    root = tmp_path_factory.mktemp("videos")
    write_video(root / "fast.mp4", slide(1, np.full(24, 1.0)), 12)
    write_video(root / "slow.mp4", slide(2, np.full(24, 0.25)), 12)
    write_video(root / "still.mp4", slide(3, np.zeros(24)), 12)
    write_video(root / "two <b>.mp4", np.concatenate([slide(4, np.ones(24)), slide(5, np.ones(5), 180)]), 12)
    (root / "broken.mp4").write_bytes(b"\0" * 500)
    (root / "ring").mkdir()
    for n, picture in enumerate(slide(6, np.full(21, 1.0))):
        Image.fromarray(picture).save(root / "ring" / f"{n}.png")
    return root


def test_a_whole_run_leaves_a_row_for_everything(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from svdmv.cli.data_curate import curate

    out = tmp_path / "out"
    asked = [f"videos={videos}", f"out={out}", "text=false", "filters.least_motion=0", "filters.least_sharpness=0"]
    assert curate([*asked, "clips=true", "num_frames=5", "pairs=6"]) == 4
    rows = {r["id"]: r for r in map(json.loads, (out / "clips.jsonl").read_text("utf-8").splitlines())}
    status = {name.split("@")[0].split("-")[0]: r["status"] for name, r in rows.items()}
    assert rows["broken.mp4"]["status"] == "failed"
    assert "not a video" in rows["broken.mp4"]["error"]
    assert status["fast.mp4"] == status["slow.mp4"] == status["ring"] == "kept"
    assert rows["still.mp4@000000-000025"]["reasons"][0].startswith("still")
    kept = sorted(name for name, r in rows.items() if r["status"] == "kept")
    assert sorted(p.name for p in (out / "frames").iterdir()) == kept
    assert all(len(list((out / "frames" / name).glob("*.png"))) == 5 for name in kept)
    assert sorted(p.stem for p in (out / "clips").iterdir()) == [name for name in kept if not name.startswith("ring")]
    assert rows["fast.mp4@000000-000025"]["motion"] > 2 * rows["slow.mp4@000000-000025"]["motion"]
    printed = capsys.readouterr().out
    assert "broken.mp4: The file is not a video" in printed
    assert re.search(r"1 +failed", printed)
    report, _ = page_of(out / "report.html")
    assert report.count("<img") == len(rows) - 1
    assert "two <b>" not in report
    assert "still: motion" in report
    preferences, parser = page_of(out / "preferences.html")
    assert {"left", "right", "equal", "save", "data"} <= set(parser.ids)
    data = json.loads(re.search(r'id="data">(.*?)</script>', preferences, re.DOTALL)[1])
    assert len(data["pairs"]) == 6
    assert json.loads((out / "provenance.json").read_text("utf-8"))["clips"]["failed"] == 1

    votes = [{"left": "x", "right": "y", "left_range": 0, "right_range": k, "choice": "right"} for k in range(1, 8)] * 4
    (tmp_path / "votes.json").write_text(json.dumps({"format": "svdmv-votes-1", "score": "motion", "votes": votes}))
    scored = (out / "scores.jsonl").read_bytes()
    assert curate([*asked, "clips=true", "num_frames=5", f"votes={tmp_path / 'votes.json'}"]) == 4
    assert (out / "scores.jsonl").read_bytes() == scored  # nothing was scored again
    assert "Preference: motion" in (out / "report.html").read_text("utf-8")
    (out / "scores.jsonl").write_bytes(scored[:-30])  # as a kill leaves it
    assert curate([*asked, "num_frames=6", "frame_side=30", "pairs=0"]) == 4
    assert all(len(list((out / "frames" / name).glob("*.png"))) == 6 for name in kept[1:2])


def test_bad_settings_are_one_sentence(videos: Path, tmp_path: Path) -> None:
    from svdmv.dataset.curate import curate, curate_settings

    with pytest.raises(ConfigError, match="No folder"):
        curate_settings([])
    with pytest.raises(ConfigError, match=r"videos\?"):
        curate_settings(["video=x"])
    with pytest.raises(ConfigError, match="Unknown score"):
        curate_settings([f"videos={videos}", "compare=beauty"])
    with pytest.raises(ConfigError, match="range"):
        curate_settings([f"videos={videos}", "filters.least_motion=2"])
    with pytest.raises(InputError, match="not there"):
        curate(curate_settings([f"videos={tmp_path / 'absent'}", f"out={tmp_path / 'out'}"]))
    with pytest.raises(DataError, match="votes"):
        curate(curate_settings([f"videos={videos}", f"out={tmp_path / 'out'}", f"votes={tmp_path / 'none.json'}"]))
    assert not (tmp_path / "out").exists()


def test_two_runs_at_one_output_are_refused(videos: Path, tmp_path: Path) -> None:
    from svdmv.dataset.curate import curate, curate_settings
    from svdmv.dataset.plan import only_run

    with only_run(tmp_path / "run.lock"), pytest.raises(InputError, match="Another run"):
        curate(curate_settings([f"videos={videos}", f"out={tmp_path}", "text=false"]))
