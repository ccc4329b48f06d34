"""What `svdmv bench list` shows: suites, methods, metrics, and whether this machine has what they need."""

from __future__ import annotations

from svdmv.bench.foreign import PROGRAMS
from svdmv.bench.methods import ALWAYS, method_names
from svdmv.bench.metrics import metric_from_name, metric_names
from svdmv.bench.suite import load_suite, suite_names
from svdmv.core import SvdmvError

NEEDS = {
    "mean_orbit": "store=ORBITS; then always run",
    "nearest_orbit": "store=ORBITS; then always run",
    "svdmv": "model=ID|PATH, through=mesh for cameras it does not draw",
    "reference_vae": "model=ID|PATH; always run beside svdmv",
    "folder": "views=FOLDER of views or meshes, layout=NAME",
}
WIDTH = 20  # of our longest name


def listing() -> str:
    """Text in four blocks."""
    lines = ["suites (suite=)"]
    for name in suite_names():
        suite = load_suite(name)
        objects = f"{len(suite.objects)} objects" if suite.objects else "objects not published"
        lines.append(f"  {name:<{WIDTH}}  {suite.title}; {objects}, {suite.size_px} px, {suite.sha256[:12]}")
    lines.append("methods (method=)")
    for name in method_names():
        note = "always run" if name in ALWAYS else NEEDS.get(name, "")
        lines.append(f"  {name:<{WIDTH}}  {note}".rstrip())
    lines.append("other programs (svdmv bench inputs --for, svdmv bench score --layout)")
    lines += [f"  {name:<{WIDTH}}  {', '.join(told.suites)}" for name, told in PROGRAMS.items()]
    lines.append("metrics (metrics=)")
    for name in metric_names():
        try:
            lines.append(f"  {name:<{WIDTH}}  {metric_from_name(name).detail or 'ready'}")
        except SvdmvError as error:
            lines.append(f"  {name:<{WIDTH}}  not at hand: {error.what}; {error.next_step}")
    return "\n".join(lines) + "\n"
