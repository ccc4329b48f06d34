"""result.json keeps its documented schema; tables, seeds, curves and the swing of backgrounds from the command line."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svdmv.bench.comparison import styled_comparison
from svdmv.bench.machine import git_revision, hardware
from svdmv.bench.methods import Method, Task, method_from_name
from svdmv.bench.metrics import metric_from_name
from svdmv.bench.plan import RunPlan
from svdmv.bench.row_statistics import best_of_seeds, curve, curve_azimuths, object_means
from svdmv.bench.runner import run_suite
from svdmv.bench.suite import Suite, SuiteObject, Track, load_suite
from svdmv.bench.tables import load_result, styled_table
from svdmv.cli.main import main
from svdmv.core import ConfigError, InputError, ViewSet

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "guide" / "result.schema.json").read_text("utf-8"))
METRICS = ("psnr", "psnr_object", "iou")


def dimmed(name: str = "dimmed") -> Method:
    """A model in name: the truth, darker the higher the seed; it breaks on the second object."""

    def predict(task: Task) -> ViewSet:
        if task.object_name == "broken":
            raise ZeroDivisionError("a bug of the method's own")
        rgba = task.truth.rgba_u8().copy()
        rgba[..., :3] = rgba[..., :3] // (2 + task.seed)
        return task.views(rgba)

    return Method(name, predict, "model", stochastic=True)


def small_suite() -> Suite:
    objects = (SuiteObject("whole", "shape:1000001"), SuiteObject("broken", "shape:1000002"))
    track = Track("level", tuple(n * 72.0 for n in range(5)), (10.0,) * 5)
    return replace(
        load_suite("mini"), name="small", objects=objects, tracks=(track,), size_px=24, supersampling=1, metrics=METRICS
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds, three backgrounds, one prediction that fails by a bug."""
    root = tmp_path_factory.mktemp("result")
    methods = (dimmed(), *(method_from_name(name, {}) for name in ("copy", "reference")))
    metrics = tuple(metric_from_name(m) for m in METRICS)
    plan = RunPlan(small_suite(), methods, metrics, 3, ("white", "grey", "black"), cache=root / "cache",
                   absent={"lpips_alex": "LPIPS weights are not at hand: not set"})  # fmt: skip
    assert not run_suite(plan, root / "out")["complete"]
    return root / "out"


