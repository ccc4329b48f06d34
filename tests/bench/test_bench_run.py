"""Runs: resumable, refusing what does not fit, failures by name, the same bytes twice; controls that must come out."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svdmv.bench.comparison import comparison_text, warnings_between
from svdmv.bench.config import BenchConfig, bench_config, plan_from_config
from svdmv.bench.methods import Method, Task, method_from_name
from svdmv.bench.metrics import metric_from_name
from svdmv.bench.plan import RunPlan
from svdmv.bench.references import LitObject, reference_views
from svdmv.bench.report import write_report
from svdmv.bench.runner import only_run_in, run_suite
from svdmv.bench.suite import Suite, SuiteObject, Track, load_suite
from svdmv.bench.tables import latex_table, load_result, markdown_table, text_table
from svdmv.core import ConfigError, DataError, InputError, ViewSet
from svdmv.render import render_views

TRIVIAL = ("copy", "mirrored_copy", "blank", "reference", "reference_flipped", "reference_shifted")
METRICS = ("psnr", "psnr_object", "iou")


@pytest.fixture(scope="session")
def suite() -> Suite:
    """Two shapes, seven views of 32 px."""
    azimuths = tuple(n * 360 / 7 for n in range(7))
    objects = tuple(SuiteObject(f"shape-{n}", f"shape:{n}") for n in (1000001, 1000002))
    return replace(
        load_suite("mini"), name="tiny", objects=objects, tracks=(Track("level", azimuths, (10.0,) * 7),),
        size_px=32, supersampling=1, metrics=METRICS,
    )  # fmt: skip


def shrunk() -> Method:
    """A model in name: the truth, half transparent."""

    def predict(task: Task) -> ViewSet:
        rgba = task.truth.rgba_u8().copy()
        rgba[..., 3] = rgba[..., 3] // 4 * 3
        return task.views(rgba)

    return Method("thin", predict, "model")


def plan(suite: Suite, cache: Path, *extra: Method, **options: object) -> RunPlan:
    methods = (*extra, *(method_from_name(name, {}) for name in TRIVIAL))
    return RunPlan(suite, methods, tuple(metric_from_name(m) for m in METRICS), cache=cache, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reference views, rendered once."""
    return tmp_path_factory.mktemp("references")


