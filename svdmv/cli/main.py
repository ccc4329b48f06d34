"""The command line: one file a command; here they come together and errors become blocks and exit codes."""

from __future__ import annotations

import errno
import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import typer

from svdmv.core.errors import EXIT_BAD_INPUT, EXIT_BUG, EXIT_STOPPED, ConfigError, SvdmvError

COMMANDS = {
    "run": ("svdmv.cli.run:run", "Picture to views, mesh, videos, preview and provenance."),
    "generate": ("svdmv.cli.generate:generate", "Picture to a view folder."),
    "reconstruct": ("svdmv.cli.reconstruct:reconstruct", "View folder to a textured mesh."),
    "render": ("svdmv.cli.render:render", "3D model to a view folder."),
    "export": ("svdmv.cli.export:export", "Mesh to another format, or --check it."),
    "view": ("svdmv.cli.view:view", "A run, a view folder or a 3D model in the browser."),
    "train": ("svdmv.cli.train:train", "Train a checkpoint: svdmv train experiment=mini."),
    "bench": ("svdmv.cli.bench:bench", "Score methods against true views: bench run suite=mini."),
    "data": ("svdmv.cli.data:data", "Objects to training shards; check, describe and curate data."),
    "convert": ("svdmv.cli.convert:convert", "Released SVD and SV3D files to checkpoint folders, and back."),
    "list": ("svdmv.cli.listing:list_all", "Everything that has a name, and what each needs."),
    "doctor": ("svdmv.cli.doctor:doctor", "Devices, extras, weights, disk: what works here."),
    "version": ("svdmv.cli.version:version", "The version."),
}
FULL_OR_BROKEN = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE)  # of caches and temporary files: not our bugs
ABOUT = "One picture in, a 21-view orbit and a textured mesh out."
EXIT_CODES = (
    "Exit codes: 0 ok, 1 our bug, 2 bad input or usage, 3 missing dependency or weights, 4 partial result, 130 stopped."
)


def main(argv: list[str] | None = None) -> None:
    """Entry point of `svdmv` and `python -m svdmv`; leaves through sys.exit with a documented code."""
    arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if arguments == ["--version"]:
        arguments = ["version"]
    try:
        code = app(arguments)(arguments, prog_name="svdmv", standalone_mode=False)
    except SvdmvError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer's usage errors have in common
            raise
        print_error(usage_error(error, arguments))
        sys.exit(EXIT_BAD_INPUT)
    sys.exit(code if isinstance(code, int) else 0)


def usage_error(error: Any, arguments: list[str]) -> SvdmvError:
    """The parser's refusal of a command line as one block."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "svdmv"
    return ConfigError(
        error.format_message().rstrip("."),
        where=command,
        seen=" ".join(["svdmv", *arguments])[:200],
        expected=" ".join(context.get_usage().split()).removeprefix("Usage: ") if context is not None else None,
        next_step=f"{command} --help",
    )


def app(arguments: list[str]) -> typer.Typer:
    """The application with only the command that is called imported, so that --help costs nothing."""
    made = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=ABOUT,
        epilog=EXIT_CODES,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_root)
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, (target, help_line) in COMMANDS.items():
        if name == called:
            module, _, attribute = target.partition(":")
            found = getattr(importlib.import_module(module), attribute)
            if isinstance(found, typer.Typer):
                made.add_typer(guarded_group(found), name=name)
            else:
                made.command(name)(guarded(found))
        else:
            made.command(name, help=help_line)(_not_called)
    return made


def guarded_group(group: typer.Typer) -> typer.Typer:
    """A group of commands, each guarded."""
    for info in group.registered_commands:
        if info.callback is not None and not hasattr(info.callback, "__wrapped__"):
            info.callback = guarded(info.callback)
    return group


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
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL_OR_BROKEN:
                from svdmv.io.atomic import input_error_from_os_error

                print_error(input_error_from_os_error(error, error.filename or "this machine"))
                sys.exit(EXIT_BAD_INPUT)
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
