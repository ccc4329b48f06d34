"""What can go wrong, said in one block: what failed, where, the value seen, what was expected, what to do next."""

from __future__ import annotations

EXIT_OK = 0
EXIT_BUG = 1
EXIT_BAD_INPUT = 2
EXIT_MISSING = 3
EXIT_PARTIAL = 4
EXIT_STOPPED = 130


class SvdmvError(Exception):
    """Base of every error that the user can mend.

    Args:
        what: one sentence: what failed.
        where: file, option or object it failed on.
        seen: the value that was met.
        expected: what would have been right.
        next_step: the command or action that helps.
        status: one word for tables of many objects, such as "empty"; None = the class's own.
    """

    exit_code = EXIT_BAD_INPUT
    status = "load_error"

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        seen: object = None,
        expected: str | None = None,
        next_step: str | None = None,
        status: str | None = None,
    ) -> None:
        if status is not None:
            self.status = status
        self.what = what
        self.where = None if where is None else str(where)
        self.seen = None if seen is None else str(seen)
        self.expected = expected
        self.next_step = next_step
        super().__init__(self.block())

    def block(self) -> str:
        """The whole message as the CLI prints it: one line a part, absent parts left out."""
        rows = [("where", self.where), ("seen", self.seen), ("expected", self.expected), ("next", self.next_step)]
        return "\n".join([self.what, *(f"  {name + ':':<10}{text}" for name, text in rows if text)])

    def one_line(self) -> str:
        """The same on one line, for tables and logs."""
        return " ".join(self.block().split())


class InputError(SvdmvError):
    """A picture, mesh, folder or option of the user's cannot be used."""


class ConfigError(SvdmvError):
    """A setting is unknown, of the wrong type or out of range."""


class DataError(SvdmvError):
    """Data read from disk is damaged or contradicts itself."""


class DeviceError(SvdmvError):
    """The device asked for is not there or cannot do the work."""


class CheckpointError(SvdmvError):
    """Weights are missing, unknown, damaged or of another layout."""

    exit_code = EXIT_MISSING


class MissingDependency(SvdmvError):  # noqa: N818 - the name is fixed by the design
    """A package of an extra is not installed."""

    exit_code = EXIT_MISSING
