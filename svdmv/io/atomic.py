"""Files and folders that appear whole or not at all.

Everything is written under a temporary name in the target's own folder, flushed to the disk and renamed. A run that is
killed leaves only temporary names behind; `remove_leftovers` takes them away.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from svdmv.core import InputError

TEMPORARY_PREFIX = ".svdmv-part-"

_REASONS = {
    errno.ENOSPC: (
        "No space left to write the file",
        "free space on the disk",
        "free some space, or choose another -o",
    ),
    errno.EDQUOT: ("The disk quota is used up", "free space in the quota", "free some space, or choose another -o"),
    errno.EACCES: ("No permission", "a path that this user may use", "change the permissions, or choose another path"),
    errno.EPERM: ("No permission", "a path that this user may use", "change the permissions, or choose another path"),
    errno.EROFS: ("The disk is read-only", "a disk that can be written", "choose another -o"),
    errno.ENAMETOOLONG: ("The name is too long", "a name of at most 255 bytes", "choose a shorter name"),
    errno.EISDIR: ("A folder stands where a file was expected", "the path of a file", "name a file, not a folder"),
    errno.ENOTDIR: ("A file stands where a folder was expected", "a folder", "choose another path"),
    errno.ENOENT: ("The file or folder is not there", "a path that exists", "check the spelling of the path"),
    errno.ENOTEMPTY: ("The folder is not empty", "a new or empty folder", "choose another folder, or pass --overwrite"),
    errno.EEXIST: ("The path is taken", "a path that is free", "choose another path, or pass --overwrite"),
    errno.ELOOP: ("The path runs in a circle of links", "a path that ends at a file", "choose another path"),
    errno.EMFILE: ("Too many files are open", "a free file handle", "raise the limit with: ulimit -n 4096"),
    errno.EIO: ("The disk reports an error", "a disk that works", "copy the file to another disk and try again"),
}


def input_error_from_os_error(error: OSError, path: Path | str) -> InputError:
    """The system's refusal to read or write `path`, as one block for the user."""
    what, expected, next_step = _REASONS.get(
        error.errno or 0, ("The system refused to read or write", "a path that can be used", "choose another path")
    )
    return InputError(what, where=path, seen=error.strerror or str(error), expected=expected, next_step=next_step)


@contextmanager
def translated_os_errors(path: Path | str) -> Iterator[None]:
    """Turn the system's errors (those with an errno) inside the block into an InputError about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise input_error_from_os_error(error, path) from error


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` when the block ends well, removed otherwise.

    Folders above `path` are made when absent. An existing file is replaced in one step.

    Raises:
        InputError: the system refuses (no space, no permission, name too long, a folder in the way ...).
    """
    target = Path(path)
    temporary = _temporary_beside(target).with_suffix(target.suffix if len(target.suffix) < 16 else "")
    with translated_os_errors(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush_to_disk(temporary)
            os.replace(temporary, target)
            _flush_to_disk(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path` to fill; renamed to `path` when the block ends well, removed otherwise.

    Args:
        path: the folder to make; it may exist if it is empty.
        overwrite: replace a folder that has contents; the old one stays in place until the new one is complete.

    Raises:
        InputError: the folder has contents and `overwrite` is False, or the system refuses.
    """
    target = Path(path)
    temporary = _temporary_beside(target)
    retired = _temporary_beside(target)
    with translated_os_errors(target):
        if not overwrite and target.is_dir() and any(target.iterdir()):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    _flush_to_disk(Path(folder, name))
                _flush_to_disk(Path(folder))
            if overwrite and target.is_dir():
                os.replace(target, retired)
            try:
                os.replace(temporary, target)
            except OSError:
                if retired.exists():
                    os.replace(retired, target)
                raise
            _flush_to_disk(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(retired, ignore_errors=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all. Raises InputError."""
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8 with the line ends it has, whole or not at all. Raises InputError."""
    write_bytes(path, text.encode("utf-8"))


def json_text(value: Any) -> str:
    """`value` as indented JSON; numbers keep every digit, so reading gives the same floats. NaN is refused."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all.

    Raises:
        InputError: the system refuses.
        ValueError: a value is NaN or infinite, which JSON cannot hold.
    """
    write_text(path, json_text(value))


def remove_leftovers(folder: Path | str) -> list[Path]:
    """Remove what killed runs left in `folder` (not below it) and return the paths. No other run may write there."""
    removed = []
    with translated_os_errors(folder):
        for path in sorted(Path(folder).glob(f"{TEMPORARY_PREFIX}*")):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed.append(path)
    return removed


def _temporary_beside(target: Path) -> Path:
    return target.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


def _flush_to_disk(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
