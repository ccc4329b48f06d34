"""Telling a subject from its background: synthetic pictures with a known answer, and every fallback."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from svdmv.core import CheckpointError, InputError, MissingDependency
from svdmv.io.pictures import Picture
from svdmv.subject import SEGMENTERS, frame_subject
from svdmv.subject.matting import guided_filter, refined_alpha, subject_colors
from svdmv.subject.saliency import model_file, weight_folders
from svdmv.subject.segmentation import segmenter_by_name

HEIGHT, WIDTH = 200, 260
TEAL, CREAM = (20, 110, 120), (235, 225, 205)


def truth() -> np.ndarray:
    """(H, W) coverage of an ellipse with a round hole-free head, antialiased."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    body = 1 - np.hypot((x - 120) / 62, (y - 118) / 48)
    head = 1 - np.hypot((x - 165) / 28, (y - 72) / 30)
    return (np.maximum(body, head) * 40).clip(0, 1)


def photo(background: np.ndarray) -> Picture:
    """The ellipse in textured teal before a background, opaque."""
    rng = np.random.default_rng(1)
    texture = np.asarray(TEAL) + rng.integers(-12, 13, (HEIGHT, WIDTH, 3))
    alpha = truth()[..., None]
    rgb = np.rint(texture * alpha + background * (1 - alpha)).clip(0, 255).astype(np.uint8)
    rgba = np.dstack([rgb, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    return Picture(rgba, False, (), "0" * 64, Path("made.jpg"))


def plain_background() -> np.ndarray:
    return np.broadcast_to(np.asarray(CREAM, float), (HEIGHT, WIDTH, 3))


def gradient_background() -> np.ndarray:
    y = np.linspace(-1, 1, HEIGHT)[:, None, None]
    return plain_background() - 35 * (1 + y)


def two_coloured_background() -> np.ndarray:
    background = plain_background().copy()
    background[:, ::40] = background[:, 20::40] = (150, 90, 60)
    background[100:] = (230, 160, 90)
    return background


def expected_frame(size: int) -> np.ndarray:
    rgba = np.dstack([np.full((HEIGHT, WIDTH, 3), TEAL), np.rint(truth() * 255)]).astype(np.uint8)
    cutout = Picture(rgba, True, (), "0" * 64, Path("cutout.png"))
    return frame_subject(cutout, size=size, foreground_ratio=0.85).rgba


def iou(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a[..., 3] > 127, b[..., 3] > 127
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("background", [plain_background, gradient_background])
def test_border_key_finds_the_subject_on_an_even_background(background) -> None:
    result = frame_subject(photo(background()), size=128, foreground_ratio=0.85, segmenter="border_key")
    assert result.segmenter == "border_key"
    assert any("colour of the border" in note for note in result.notes)
    assert iou(result.rgba, expected_frame(128)) > 0.97


def test_border_key_refuses_a_background_of_two_colours() -> None:
    with pytest.raises(InputError, match="more than one colour"):
        frame_subject(photo(two_coloured_background()), size=64, foreground_ratio=0.85, segmenter="border_key")


@pytest.mark.parametrize("background", [plain_background, two_coloured_background])
def test_grabcut_finds_the_subject_and_says_what_it_is(background) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    result = frame_subject(photo(background()), size=128, foreground_ratio=0.85, segmenter="grabcut")
    assert result.segmenter == "grabcut"
    assert any("GrabCut" in note for note in result.notes)
    assert iou(result.rgba, expected_frame(128)) > 0.9


def test_grabcut_gives_the_same_twice() -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    first, second = (
        frame_subject(photo(two_coloured_background()), size=64, foreground_ratio=0.85, segmenter="grabcut").rgba
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_no_background_shows_at_soft_edges() -> None:
    """Every pixel of the frame, however thin its alpha, has the subject's colour and not a mixture."""
    result = frame_subject(photo(plain_background()), size=128, foreground_ratio=0.85, segmenter="border_key").rgba
    rim = result[(result[..., 3] > 25) & (result[..., 3] < 230)][:, :3].astype(float)
    assert len(rim) > 50
    mixed = np.abs(rim - TEAL).mean(1) / np.abs(np.subtract(CREAM, TEAL)).mean()
    assert np.median(mixed) < 0.15


@pytest.fixture
def without_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SVDMV_WEIGHTS", "U2NET_HOME", "REMBG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_auto_without_networks_takes_the_border_then_grabcut(without_networks: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    even = frame_subject(photo(plain_background()), size=64, foreground_ratio=0.85)
    assert even.segmenter == "border_key"
    busy = frame_subject(photo(two_coloured_background()), size=64, foreground_ratio=0.85)
    assert busy.segmenter == "grabcut"


def test_auto_with_nothing_installed_names_what_to_install(without_networks: pytest.MonkeyPatch) -> None:
    for module in ("cv2", "onnxruntime", "rembg"):
        without_networks.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependency) as caught:
        frame_subject(photo(two_coloured_background()), size=64, foreground_ratio=0.85)
    assert 'pip install "svdmv[' in str(caught.value)
    assert caught.value.exit_code == 3
    even = frame_subject(photo(plain_background()), size=64, foreground_ratio=0.85)
    assert even.segmenter == "border_key"


def test_missing_network_names_the_folders_and_downloads_nothing(without_networks: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"u2netp\.onnx") as caught:
        frame_subject(photo(plain_background()), size=64, foreground_ratio=0.85, segmenter="u2netp")
    assert ".u2net" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("SVDMV_WEIGHTS", "first:second", "second/u2netp.onnx"),
        ("SVDMV_WEIGHTS", "first", "first/saliency/u2netp.onnx"),
        ("U2NET_HOME", "flat", "flat/u2netp.onnx"),
        ("U2NET_HOME", "home", "home/models/u2netp/u2netp.onnx"),
        ("REMBG_HOME", "home", "home/models/u2netp/u2netp.onnx"),
        ("XDG_DATA_HOME", "data", "data/rembg/models/u2netp/u2netp.onnx"),
        ("XDG_DATA_HOME", "data", "data/.u2net/u2netp.onnx"),
        ("UNRELATED", "x", ".u2net/u2netp.onnx"),
        ("UNRELATED", "x", ".rembg/models/u2netp/u2netp.onnx"),
    ],
)
def test_network_is_found_where_it_may_lie(
    without_networks: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, place: str
) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    without_networks.setenv(variable, os.pathsep.join(str(tmp_path / part) for part in value.split(":")))
    assert model_file(("u2net", "u2netp"), weight_folders()) == tmp_path / place


def test_explicit_folder_comes_first_and_better_networks_before_it(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    for folder in (near, far):
        folder.mkdir()
        (folder / "u2netp.onnx").touch()
    assert model_file(("u2net", "u2netp"), (near, far)) == near / "u2netp.onnx"
    (far / "u2net.onnx").touch()
    assert model_file(("u2net", "u2netp"), (near, far)) == far / "u2net.onnx"
    assert model_file(("u2net",), (near / "mine.onnx", far)) == near / "mine.onnx"


def test_damaged_network_is_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    broken = tmp_path / "mine.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        frame_subject(photo(plain_background()), size=64, foreground_ratio=0.85, segmenter=str(broken))


def test_rembg_is_called_for_its_own_models_only_when_on_disk(
    without_networks: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stand-in with rembg's two functions: the model named is the one on disk, its mask is used."""
    asked: list[str] = []
    rembg = ModuleType("rembg")

    def new_session(name: str) -> str:
        asked.append(name)
        return name

    def remove(image: Image.Image, *, session: str, only_mask: bool) -> Image.Image:
        assert only_mask
        distance = np.abs(np.asarray(image).astype(int) - CREAM).max(-1)
        return Image.fromarray(np.where(distance > 40, 255, 0).astype(np.uint8))

    rembg.new_session, rembg.remove = new_session, remove  # type: ignore[attr-defined] # a stand-in module
    without_networks.setitem(sys.modules, "rembg", rembg)
    options = {"size": 64, "foreground_ratio": 0.85, "segmenter": "rembg"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "birefnet-general.onnx").touch()
    without_networks.setenv("SVDMV_WEIGHTS", str(elsewhere))  # rembg does not look there: it would download
    with pytest.raises(CheckpointError):
        frame_subject(photo(plain_background()), **options)
    assert not asked
    home = tmp_path / ".rembg" / "models" / "birefnet-general"
    home.mkdir(parents=True)
    (home / "birefnet-general.onnx").touch()
    result = frame_subject(photo(plain_background()), **options)
    assert set(asked) == {"birefnet-general"}
    assert result.segmenter == "rembg birefnet-general"
    assert iou(result.rgba, expected_frame(64)) > 0.95


def test_every_name_in_the_table_resolves() -> None:
    for name in SEGMENTERS:
        assert callable(segmenter_by_name(name))


@pytest.mark.parametrize("segmenter", ["u2netp", "onnx", "auto", "path"])
def test_u2netp_finds_the_subject(segmenter: str, saliency_weights: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    name = str(saliency_weights / "u2netp.onnx") if segmenter == "path" else segmenter
    result = frame_subject(
        photo(gradient_background()), size=128, foreground_ratio=0.85, segmenter=name, weights_dir=saliency_weights
    )
    assert result.segmenter == "u2netp"
    assert iou(result.rgba, expected_frame(128)) > 0.95


def test_small_subject_gets_a_second_look(saliency_weights: Path) -> None:
    """A subject of 65 px in a picture of 1040: 320 px for the whole would leave it 20 px, the near look all."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    small = photo(plain_background()).rgba
    wide = np.full((4 * HEIGHT, 4 * WIDTH, 4), (*CREAM, 255), np.uint8)
    wide[500 : 500 + HEIGHT, 60 : 60 + WIDTH] = small
    picture = Picture(wide, False, (), "0" * 64, Path("wide.jpg"))
    result = frame_subject(picture, size=128, foreground_ratio=0.85, segmenter="u2netp", weights_dir=saliency_weights)
    assert iou(result.rgba, expected_frame(128)) > 0.95


def test_guided_filter_of_a_linear_model_is_exact() -> None:
    """Values that are linear in the colours come back as they are when the regularisation is tiny."""
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    values = (rgb @ np.array([0.2, 0.5, 0.1]) / 255 + 0.1).astype(np.float32)
    np.testing.assert_allclose(guided_filter(rgb, values, 4, 1e-9, np.ones_like(values)), values, atol=1e-4)


def test_refined_edge_follows_the_picture() -> None:
    """A mask that is 4 px too wide all round comes back to the edge in the picture."""
    from scipy import ndimage

    picture = photo(plain_background())
    wide = ndimage.binary_dilation(truth() > 0.5, iterations=4).astype(np.float32)
    alpha = refined_alpha(picture.rgba[..., :3], wide, 6)
    before, after = np.abs(wide - truth()).sum(), np.abs(alpha - truth()).sum()
    assert after < 0.25 * before


def test_subject_colours_undo_the_mixture() -> None:
    """Known foreground, background and alpha: the foreground is found again at half-covered pixels."""
    x = np.linspace(0, 1, 90)[None].repeat(60, 0)
    alpha = ((x - 0.4) * 10).clip(0, 1)
    mixed = np.rint(np.asarray(TEAL) * alpha[..., None] + np.asarray(CREAM) * (1 - alpha[..., None])).astype(np.uint8)
    found = subject_colors(mixed, alpha.astype(np.float32))
    half = (alpha > 0.3) & (alpha < 0.99)
    assert np.abs(found[half].astype(int) - TEAL).max() <= 10
    np.testing.assert_array_equal(found[alpha == 1], mixed[alpha == 1])
