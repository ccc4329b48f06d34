"""Methods that look at the truth: bounds and controls. A scorer that cannot tell these apart is broken."""

from __future__ import annotations

import numpy as np

from svdmv.bench.methods import Method, Task
from svdmv.bench.resize import resized_rgba
from svdmv.core import ViewSet


def reference() -> Method:
    """The truth itself: infinite PSNR, SSIM 1, LPIPS 0."""
    return Method("reference", lambda task: task.truth, "oracle", knows_truth=True, identity="1")


def reference_flipped() -> Method:
    """The true orbit run the other way round: what a wrong sign of the azimuth costs."""

    def predict(task: Task) -> ViewSet:
        rgba, start = task.truth.rgba_u8(), task.track.input_view
        order = (2 * start - np.arange(len(rgba))) % len(rgba)
        return task.views(rgba[order])

    return Method("reference_flipped", predict, "oracle", knows_truth=True, identity="1")


def reference_shifted() -> Method:
    """The true orbit late by one view: what an off-by-one costs."""
    return Method(
        "reference_shifted",
        lambda task: task.views(np.roll(task.truth.rgba_u8(), 1, 0)),
        "oracle",
        knows_truth=True,
        identity="1",
    )


def reference_vae(model: str = "svdmv-mini", device: str = "cpu") -> Method:
    """The truth through a checkpoint's autoencoder: the best that its UNet could reach."""
    import torch

    from svdmv.bench.model_methods import loaded_checkpoint
    from svdmv.dataset.orbits import pixels_from_rgba
    from svdmv.diffusion.generate import straight_from_decoded

    checkpoint = loaded_checkpoint(model, device)
    facts = {"model": checkpoint.info.name, "weights_sha256": checkpoint.info.sha256}

    def predict(task: Task) -> ViewSet:
        small = resized_rgba(task.truth.rgba_u8(), checkpoint.info.image_size)
        pixels = torch.from_numpy(pixels_from_rgba(small))[:, : checkpoint.info.image_channels]
        with torch.inference_mode():
            latents = checkpoint.latents_from_pixels(pixels.to(checkpoint.device))
            decoded = checkpoint.pixels_from_latents(latents[None])[0]
        values = ((decoded + 1) / 2).cpu().numpy().transpose(0, 2, 3, 1)
        rgb, alpha = straight_from_decoded(values)
        rgba = np.concatenate([rgb, alpha[..., None]], -1).clip(0, 1)
        return task.views(resized_rgba(np.round(rgba * 255).astype(np.uint8), task.suite.size_px))

    identity = f"{checkpoint.info.sha256} {device}"
    return Method("reference_vae", predict, "oracle", knows_truth=True, facts=facts, identity=identity)
