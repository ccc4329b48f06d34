"""The command line: one file a command; here they come together and errors become blocks and exit codes."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import typer

from svdmv.core.errors import EXIT_BAD_INPUT, EXIT_BUG, EXIT_STOPPED, SvdmvError

COMMANDS = {
    "run": ("svdmv.cli.run:run", "Picture to views, mesh, videos, preview and provenance."),
    "generate": ("svdmv.cli.generate:generate", "Picture to a view folder."),
    "reconstruct": ("svdmv.cli.reconstruct:reconstruct", "View folder to a textured mesh."),
    "render": ("svdmv.cli.render:render", "3D model to a view folder."),
    "export": ("svdmv.cli.export:export", "Mesh to another format, or --check it."),
    "train": ("svdmv.cli.train:train", "Train a checkpoint: svdmv train experiment=mini."),
    "list": ("svdmv.cli.listing:list_all", "Models, methods, renderers, segmenters, exporters and what each needs."),
    "doctor": ("svdmv.cli.doctor:doctor", "Devices, extras, weights, disk: what works here."),
    "version": ("svdmv.cli.version:version", "The version."),
}
ABOUT = "One picture in, a 21-view orbit and a textured mesh out."
EXIT_CODES = (
    "Exit codes: 0 ok, 1 our bug, 2 bad input or usage, 3 missing dependency or weights, 4 partial result, 130 stopped."
)


def main(argv: list[str] | None = None) -> None:
    """Entry point of `svdmv` and `python -m svdmv`; leaves through sys.exit with a documented code."""
    arguments = sys.argv[1:] if argv is None else argv
    app(arguments)(arguments, prog_name="svdmv")


def app(arguments: list[str]) -> typer.Typer:
    """The application with only the command that is called imported, so that --help costs nothing."""
    made = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=ABOUT,
        epilog=EXIT_CODES,
    )
    made.callback()(_root)
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, (target, help_line) in COMMANDS.items():
        if name == called:
            module, _, function = target.partition(":")
            made.command(name)(guarded(getattr(importlib.import_module(module), function)))
        else:
            made.command(name, help=help_line)(_not_called)
    return made


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command with every error turned into its block of text and its exit code."""

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except SvdmvError as error:
            print_error(error)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            sys.stderr.write("stopped\n")
            sys.exit(EXIT_STOPPED)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(0)
        except MemoryError:
            print_error(
                SvdmvError(
                    "Memory is used up",
                    where="this machine",
                    seen="MemoryError",
                    expected="more free memory",
                    next_step="smaller --texture-size or --faces",
                )
            )
            sys.exit(EXIT_BAD_INPUT)
        except typer.Exit:
            raise
        except Exception:
            import traceback

            traceback.print_exc()
            sys.stderr.write("\nThis is a bug of svdmv: please report the text above with `svdmv doctor --json`.\n")
            sys.exit(EXIT_BUG)

    return command


def print_error(error: SvdmvError) -> None:
    """The error's block on standard error."""
    sys.stderr.write(f"Error: {error.block()}\n")


def _root() -> None:
    """One picture in, a 21-view orbit and a textured mesh out."""


def _not_called() -> None:
    """Stands for a command that was not called; only its help line is shown."""
