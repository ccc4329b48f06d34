"""svdmv data curate: videos to scored clips, kept frames, a report and a preference page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from svdmv.cli.data import build
from svdmv.cli.progress import progress_bar
from svdmv.core.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from svdmv.dataset.curate import CurateSettings


def curate(overrides: list[str]) -> int:
    """svdmv data curate: exit 0, or 4 when a video could not be read; each is named.

    With `shards=FOLDER` the kept clips are then packed by svdmv data build, whose exit code counts as well.
    """
    from svdmv.dataset.curate import curate as curated
    from svdmv.dataset.curate import curate_settings
    from svdmv.dataset.curate_filters import counts_by_reason

    settings = curate_settings(overrides)
    with progress_bar(quiet=False, title="curate") as report:
        made = curated(settings, report)
    lines = [f"{row.id}: {row.error}" for row in made.rows if row.error]
    lines += [f"{made.out}: {len(made.rows)} clips"]
    lines += [f"  {made.count(status):>7}  {status}" for status in ("kept", "dropped", "failed")]
    lines += [f"  {count:>7}  dropped for {reason}" for reason, count in counts_by_reason(made.rows).items()]
    if made.verdict is not None:
        lines.append(
            f"{made.verdict.votes} votes: the lowest {100 * made.verdict.share:g} % by {made.verdict.score} go"
        )
    lines.append(f"report: {made.out / 'report.html'}")
    sys.stdout.write("\n".join(lines) + "\n")
    code = EXIT_PARTIAL if made.count("failed") else EXIT_OK
    if settings.shards and made.count("kept"):
        code = max(code, build(packing_overrides(settings)))
    return code


def packing_overrides(settings: CurateSettings) -> list[str]:
    """What svdmv data build is told to pack the kept clips of a curation. Words are quoted as Hydra reads them."""

    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    source = {"folder": settings.out, "licence": settings.licence, "attribution": settings.attribution}
    return [
        "preset=video",
        f"out={quoted(settings.shards)}",
        f"orbits.size={settings.frame_side}",
        f"orbits.num_views={settings.num_frames}",
        *(f"sources.curated.{name}={quoted(value)}" for name, value in source.items()),
    ]