@pytest.fixture(scope="session")
def run(suite: Suite, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("run") / "out"
    assert run_suite(plan(suite, cache, shrunk()), out)["complete"]
    return out


def test_controls_come_out(run: Path) -> None:
    """The truth is perfect; a flipped or shifted orbit is not; nothing scores better than the truth."""
    mean = load_result(run)["mean"]
    assert mean["reference"]["psnr"]["mean"] == 100
    assert mean["reference"]["iou"]["mean"] == 1
    for wrong in ("reference_flipped", "reference_shifted", "copy", "mirrored_copy", "blank", "thin"):
        assert mean[wrong]["psnr_object"]["mean"] < 40, wrong
    assert mean["blank"]["iou"]["mean"] == 0
    assert mean["blank"]["psnr"]["mean"] > mean["blank"]["psnr_object"]["mean"], "background alone earns nothing inside"


def test_the_input_view_is_left_out(run: Path) -> None:
    """Copy is right at view 0 and must not gain by it."""
    with (run / "views.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["method"] == "copy"]
    assert {r["psnr"] for r in rows if r["view"] == "0"} == {"inf"}
    assert {r["counted"] for r in rows if r["view"] == "0"} == {"0"}
    others = [float(r["psnr"]) for r in rows if r["counted"] == "1"]
    assert load_result(run)["mean"]["copy"]["psnr"]["mean"] == pytest.approx(np.mean(others), abs=1e-5)


def test_pooled_is_never_above_the_mean(run: Path) -> None:
    for method, values in load_result(run)["mean"].items():
        if method != "reference":
            assert values["psnr"]["pooled"] <= values["psnr"]["mean"] + 1e-6


def test_a_second_run_changes_nothing_and_a_stopped_one_ends_the_same(
    suite: Suite, cache: Path, run: Path, tmp_path: Path
) -> None:
    before = {p: p.stat().st_mtime_ns for p in run.rglob("objects/*.json")}
    run_suite(plan(suite, cache, shrunk()), run)
    assert before == {p: p.stat().st_mtime_ns for p in run.rglob("objects/*.json")}
    calls = []

    def dying(task: Task) -> ViewSet:
        calls.append(task.object_name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return shrunk().predict(task)

    with pytest.raises(KeyboardInterrupt):
        run_suite(plan(suite, cache, replace(shrunk(), predict=dying)), tmp_path / "out")
    assert not (tmp_path / "out" / "result.json").exists()
    run_suite(plan(suite, cache, shrunk()), tmp_path / "out")
    for name in ("views.csv", "objects.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (run / name).read_bytes()


def test_another_protocol_in_the_same_folder_is_refused(suite: Suite, cache: Path, run: Path) -> None:
    with pytest.raises(InputError) as caught:
        run_suite(plan(replace(suite, size_px=16), cache, shrunk()), run)
    assert "suite" in caught.value.block()


def test_a_foreign_folder_is_left_alone(suite: Suite, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="holds no benchmark run"):
        run_suite(plan(suite, cache), tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "x"


def test_two_runs_in_one_folder(suite: Suite, cache: Path, tmp_path: Path) -> None:
    with only_run_in(tmp_path), pytest.raises(InputError, match="Another run"):
        only_run_in(tmp_path).__enter__()


def test_a_failed_prediction_is_a_named_row_and_counts_in_no_mean(suite: Suite, cache: Path, tmp_path: Path) -> None:
    def predict(task: Task) -> ViewSet:
        if task.object_name.endswith("2"):
            raise DataError("The model broke", where="here", seen="smoke", expected="none")
        return shrunk().predict(task)

    result = run_suite(plan(suite, cache, replace(shrunk(), predict=predict)), tmp_path / "out")
    assert not result["complete"]
    assert [(p["object"], p["method"], p["failed"]) for p in result["failed_predictions"]] == [
        ("shape-1000002", "thin", "The model broke: smoke")
    ]
    assert result["mean"]["thin"]["psnr"]["objects"] == 1
    assert result["mean"]["copy"]["psnr"]["objects"] == 2
    write_report([tmp_path / "out"], tmp_path / "r.html")
    assert "The model broke: smoke" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rgba: rgba[:-1], "number of views"),
        (lambda rgba: rgba[:, ::2, ::2], "wrong size"),
        (lambda rgba: np.concatenate([rgba[:3], np.full_like(rgba[3:4], (0, 0, 0, 255)), rgba[4:]]), "black all over"),
    ],
)
def test_predictions_that_do_not_fit(suite: Suite, cache: Path, tmp_path: Path, change, told: str) -> None:  # type: ignore[no-untyped-def]
    def predict(task: Task) -> ViewSet:
        rgba = change(task.truth.rgba_u8())
        cameras = task.track.orbit(1.75, 33.8).cameras(rgba.shape[2], rgba.shape[1])[: len(rgba)]
        return ViewSet(np.ascontiguousarray(rgba[..., :3]), cameras, np.ascontiguousarray(rgba[..., 3]))

    result = run_suite(plan(suite, cache, replace(shrunk(), predict=predict), limit=1), tmp_path / "out")
    assert told in result["failed_predictions"][0]["failed"]


def test_a_changed_object_file_is_told(suite: Suite, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "a.glb").write_bytes(b"other")
    changed = replace(suite, objects=(SuiteObject("a", "a.glb", "0" * 64),))
    result = run_suite(plan(changed, cache, data=tmp_path), tmp_path / "out")
    assert "differs from the one it names" in result["failed_objects"]["a"]
    with pytest.raises(InputError, match="not at hand"):
        reference_views(changed, changed.objects[0], None, None)


def test_references_come_from_the_cache_bit_for_bit(suite: Suite, cache: Path) -> None:
    item = suite.objects[0]
    kept, fresh = (reference_views(suite, item, None, c)["level"] for c in (cache, None))
    np.testing.assert_array_equal(kept.rgba_u8(), fresh.rgba_u8())


def test_an_object_that_is_lit_once_is_drawn_as_if_lit_each_time(suite: Suite) -> None:
    lit = LitObject(suite, suite.objects[0], None)
    for elevation, size in ((10.0, 32), (40.0, 16)):
        track = Track("two", (0.0, 100.0), (elevation,) * 2)
        small = replace(suite, tracks=(track,), size_px=size)
        cameras = small.orbit(track).cameras(size, size)
        views = render_views(lit.asset, cameras, light=suite.light, supersampling=1, with_geometry=False)
        drawn = reference_views(small, suite.objects[0], None, None, lit)["two"]
        np.testing.assert_array_equal(drawn.rgba_u8(), views.rgba_u8())


def test_a_method_that_turns_the_other_way_is_told(suite: Suite, cache: Path, tmp_path: Path) -> None:
    backwards = replace(method_from_name("reference_flipped", {}), name="backwards", kind="model", knows_truth=False)
    robots = tuple(SuiteObject(f"robot-{n}", f"shape2:{n}") for n in (2000007, 2000001))
    chiral = replace(suite, objects=robots)
    result = run_suite(RunPlan(chiral, (backwards,), (metric_from_name("psnr"),), cache=cache), tmp_path / "out")
    assert result["alignment"]["backwards"]["convention"]
    assert result["alignment"]["backwards"]["commonest"] .items() >= {
        "shift": 0, "flipped": True, "elevation_deg": 0.0, "scale": 1.0
    }.items()  # fmt: skip
    assert result["alignment"]["backwards"]["direction"] == "reversed"
    write_report([tmp_path / "out"], tmp_path / "r.html")
    assert "backwards: convention? orbit run the other way" in (tmp_path / "r.html").read_text()


def test_tables_name_everything(run: Path) -> None:
    result = load_result(run)
    for text in (text_table(result), markdown_table(result), latex_table(result)):
        assert result["suite"]["sha256"][:12] in text
        assert "psnr" in text
        assert "blank" in text
    assert "reference\\_flipped" in latex_table(result)


def test_comparison_warns_about_other_suites(run: Path) -> None:
    result = load_result(run)
    assert warnings_between(result, result) == []
    other = json.loads(json.dumps(result))
    other["suite"]["sha256"], other["size_px"] = "f" * 64, 64
    warned = warnings_between(result, other)
    assert len(warned) == 2
    text = comparison_text(result, other)
    assert text.startswith("WARNING other suites")
    assert "thin (first) - thin (second)" in text
    assert "+0.0000" in text


def test_settings() -> None:
    assert bench_config(["suite=mini", "seeds=3"]).seeds == 3
    for words, told in ((["sute=mini"], "suite="), (["mini"], "not KEY=VALUE"), (["seeds=many"], "right type")):
        with pytest.raises(ConfigError) as caught:
            bench_config(words)
        assert told in caught.value.block()
    with pytest.raises(ConfigError, match="no objects of its own"):
        plan_from_config(BenchConfig(suite="svd-mv-paper"))
    with pytest.raises(ConfigError, match="method is unknown"):
        plan_from_config(BenchConfig(method="svdvm"))


@pytest.mark.parametrize("suite", ["mini", "gso34_orbit21"])
def test_metrics_whose_weights_are_missing_are_named(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SVDMV_WEIGHTS", raising=False)
    made = plan_from_config(BenchConfig(suite=suite, method="copy"))
    assert [m.name for m in made.metrics] == ["psnr", "psnr_object", "ssim", "mse", "iou"]
    assert list(made.absent) == ["lpips_alex"]
    why = "LPIPS weights are not at hand: not set; needs a folder with lpips_alex_fp32.safetensors, or "
    assert made.absent["lpips_alex"].startswith(why)
