"""The second generator: more kinds, things without a name, and every object dressed: proportions, finishes, decals."""

from __future__ import annotations

import importlib

from svdmv.dataset.procedural.finishes import finished
from svdmv.dataset.procedural.forms import Part
from svdmv.dataset.procedural.paints import Paint, Rng, dice, palette
from svdmv.dataset.procedural.solids import warped
from svdmv.dataset.procedural.stickers import sticker

_ROOM = "svdmv.dataset.procedural."
KINDS_2: dict[str, tuple[str, float]] = {
    "gadget": ("freeforms:gadget", 12.0),
    "pot": ("freeforms:pot", 3.0),
    "sculpture": ("freeforms:sculpture", 3.0),
    "carving": ("freeforms:carving", 1.5),
    "packet": ("wares:packet", 4.0),
    "tube": ("wares:squeeze_tube", 1.2),
    "pouch": ("wares:pouch", 1.2),
    "spray": ("wares:spray_can", 1.2),
    "jar": ("wares:jar", 1.2),
    "card": ("wares:hanging_card", 1.0),
    "bag": ("wares:bag", 1.4),
    "suitcase": ("wares:suitcase", 1.0),
    "hammer": ("tools:hammer", 1.2),
    "driver": ("tools:driver", 1.2),
    "pan": ("tools:pan", 1.2),
    "kettle": ("tools:kettle", 1.4),
    "scissors": ("tools:scissors", 0.8),
    "spanner": ("tools:spanner", 0.8),
    "flashlight": ("tools:flashlight", 0.8),
    "camera": ("gear:camera", 1.4),
    "phone": ("gear:phone", 1.0),
    "controller": ("gear:controller", 1.0),
    "headphones": ("gear:headphones", 1.0),
    "toaster": ("gear:toaster", 1.2),
    "television": ("gear:television", 1.2),
    "fan": ("gear:fan", 0.8),
    "guitar": ("gear:guitar", 1.0),
    "lantern": ("gear:lantern", 1.0),
    "bricks": ("playthings:bricks", 1.6),
    "blocks": ("playthings:blocks", 1.4),
    "rings": ("playthings:stacking_rings", 1.0),
    "die": ("playthings:die", 0.8),
    "dinosaur": ("playthings:dinosaur", 2.6),
    "drum": ("playthings:play_drum", 0.8),
    "ball": ("playthings:play_ball", 0.9),
    "chess": ("playthings:chess_piece", 1.0),
    "cake": ("pastry:cake", 1.4),
    "doughnut": ("pastry:ring_cake", 0.8),
    "burger": ("pastry:burger", 0.9),
    "cheese": ("pastry:cheese", 0.8),
    "pizza": ("pastry:pizza", 0.8),
    "melon": ("pastry:melon", 0.9),
    "loaf": ("pastry:loaf", 0.9),
    "sundae": ("pastry:sundae", 0.8),
    "basket": ("home:basket", 1.0),
    "cage": ("home:cage", 0.8),
    "sofa": ("home:sofa", 1.4),
    "bed": ("home:bed", 1.0),
    "shelf": ("home:shelf", 1.2),
    "ladder": ("home:ladder", 0.7),
    "umbrella": ("home:umbrella", 0.8),
    "frame": ("home:frame", 0.9),
    "broom": ("home:broom", 0.7),
    "table": ("home:laid_table", 1.2),
    "rock": ("nature:rock", 1.6),
    "tree": ("nature:tree", 1.6),
    "cactus": ("nature:cactus", 1.0),
    "shell": ("nature:shell", 1.0),
    "bust": ("nature:bust", 2.0),
    "island": ("nature:island", 1.2),
}
# eaten or grown: no worn metal, no decals
GROWN = frozenset(
    ("plant", "sweet", "fruit", "mushroom", "cake", "doughnut", "burger", "cheese", "pizza", "melon", "loaf", "sundae")
) | frozenset(("rock", "tree", "cactus", "shell", "island"))
# cloth and skin: no metal
PLUSH = frozenset(
    ("beast", "bird", "fish", "figure", "teddy", "snowman", "dinosaur", "bust", "shoe", "sofa", "bed", "bag")
)
DRESSED_AGAIN = 0.55  # weight of a kind of the first generator beside those of the second
PLAIN_SIZE = 64  # pictures up to this many pixels a side are eyes and the like: left as they are


def made_of(function: str, rng: Rng) -> list[Part]:
    """The parts of one kind, undressed."""
    module, _, name = function.partition(":")
    parts: list[Part] = getattr(importlib.import_module(_ROOM + module), name)(rng)
    return parts


def dressed(rng: Rng, parts: list[Part], kind: str) -> list[Part]:
    """Parts in other proportions, with finishes of their own and up to three decals, as far as they suit the kind."""
    if dice(rng, 0.7):
        parts = warped(parts, rng)
    done: list[tuple[Paint, Paint]] = []
    share = 0.0 if kind in GROWN else rng.uniform(0.2, 0.9)
    soft = kind in PLUSH
    for number, part in enumerate(parts):
        assert part.paint is not None
        again = next((new for old, new in done if old is part.paint), None)
        if again is None:
            small = part.paint.picture is not None and max(part.paint.picture.shape[:2]) <= PLAIN_SIZE
            again = part.paint if small else finished(part.paint, rng, share, soft=soft)
            done.append((part.paint, again))
        parts[number] = part.painted(again)
    stuck: list[Part] = []
    if kind not in GROWN | PLUSH and dice(rng, 0.35):
        colors = palette(rng)
        for azimuth in (0.0, rng.uniform(-50, 50), rng.uniform(90, 270))[: int(rng.integers(1, 4))]:
            stuck += sticker(rng, parts, colors, float(azimuth))
    return [*parts, *stuck]
