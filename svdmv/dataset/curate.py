"""svdmv data curate: videos -> clips -> scores -> what is kept and why, as rows, frames and two pages.

The way of LVD in small (SVD paper 3.1, App. C and E.2.2). Every clip ends as one row of clips.jsonl. Scores are kept in
scores.jsonl video by video, so that a stopped run goes on and other thresholds cost nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from svdmv.core import ConfigError, SvdmvError
from svdmv.dataset.curate_filters import SCORES, ClipRow, FilterRule, counts_by_reason, filtered, row_from_json
from svdmv.dataset.curate_pages import (
    PAIR_SIDE_PX,
    STRIP_FRAMES,
    STRIP_SIDE_PX,
    strip_jpeg,
    write_preference_page,
    write_report,
)
from svdmv.dataset.licences import UNKNOWN
from svdmv.dataset.plan import only_run
from svdmv.dataset.preferences import Verdict, preference_pairs, verdict_from_votes
from svdmv.dataset.video_scores import MOTION_FPS, motion_steps, network_scores, sharpness, text_share
from svdmv.dataset.videos import Clip, ObjectVideo, clips_of, frames_of, orbit_frames, sampled, videos_in
from svdmv.io.atomic import whole_folder, write_json, write_text
from svdmv.io.pictures import write_png
from svdmv.io.settings import composed_settings
from svdmv.io.video_clips import copy_clip, video_index

Report = Callable[[str, int, int], None]
MOST_MOTION_FRAMES = 120


@dataclass(frozen=True)
class CurateSettings:
    """videos: folder of video files and picture folders. out: where rows, frames and pages go.

    filters: see FilterRule. text: look for text (needs rapidocr). network, direction: see `network_scores`; empty = no
    such score. votes: votes.json of the preference page; it sets the share of its score. compare: the score that the
    preference page asks about. pairs: how many comparisons it holds, 0 = no page. num_frames, frame_side: pictures of
    each kept clip and their short side, 0 = as they are. clips: also copy kept clips of files, key frame to cut.
    shards: folder of a data set that the kept clips are packed into at once, squares of `frame_side`; empty = none.
    licence, attribution: of the videos, for the data set.
    """

    videos: str = ""
    out: str = "outputs/curated"
    filters: FilterRule = field(default_factory=FilterRule)
    text: bool = True
    network: str = ""
    direction: str = ""
    votes: str = ""
    compare: str = "motion"
    pairs: int = 60
    num_frames: int = 21
    frame_side: int = 576
    clips: bool = False
    shards: str = ""
    licence: str = UNKNOWN
    attribution: str = ""


@dataclass(frozen=True)
class Curation:
    """rows: every clip. verdict: what votes said, or None. out: the folder."""

    rows: tuple[ClipRow, ...]
    verdict: Verdict | None
    out: Path

    def count(self, status: str) -> int:
        """How many rows have a status."""
        return sum(row.status == status for row in self.rows)


def curate_settings(overrides: Sequence[str]) -> CurateSettings:
    """Compose and check. Raises ConfigError."""
    made = composed_settings(CurateSettings, "data", "curate", overrides, command="svdmv data curate")
    if made.compare not in SCORES:
        raise ConfigError("Unknown score", where="compare", seen=made.compare, expected=" or ".join(SCORES))
    if made.shards and (made.num_frames < 2 or made.frame_side < 8):
        seen = f"num_frames {made.num_frames}, frame_side {made.frame_side}"
        raise ConfigError("Shards hold frames", where="shards", seen=seen, expected="2 frames or more, 8 px or more")
    if not made.videos:
        raise ConfigError(
            "No folder of videos is named",
            where="videos",
            seen="nothing",
            expected="a folder",
            next_step="svdmv data curate videos=FOLDER out=FOLDER",
        )
    return made


def curate(settings: CurateSettings, report: Report | None = None) -> Curation:
    """Run a curation. Videos that cannot be read are rows with their reason; nothing is left out in silence.

    Raises:
        InputError: no videos, or another run works on the same folder.
        MissingDependency: a package of the extra "data" is not installed.
        DataError: votes that cannot be read.
    """
    say = report or (lambda stage, done, total: None)
    out, videos = Path(settings.out), videos_in(settings.videos)
    verdict = verdict_from_votes(settings.votes) if settings.votes else None
    rule = settings.filters
    if verdict is not None:
        name = f"least_{verdict.score}"
        if not hasattr(rule, name):
            raise ConfigError(
                "Votes set a share of the lowest scores",
                where="votes",
                seen=verdict.score,
                expected="motion, sharpness or network",
            )
        rule = FilterRule(**{**asdict(rule), name: verdict.share})
    with only_run(out / "run.lock"):
        rows = _scored(videos, settings, out, say)
        rows = filtered(rows, rule)
        clips = {r.id: Clip(v, r.start, r.stop) for v in videos for r in rows if r.video == v.id and not r.error}
        _write_kept([r for r in rows if r.status == "kept"], clips, settings, out, say)
        strips = _Strips(clips)
        write_report(
            out / "report.html",
            rows,
            rule,
            strips.small,
            [] if verdict is None else [verdict],
            Path(settings.videos).name,
        )
        _write_preferences(rows, settings, out, strips)
        lines = [json.dumps({**asdict(r), "status": r.status}) for r in rows]
        write_text(out / "clips.jsonl", "".join(line + "\n" for line in lines))
        write_json(out / "provenance.json", _provenance(settings, rule, rows, verdict))
    return Curation(tuple(rows), verdict, out)


def _scored(videos: Sequence[ObjectVideo], settings: CurateSettings, out: Path, say: Report) -> list[ClipRow]:
    """Rows of all videos, from scores.jsonl where a video and the settings of its scores are unchanged."""
    path = out / "scores.jsonl"
    known: dict[str, list[ClipRow]] = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
            known[entry["key"]] = [row_from_json(row) for row in entry["rows"]]
        except (ValueError, KeyError, TypeError):
            continue  # a line that a kill cut off
    rows: list[ClipRow] = []
    with path.open("a", encoding="utf-8") as file:
        for number, video in enumerate(videos):
            say("score", number, len(videos))
            key = _key(video, settings)
            made = known.get(key)
            if made is None:
                made = _rows_of(video, settings)
                file.write(json.dumps({"key": key, "rows": [asdict(row) for row in made]}) + "\n")
                file.flush()
            rows += made
    say("score", len(videos), len(videos))
    return rows


def _key(video: ObjectVideo, settings: CurateSettings) -> str:
    """What scores depend on: the files' sizes and times, and the settings of scores."""
    files = sorted(video.path.iterdir()) if video.is_folder else [video.path]
    stamp = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in files if p.is_file()]
    rest = [video.id, settings.text, settings.network, settings.direction, settings.filters.min_frames]
    return hashlib.sha256(json.dumps([stamp, rest]).encode()).hexdigest()


