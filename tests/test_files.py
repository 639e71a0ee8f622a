"""Folders written whole or not at all."""

import os
import signal
import subprocess
import sys
import time

import pytest

from l0gates import ArgumentError
from l0gates.files import digest, recovered, remove_folder, write_folder

SAVER = """
import sys, itertools
from l0gates.files import write_folder
def fill(text):
    def write(fresh):
        for name in ("a", "b"):
            with open(fresh / name, "w") as file:
                for _ in range(200):
                    file.write(text * 100)
    return write
print("ready", flush=True)
for number in itertools.count():
    write_folder(sys.argv[1], fill(str(number % 10)), names=("a", "b"))
"""


def test_a_folder_is_filled_and_replaced(tmp_path):
    for text in ("old", "new"):
        write_folder(tmp_path / "x" / "y", lambda fresh, text=text: (fresh / "a").write_text(text), names=("a",))
        assert (tmp_path / "x" / "y" / "a").read_text() == text
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["y"]


def test_whoever_may_enter_a_folder_may_read_what_is_in_it(tmp_path):
    def fill(fresh):
        (fresh / "a").write_text("text")
        (fresh / "a").chmod(0o600)

    write_folder(tmp_path / "x", fill, names=("a",))
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "x", tmp_path / "x" / "a")] == [0o755, 0o644]


@pytest.mark.parametrize("name", ["y", "y[0]"])
def test_a_folder_goes_with_what_interrupted_writes_left_beside_it(tmp_path, name):
    write_folder(tmp_path / name, lambda fresh: (fresh / "a").write_text("text"), names=("a",))
    for left in (f".{name}.old", f".{name}.abc123"):
        (tmp_path / left).mkdir()
    others = {".y[0]0.old", ".yy.old", "yy"}
    for other in others:
        (tmp_path / other).mkdir()
    remove_folder(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == others
    remove_folder(tmp_path / name)


def test_a_failure_leaves_the_old_folder_and_nothing_beside(tmp_path):
    write_folder(tmp_path / "y", lambda fresh: (fresh / "a").write_text("old"), names=("a",))

    def fail(fresh):
        (fresh / "a").write_text("half")
        raise KeyError("full")

    with pytest.raises(KeyError, match="full"):
        write_folder(tmp_path / "y", fail, names=("a",))
    assert (tmp_path / "y" / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["y"]


def test_another_folder_is_not_replaced(tmp_path):
    (tmp_path / "letters").write_text("mine")
    with pytest.raises(ArgumentError) as raised:
        write_folder(tmp_path, lambda _: None, names=("a",))
    assert str(raised.value) == (
        f"folder: expected a new folder, or one that was written by save; received {tmp_path}; choose another name"
    )
    assert (tmp_path / "letters").read_text() == "mine"


def test_a_save_killed_at_any_moment_leaves_one_folder_whole(tmp_path):
    folder = tmp_path / "model"
    for delay in (0.0, 0.001, 0.002, 0.003, 0.005, 0.007, 0.011, 0.013, 0.017, 0.019):
        saver = subprocess.Popen([sys.executable, "-c", SAVER, folder], stdout=subprocess.PIPE, text=True)
        assert saver.stdout.readline() == "ready\n"
        while not recovered(folder).exists():
            time.sleep(0.001)
        time.sleep(delay)
        os.kill(saver.pid, signal.SIGKILL)
        saver.communicate()
        whole = recovered(folder)
        texts = {(whole / name).read_text() for name in ("a", "b")}
        assert len(texts) == 1
        assert len(texts.pop()) == 20_000
    assert digest(recovered(folder) / "a") == digest(recovered(folder) / "b")
