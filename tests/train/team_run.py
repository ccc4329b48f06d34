"""A few steps of both training loops by one process of a team (RANK, WORLD_SIZE): python team_run.py STORE OUT."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import save_file
from tiny_training import AUTOENCODER, batches_of, looped, tiny_model

import svdmv.train.finetune as finetune_module
from svdmv.dataset.orbits import OrbitStore
from svdmv.train.autoencoder import AutoencoderTraining, train_autoencoder
from svdmv.train.dealt_out import deal_out, gathered_unet
from svdmv.train.finetune import finetune
from svdmv.train.networks import new_autoencoder
from svdmv.train.parallel import Team, team_from_environment
from svdmv.train.progress import StepClock
from svdmv.train.settings import Finetuning

AUTO = AutoencoderTraining(num_steps=3, temporal_steps=1, clip_views=2, batch=4, warmup_steps=1, learning_rate=1e-3)
FINE = Finetuning(num_steps=2, batch=4, warmup_steps=1, learning_rate=1e-3)


def main(store_folder: Path, out: Path) -> None:
    torch.set_num_threads(1)
    store, team = OrbitStore.open(store_folder), team_from_environment("cpu")
    train_autoencoder(
        new_autoencoder(AUTOENCODER, 0), store, AUTO, out / "auto", lpips=None, minutes=9, bf16=False, team=team
    )
    model = tiny_model()
    only = torch.nn.ModuleDict({"unet": model.unet})
    finetune(model, batches_of(store, FINE), FINE, out / "fine", looped(team=team, trained=only))
    if team.count > 1:
        dealt_out_runs(store, out, team)
    team.wait()


def dealt_out_runs(store: OrbitStore, out: Path, team: Team) -> None:
    """The same steps with the UNet dealt out: in one go, and in two with a stop between; both UNets are saved."""
    for name, stops in (("zero3", [-1]), ("zero2", [1, -1])):
        for last in stops:
            model = tiny_model()
            trained = torch.nn.ModuleDict({"unet": model.unet})
            deal_out(model, team, name, "cpu")
            loop = looped(team=team, dealt_out=True, trained=trained)
            with mock.patch.object(finetune_module, "StepClock", stopping_after(last)):
                finetune(model, batches_of(store, FINE), FINE, out / name, loop)
        whole = gathered_unet(model)
        if team.writes:
            save_file({n: t.contiguous() for n, t in whole.state_dict().items()}, out / f"{name}.safetensors")


def stopping_after(count: int) -> type[StepClock]:
    """A clock that is spent after so many steps."""

    class Stopping(StepClock):
        """Counts steps."""

        left = count

        def tick(self) -> None:
            self.left -= 1

        def spent(self) -> bool:
            return self.left == 0

    return Stopping


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