def _rows_of(video: ObjectVideo, settings: CurateSettings) -> list[ClipRow]:
    try:
        fps = MOTION_FPS if video.is_folder else video_index(video.path).fps
        long, short = clips_of(video, min_frames=settings.filters.min_frames)
        rows = [ClipRow(c.id, video.id, c.start, c.stop, fps) for c in short]
        return rows + [_row_of(clip, fps, settings) for clip in long]
    except SvdmvError as error:
        if error.exit_code == 3:  # a missing package is not the video's fault
            raise
        return [ClipRow(video.id, video.id, error=error.one_line())]


def _row_of(clip: Clip, fps: float, settings: CurateSettings) -> ClipRow:
    at = sampled(clip)
    looked = at if len(at) <= MOST_MOTION_FRAMES else at[:: -(-len(at) // MOST_MOTION_FRAMES)]
    frames = frames_of(clip, at[:MOST_MOTION_FRAMES], short_side_px=256)
    motion = float(motion_steps(frames).mean()) if len(frames) > 1 else 0.0
    sharp = float(np.median(sharpness(frames_of(clip, looked, short_side_px=256) if looked != at else frames)))
    three = frames_of(clip, [0, len(clip) // 2, len(clip) - 1], short_side_px=480)  # SVD paper, App. C
    text = float(text_share(three).max()) if settings.text else None
    network = None
    if settings.network:
        network = float(network_scores(three, settings.network, settings.direction or None).mean())
    return ClipRow(clip.id, clip.video.id, clip.start, clip.stop, fps, motion, sharp, text, network)


def _write_kept(
    rows: Sequence[ClipRow], clips: dict[str, Clip], settings: CurateSettings, out: Path, say: Report
) -> None:
    """frames/ID/000.png ... and clips/ID of each kept clip; folders of clips that are kept no longer are removed."""
    import shutil

    wanted = {row.id for row in rows}
    for place in ("frames", "clips"):
        for path in (out / place).iterdir() if (out / place).is_dir() else ():
            if (path.stem if place == "clips" else path.name) not in wanted:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    for number, row in enumerate(rows):
        say("frames", number, len(rows))
        clip, folder = clips[row.id], out / "frames" / row.id
        asked = {"clip": row.id, "count": settings.num_frames, "short_side_px": settings.frame_side}
        if settings.num_frames and _asked_for(folder) != asked:
            chosen = orbit_frames(clip, settings.num_frames)
            pictures = frames_of(clip, chosen.tolist(), short_side_px=settings.frame_side or None)
            with whole_folder(folder, overwrite=True) as temporary:
                for n, picture in enumerate(pictures):
                    write_png(temporary / f"{n:03d}.png", picture)
                write_json(temporary / "frames.json", {**asked, "frames": chosen.tolist()})
        target = out / "clips" / f"{row.id}{clip.video.path.suffix.lower()}"
        if settings.clips and not clip.video.is_folder and not target.is_file():
            copy_clip(video_index(clip.video.path), clip.start, clip.stop, target)


def _asked_for(folder: Path) -> dict[str, object]:
    """What a folder of frames was written for; {} when there is none."""
    path = folder / "frames.json"
    values = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {name: value for name, value in values.items() if name != "frames"}


def _write_preferences(rows: Sequence[ClipRow], settings: CurateSettings, out: Path, strips: _Strips) -> None:
    values = {r.id: float(v) for r in rows if (v := getattr(r, settings.compare)) is not None}
    if settings.pairs and len(values) > 1:
        pairs = preference_pairs(values, settings.pairs)
        stamp = hashlib.sha256(json.dumps([settings.compare, sorted(values)]).encode()).hexdigest()[:12]
        write_preference_page(out / "preferences.html", settings.compare, pairs, strips.large, stamp)


class _Strips:
    """Film strips of clips, each made once."""

    def __init__(self, clips: dict[str, Clip]) -> None:
        self.clips = clips
        self.frames: dict[str, np.ndarray] = {}

    def _of(self, name: str) -> np.ndarray:
        if name not in self.frames:
            clip = self.clips[name]
            at = np.round(np.linspace(0, len(clip) - 1, STRIP_FRAMES)).astype(int)
            self.frames[name] = frames_of(clip, at.tolist(), short_side_px=PAIR_SIDE_PX)
        return self.frames[name]

    def small(self, name: str) -> bytes:
        """For the report."""
        return strip_jpeg(self._of(name), STRIP_SIDE_PX)

    def large(self, name: str) -> bytes:
        """For the comparisons."""
        return strip_jpeg(self._of(name), PAIR_SIDE_PX)


def _provenance(
    settings: CurateSettings, rule: FilterRule, rows: Sequence[ClipRow], verdict: Verdict | None
) -> dict[str, object]:
    from svdmv import __version__

    return {
        "svdmv": __version__,
        "command": "data curate",
        "settings": asdict(settings),
        "filters": asdict(rule),
        "clips": {status: sum(r.status == status for r in rows) for status in ("kept", "dropped", "failed")},
        "reasons": counts_by_reason(rows),
        "verdict": None if verdict is None else asdict(verdict),
    }
