"""A few steps of both training loops by one process of a team (RANK, WORLD_SIZE): python team_run.py STORE OUT."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tiny_training import AUTOENCODER, batches_of, looped, tiny_model

from svdmv.dataset.orbits import OrbitStore
from svdmv.train.autoencoder import AutoencoderTraining, train_autoencoder
from svdmv.train.finetune import finetune
from svdmv.train.networks import new_autoencoder
from svdmv.train.parallel import team_from_environment
from svdmv.train.settings import Finetuning

AUTO = AutoencoderTraining(num_steps=3, temporal_steps=1, clip_views=2, batch=4, warmup_steps=1, learning_rate=1e-3)
FINE = Finetuning(num_steps=3, batch=4, warmup_steps=1, learning_rate=1e-3)


def main(store_folder: Path, out: Path) -> None:
    torch.set_num_threads(1)
    store, team = OrbitStore.open(store_folder), team_from_environment("cpu")
    train_autoencoder(
        new_autoencoder(AUTOENCODER, 0), store, AUTO, out / "auto", lpips=None, minutes=9, bf16=False, team=team
    )
    finetune(tiny_model(), batches_of(store, FINE), FINE, out / "fine", looped(team=team))
    team.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
