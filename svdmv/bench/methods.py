"""Methods: anything that turns an input view and cameras into views. A plain table name -> factory.

Rows that are always there come first: they know nothing of the object's other sides, or everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.bench.mesh_scores import TrueObject
from svdmv.bench.suite import Suite, Track
from svdmv.core import Asset, ConfigError, DataError, ViewSet


@dataclass(frozen=True)
class Task:
    """One prediction to make: `input_rgba` (S, S, 4) uint8 straight alpha, rendered at the suite's size, and cameras.

    truth: the reference views; only methods that say `knows_truth` may look at it. ladder: the truth from other
    elevations, small, for the alignment check alone. known: the object itself, for scores of meshes.
    """

    suite: Suite
    track: Track
    object_name: str
    input_rgba: NDArray[np.uint8]
    seed: int
    truth: ViewSet
    ladder: Mapping[float, ViewSet] = field(default_factory=dict)
    known: TrueObject | None = None

    @property
    def true_object(self) -> TrueObject:
        """The object itself. Raises DataError: the task was made without it."""
        if self.known is None:
            raise DataError("The task has no object", where=self.object_name, seen="views alone", expected="a mesh")
        return self.known

    def views(self, rgba: NDArray[np.uint8]) -> ViewSet:
        """(N, S, S, 4) uint8 as an answer on this task's cameras."""
        return ViewSet(rgba[..., :3], self.truth.cameras, rgba[..., 3], orbit=self.truth.orbit)


@dataclass(frozen=True)
class Method:
    """predict: Task -> ViewSet of the suite's size and the track's cameras, in order.

    kind: model, trivial or oracle. knows_truth: it looks at the reference (bounds, controls). stochastic: the seed
    matters. facts: weights and their hash, settings; kept in the result. mesh: of methods whose views are rendered from
    one: the asset and how a rule moved it. identity: what decides its views besides task and seed, as text (hash of
    weights, settings, device), so that they are made once and found again; empty = unknown.
    """

    name: str
    predict: Callable[[Task], ViewSet]
    kind: str = "model"
    knows_truth: bool = False
    stochastic: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    mesh: Callable[[Task], tuple[Asset, dict[str, float]]] | None = None
    identity: str = ""


METHODS = {
    "copy": "svdmv.bench.trivial_methods:copy",
    "mirrored_copy": "svdmv.bench.trivial_methods:mirrored_copy",
    "blank": "svdmv.bench.trivial_methods:blank",
    "mean_orbit": "svdmv.bench.trivial_methods:mean_orbit",
    "nearest_orbit": "svdmv.bench.trivial_methods:nearest_orbit",
    "reference": "svdmv.bench.oracle_methods:reference",
    "reference_vae": "svdmv.bench.oracle_methods:reference_vae",
    "reference_flipped": "svdmv.bench.oracle_methods:reference_flipped",
    "reference_shifted": "svdmv.bench.oracle_methods:reference_shifted",
    "svdmv": "svdmv.bench.model_methods:checkpoint",
    "folder": "svdmv.bench.folder_methods:folder",
}
ALWAYS = ("copy", "mirrored_copy", "blank", "reference", "reference_flipped", "reference_shifted")
WHERE_AT_HAND = ("mean_orbit", "nearest_orbit", "reference_vae")  # also always, where their files are named; else told


def method_names() -> list[str]:
    """Ours and those of other packages (entry points svdmv.methods)."""
    return [*METHODS, *(point.name for point in entry_points(group="svdmv.methods"))]


def method_from_name(name: str, options: Mapping[str, str]) -> Method:
    """Resolve a name and build the method with its options (all strings, as given: model=..., views=...).

    Raises ConfigError: unknown name or option; whatever the method's own loading raises.
    """
    factory: Callable[..., Method] | None = None
    if name in METHODS:
        module, _, function = METHODS[name].partition(":")
        factory = getattr(import_module(module), function)
    for point in entry_points(group="svdmv.methods"):
        if point.name == name:
            factory = point.load()
    if factory is None:
        raise ConfigError(
            "The method is unknown",
            where="method",
            seen=name,
            expected=", ".join(method_names()),
            next_step="svdmv bench list",
        )
    try:
        return factory(**options)
    except TypeError as error:
        raise ConfigError(
            "A method was given options that it does not take",
            where=f"method={name}",
            seen=dict(options),
            expected=str(error),
        ) from error
