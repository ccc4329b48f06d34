"""Runs that kill themselves with SIGKILL at awkward moments, each gone on with: python killed_run.py STORE OUT.

Prints one JSON object: for every moment, the step that was gone on from and whether the end is the same, bit for bit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors.torch import load_file
from tiny_training import batches_of, state_of, toy_loop, toy_model

import svdmv.train.finetune as loop
import svdmv.train.states as states
from svdmv.dataset.orbits import OrbitStore
from svdmv.train.settings import Finetuning

SETTINGS = Finetuning(num_steps=6, batch=2, warmup_steps=2, save_every=2, learning_rate=1e-3)


def die(*arguments: Any, **named: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def on_call(number: int, function: Any, instead: Any) -> Any:
    """`function`, but for call `number`, which is `instead`."""
    calls = []

    def called(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        return (instead if len(calls) == number else function)(*arguments, **named)

    return called


def half_a_file(tensors: Any, path: Path, **named: Any) -> None:
    real_save(tensors, path, **named)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    die()


real_save = safetensors.torch.save_file
MOMENTS = {  # module, attribute, replacement in the child
    "in step 4": lambda: setattr(loop, "finite", on_call(4, loop.finite, die)),
    "half of the second state": lambda: setattr(safetensors.torch, "save_file", on_call(2, real_save, half_a_file)),
    "before the second marker": lambda: setattr(states, "write_json", on_call(2, states.write_json, die)),
    "before the old state goes": lambda: setattr(states.shutil, "rmtree", die),
}


def run(store: OrbitStore, folder: Path) -> None:
    model = toy_model()
    loop.finetune(model, batches_of(store, SETTINGS), SETTINGS, folder, toy_loop(model))


def main(store_folder: Path, out: Path) -> None:
    torch.set_num_threads(1)
    store, told = OrbitStore.open(store_folder), {}
    for name, arrange in MOMENTS.items():
        child = os.fork()
        if child == 0:
            arrange()
            run(store, out / name)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        place = states.States(out / name, {}).newest()
        told[name] = {"signal": status & 127, "from": int(place.name) if place is not None else 0}
    run(store, out / "straight")
    truth = load_file(state_of(out / "straight"))
    for name in MOMENTS:
        run(store, out / name)
        state = load_file(state_of(out / name))
        told[name]["same"] = all(torch.equal(state[n], t) for n, t in truth.items())
        told[name]["left"] = [p.name for p in (out / name / "states").iterdir()]
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
