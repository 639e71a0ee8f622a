"""Folders and files written whole or not at all: a fresh one is filled beside and renamed over the old."""

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from .errors import refusal


def write_folder(folder: str | Path, fill: Callable[[Path], None], *, names: Iterable[str]) -> None:
    """Fill a fresh folder and put it in place of what is there, in one step.

    Parameters
    ----------
    folder
        Where it goes; its parents are made.
    fill
        Writes the files into the empty folder that it is given; everybody may read them.
    names
        The file names of such a folder. One that holds anything else is somebody else's, and is not replaced.

    Raises
    ------
    ArgumentError
        If something else than such a folder is there.
    """
    folder = _path(folder)
    refuse_foreign(folder, names)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise refusal(
            "folder",
            expected="a place below folders",
            received=str(folder),
            remedy="a file is in the way: choose another",
        ) from error
    fresh = Path(tempfile.mkdtemp(prefix=_beside(folder, ""), dir=folder.parent))
    try:
        fill(fresh)
        # Some libraries write for their user alone, as mkdtemp does.
        for file in fresh.iterdir():
            file.chmod(0o644)
        fresh.chmod(0o755)
        _replace(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def write_file(path: Path, text: str) -> None:
    """Write text to a file that everybody may read, whole or not at all; one that is there is replaced.

    Parameters
    ----------
    path
        In a folder that is there.
    text
        What UTF-8 lacks, halves of surrogate pairs, is written as Python escapes it.

    Raises
    ------
    OSError
        If it cannot be written, as the disk is full, say.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=f"{path.suffix}.part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def refuse_foreign(folder: Path, names: Iterable[str]) -> None:
    """Refuse to replace what was not written by :func:`write_folder`.

    Parameters
    ----------
    folder
        Where a folder is to be written.
    names
        The file names of such a folder.

    Raises
    ------
    ArgumentError
        If something else than such a folder is there.
    """
    if folder.exists() and not _is_ours(folder, set(names)):
        raise refusal(
            "folder",
            expected="a new folder, or one that was written by save",
            received=str(folder),
            remedy="choose another name",
        )


def recovered(folder: str | Path) -> Path:
    """The folder to read: itself, or what was there before it if replacing it was interrupted."""
    folder = _path(folder)
    return folder if folder.exists() or not _old(folder).exists() else _old(folder)


def remove_folder(folder: str | Path) -> None:
    """Delete a folder that was written here, and what interrupted writes of it left beside it."""
    folder = _path(folder)
    for path in (folder, *folder.parent.glob(glob.escape(_beside(folder, "")) + "*")):
        shutil.rmtree(path, ignore_errors=True)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _path(folder: str | Path) -> Path:
    if not isinstance(folder, str | os.PathLike):
        raise refusal(
            "folder", expected="a path, as a str or a Path", received=type(folder).__name__, remedy="pass its name"
        )
    return Path(folder).absolute()


def _is_ours(folder: Path, names: set[str]) -> bool:
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= names


def _replace(fresh: Path, folder: Path) -> None:
    """Put the fresh folder in place; what was there stays beside it until it is."""
    old = _old(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(_beside(folder, "old"))


def _beside(folder: Path, end: str) -> str:
    """The name of what stands beside a folder while it is written."""
    return f".{folder.name}.{end}"
