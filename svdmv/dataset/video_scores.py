"""Scores of a clip: how much moves, how sharp it is, how much of it is text, what a user's own network says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError, require

Pictures = NDArray[np.uint8]  # (N, H, W, 3) sRGB
FLOW_SIDE_PX = 160  # short side on which flow is computed: Farneback is noise on full-size grain
MAP_SIDE_PX = 16  # short side of the flow maps that are averaged (SVD paper, App. C)
MOTION_FPS = 2.0  # SVD paper, App. C
TEXT_SHARE = 0.07  # SVD paper, App. C: above this, a clip is dropped
TEXT_CERTAINTY, TEXT_LETTERS = 0.6, 3
SHARPNESS_SIDE_PX = 256


def motion_steps(frames: Pictures) -> NDArray[np.float64]:
    """(N - 1,) float64: mean length of the optical flow from each frame to the next, in short sides of the picture.

    Farneback's flow (OpenCV), its maps shrunk to 16 px on the short side (SVD paper, App. C). Frames come at 2 a
    second; the score of a clip is the mean.
    """
    cv2 = require("cv2", "data", "motion scores")
    grey = [_grey(cv2, frame, FLOW_SIDE_PX) for frame in frames]
    steps = np.zeros(max(len(grey) - 1, 0))
    for n, (before, after) in enumerate(pairwise(grey)):
        flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 4, 15, 3, 5, 1.2, 0)
        height, width = flow.shape[:2]
        scale = MAP_SIDE_PX / min(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(flow, size, interpolation=cv2.INTER_AREA)
        steps[n] = float(np.hypot(small[..., 0], small[..., 1]).mean()) / min(height, width)
    return steps


def sharpness(frames: Pictures) -> NDArray[np.float64]:
    """(N,) float64: variance of the Laplacian over the variance of the brightness, each picture at 256 px on the short
    side; a blurred picture comes near 0, whatever its contrast."""
    cv2 = require("cv2", "data", "blur scores")
    out = np.zeros(len(frames))
    for n, frame in enumerate(frames):
        grey = _grey(cv2, frame, SHARPNESS_SIDE_PX).astype(np.float32) / 255
        spread = float(grey.var())
        out[n] = float(cv2.Laplacian(grey, cv2.CV_32F).var()) / spread if spread > 1e-6 else 0.0
    return out


def text_share(frames: Pictures) -> NDArray[np.float64]:
    """(N,) float64: share of each picture that text boxes cover, boxes counted once where they overlap.

    A box counts when at least three letters or digits are read in it with some certainty: the detector alone takes a
    single object on a plain ground for one huge character.

    Raises MissingDependency: rapidocr or onnxruntime is not installed.
    """
    cv2 = require("cv2", "data", "text detection")
    reader = _text_reader()
    out = np.zeros(len(frames))
    for n, frame in enumerate(frames):
        found = reader(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2BGR), use_cls=False)
        if found.boxes is None or found.txts is None or found.scores is None:
            continue
        mask = np.zeros(frame.shape[:2], np.uint8)
        for box, words, score in zip(found.boxes, found.txts, found.scores, strict=True):
            if score < TEXT_CERTAINTY or sum(letter.isalnum() for letter in words) < TEXT_LETTERS:
                continue
            cv2.fillPoly(mask, [np.round(np.asarray(box)).astype(np.int32)], 1)
        out[n] = float(mask.mean())
    return out


@lru_cache(maxsize=1)
def _text_reader() -> Any:
    rapidocr = require("rapidocr", "data", "text detection")
    require("onnxruntime", "data", "text detection")
    return rapidocr.RapidOCR(params={"Global.log_level": "critical"})


def network_scores(
    frames: Pictures, network: Path | str, direction: Path | str | None = None, *, standard: str = "clip"
) -> NDArray[np.float64]:
    """(N,) float64: what a network of the user's says of each picture: an aesthetic head, or CLIP and a direction.

    Args:
        network: an ONNX file; one picture input (1, 3, S, S). An output of one number is the score; a longer one is an
            embedding, and `direction` is needed; anything larger is averaged.
        direction: .npy with one embedding (D,); the score is then the cosine.
        standard: "clip" brings pictures to CLIP's mean and deviation, "unit" leaves [0, 1].

    Raises:
        MissingDependency: onnxruntime is not installed. InputError: a file is absent or does not fit.
    """
    runtime = require("onnxruntime", "data", "scores of a network")
    for path in (network, direction):
        if path is not None and not Path(path).is_file():
            raise InputError("The network's file is not there", where=path, expected="an .onnx or .npy file")
    try:
        session = runtime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
        wanted = None if direction is None else np.load(direction, allow_pickle=False).astype(np.float64).ravel()
        entry = session.get_inputs()[0]
        side = next((s for s in entry.shape[2:] if isinstance(s, int)), 224)
        out = np.zeros(len(frames))
        for n, frame in enumerate(frames):
            answer = session.run(None, {entry.name: _network_input(frame, side, standard)})[0]
            value = np.asarray(answer, np.float64).ravel()
            if wanted is not None:
                out[n] = float(value @ wanted / max(np.linalg.norm(value) * np.linalg.norm(wanted), 1e-12))
            else:
                out[n] = float(value.mean())
    except Exception as error:  # the runtime's errors have no common parent
        raise InputError(
            "The network cannot score pictures",
            where=network,
            seen=f"{type(error).__name__}: {error}"[:200],
            expected="an ONNX image network, and a direction of its embedding's length",
        ) from error
    return out


def _network_input(frame: Pictures, side: int, standard: str) -> NDArray[np.float32]:
    from PIL import Image

    small = Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC)
    values = np.asarray(small, np.float32).transpose(2, 0, 1)[None] / 255
    if standard == "clip":
        mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)[:, None, None]
        deviation = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)[:, None, None]
        values = (values - mean) / deviation
    return np.ascontiguousarray(values, np.float32)


def _grey(cv2: Any, frame: Pictures, side: int) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    grey: NDArray[np.uint8] = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    if min(height, width) <= side:
        return grey
    scale = side / min(height, width)
    smaller: NDArray[np.uint8] = cv2.resize(
        grey, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
    )
    return smaller


def evenly_along(steps: Sequence[float] | NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """(count,) int64: frames that are equally far from each other along a path, the first and the last among them.

    Args:
        steps: (N - 1,) length of the path from each frame to the next: optical flow, or the way of the camera.
        count: at most N; no frame is ever taken twice, and none mirrored.

    Raises InputError: fewer frames than asked for.
    """
    lengths = np.maximum(np.asarray(steps, np.float64), 0)
    total = len(lengths) + 1
    if total < count or count < 2:
        raise InputError(
            "The path has too few frames", where="evenly_along", seen=total, expected=f"at least {max(count, 2)}"
        )
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    if along[-1] <= 0:
        along = np.arange(total, dtype=np.float64)
    chosen = np.zeros(count, np.int64)
    chosen[-1] = total - 1
    for k in range(1, count - 1):
        target = along[-1] * k / (count - 1)
        low, high = chosen[k - 1] + 1, total - (count - k)
        chosen[k] = low + int(np.abs(along[low : high + 1] - target).argmin())
    return chosen