def test_the_result_keeps_its_schema(run: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    result = load_result(run)
    jsonschema.Draft202012Validator(SCHEMA).validate(result)
    for key in ("git", "mean", "references"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(SCHEMA).validate({k: v for k, v in result.items() if k != key})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(result | {"unknown": 1})


def test_every_key_of_the_schema_is_in_the_guide() -> None:
    text = (ROOT / "docs" / "guide" / "benchmark_runs.md").read_text("utf-8")
    protocol = {"format", "objects_of_suite", "azimuths_deg", "input_views", "size_px", "fov_y_deg", "averaging"}
    protocol |= {"input_view_counted", "published", "ours", "attribution"}
    assert [key for key in SCHEMA["properties"] if key not in protocol and f"`{key}`" not in text] == []


def test_a_failed_object_is_named_wherever_a_mean_stands(run: Path) -> None:
    result = load_result(run)
    place = f"{Path(__file__).name}:{line_of('raise Zero')}"
    told = f"The method broke: ZeroDivisionError: a bug of the method's own ({place})"
    assert [p["failed"] for p in result["failed_predictions"]] == [told] * 3
    for style in ("text", "markdown", "latex"):
        table = styled_table(result, style)
        assert "dimmed (1 of 2 objects)" in table
        assert re.search(r"^copy\W", table, re.MULTILINE) or "| copy |" in table
    assert "not measured: lpips\\_alex" in styled_table(result, "latex") or "lpips_alex" in styled_table(result, "text")


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.strip().startswith(text))


def test_a_csv_table_holds_what_the_result_holds(run: Path) -> None:
    result = load_result(run)
    rows = list(csv.DictReader(io.StringIO(styled_table(result, "csv"))))
    assert len(rows) == 3 * 3
    assert {r["suite_sha256"] for r in rows} == {result["suite"]["sha256"]}
    found = next(r for r in rows if (r["method"], r["metric"]) == ("copy", "psnr"))
    assert float(found["mean"]) == result["mean"]["copy"]["psnr"]["mean"]
    with pytest.raises(ConfigError, match="format is unknown"):
        styled_table(result, "excel")


def test_best_of_several_seeds_is_named_so_and_never_the_score(run: Path) -> None:
    """The first seed is always the least dark: best of three is its score, the mean is below."""
    result = load_result(run)
    best = result["best_of_seeds"]["dimmed"]
    assert best["seeds"] == 3
    assert best["psnr"]["mean"] > result["mean"]["dimmed"]["psnr"]["mean"]
    assert best["psnr"]["spread"] > 0
    assert "dimmed, best of 3 by the truth" in styled_table(result, "text")
    assert "copy" not in result["best_of_seeds"], "it has one seed"


def rows_by_hand() -> list[dict[str, Any]]:
    """One object, tracks `a` and `b`, seeds 0 and 1: view means a 10, 20; b 30, 50. View 0 is the input."""

    def one(track: str, seed: int, value: float) -> dict[str, Any]:
        scores = {"white": {"counted": [0, 1, 1], "psnr": [99.0, value - 1, value + 1]}}
        return {"method": "m", "track": track, "seed": seed, "scores": scores}

    made = [one("a", 0, 10), one("b", 0, 30), one("a", 1, 20), one("b", 1, 50)]
    return [{"object": "o", "failed": None, "predictions": made}]


def test_means_seeds_and_curves_by_hand() -> None:
    rows = rows_by_hand()
    assert object_means(rows, "m", "psnr", "white")[0] == (15 + 40) / 2
    best = best_of_seeds(rows, "m", "psnr", "white", higher_is_better=True)
    assert best["mean"] == (20 + 50) / 2
    assert best["spread"] == pytest.approx(np.std([20, 35], ddof=1), abs=1e-6)
    assert best_of_seeds(rows, "m", "psnr", "white", higher_is_better=False)["mean"] == 20
    protocol = {"azimuths_deg": {"a": [90.0, 210.0, 330.0], "b": [0.0, 240.0, 120.0]}, "input_views": {"a": 0, "b": 0}}
    assert curve_azimuths(protocol) == [0, 120, 240]
    at_120, at_240 = np.mean([9, 19, 31, 51]), np.mean([11, 21, 29, 49])
    assert curve(rows, "m", "psnr", "white", protocol) == [None, at_120, at_240]


def test_curves_of_many_azimuths_are_told_in_equal_steps() -> None:
    azimuths = {str(n): [0.0, *(n * 0.7 + k * 10 for k in range(1, 30))] for n in range(10)}
    places = curve_azimuths({"azimuths_deg": azimuths, "input_views": dict.fromkeys(azimuths, 0)})
    assert places == [n * 12.0 for n in range(30)]


def test_two_runs_in_every_format(run: Path) -> None:
    result = load_result(run)
    other = json.loads(json.dumps(result))
    other["references"]["whole"]["level"] = "0" * 32
    for style in ("text", "markdown", "latex", "csv", "json"):
        said = styled_comparison(result, other, style)
        assert "true views made by other code" in said, style
        assert "dimmed" in said
    with pytest.raises(ConfigError, match="format is unknown"):
        styled_comparison(result, other, "excel")
    other["per_object"] = {"strange": other["per_object"]["whole"]}
    with pytest.raises(InputError, match="cannot be compared"):
        styled_comparison(result, other, "text")


def test_where_it_was_made(run: Path, tmp_path: Path) -> None:
    assert git_revision(tmp_path / "site-packages" / "svdmv") == "unknown"
    if (ROOT / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", git_revision())
    told = load_result(run)
    assert told["hardware"] == hardware()
    assert told["devices"] == {"dimmed": ["cpu"], "copy": ["cpu"], "reference": ["cpu"]}
    assert told["peak_memory_mb"]["dimmed"] > 0
    assert told["seconds"]["dimmed"] >= 0


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["bench", *words])
    return int(caught.value.code or 0)


SUITE = """format: 1
like: mini
name: tiny
size_px: 16
supersampling: 1
metrics: [psnr]
tracks: [{name: level, static: 10, views: 4}]
objects:
"""


def test_backgrounds_from_the_command_line_show_the_swing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.yaml").write_text(SUITE + "  - {name: one, source: 'shape:1000001'}\n")
    words = [f"suite={tmp_path / 'tiny.yaml'}", f"output={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}"]
    assert command("run", *words, "method=copy", "backgrounds=white,grey,black") == 0
    said = capsys.readouterr().out
    assert "what the background decides" in said
    swing = load_result(tmp_path / "out")["swing"]
    values = [swing[b]["blank"]["psnr"] for b in ("white", "grey", "black")]
    assert len(set(values)) == 3
    assert "/".join(f"{v:.2f}" for v in values) in said


def test_bad_input_has_its_sentence_and_exit_code(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 = the user's, 4 = partial. Nothing is a traceback."""
    objects = "  - {name: gone, source: gone.glb}\n  - {name: one, source: 'shape:1000001'}\n"
    (tmp_path / "tiny.yaml").write_text(SUITE + objects)
    tiny = [f"suite={tmp_path / 'tiny.yaml'}", "method=copy", "cache=none"]
    (tmp_path / "interrupted").mkdir()
    (tmp_path / "interrupted" / "protocol.json").write_text("{}")
    no_object = "An object of the suite is not at hand: no data folder was named"
    for words, code, told in (
        (["run", "suite=mimi", "output=x"], 2, "The suite is unknown"),
        (["run", "suite=mini"], 2, "No output folder"),
        (["run", "suite=gso34_64px", "cache=none", "method=copy", f"output={tmp_path / 'x'}"], 2, "app.gazebosim.org"),
        (["run", *tiny, f"output={tmp_path / 'gone'}"], 4, f"gone: {no_object}"),
        (["run", *tiny, "backgrounds=pink", f"output={tmp_path / 'x'}"], 2, "The background is unknown"),
        (["run", *tiny, "workers=-2", f"output={tmp_path / 'x'}"], 2, "number of workers"),
        (["run", *tiny, f"output={run}"], 2, "another protocol"),
        (["report", str(tmp_path / "interrupted"), "-o", str(tmp_path / "r.html")], 2, "The result cannot be read"),
        (["compare", str(run), str(tmp_path / "interrupted")], 2, "The result cannot be read"),
        (["compare", str(run), str(tmp_path / "gone")], 2, "The runs cannot be compared"),
    ):
        assert command(*words) == code, words
        said = capsys.readouterr()
        assert told in said.out + said.err, words
        assert "Traceback" not in said.err
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "r.html").exists()


def test_mixed_suites_in_one_report_are_warned_of(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.yaml").write_text(SUITE + "  - {name: one, source: 'shape:1000001'}\n")
    words = [f"suite={tmp_path / 'tiny.yaml'}", f"output={tmp_path / 'out'}", "method=copy", "cache=none"]
    assert command("run", *words) == 0
    assert command("report", str(run), str(tmp_path / "out"), "-o", str(tmp_path / "r.html")) == 0
    page = (tmp_path / "r.html").read_text()
    assert "other suites: small v" in page
    named = re.findall(r"<li>([^<]*)not run: mean_orbit", page)
    assert named
    assert all(re.fullmatch(r"\w+(, [^:,]+)*: ", name) for name in named), f"a warning names its run: {named}"
    capsys.readouterr()
