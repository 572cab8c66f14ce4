"""What files hold, while they change."""

import errno
import logging
import os

import pytest

from streams.kafka.access.renewed import Renewed
from tests.support.waiting import change_of_status


def test_a_file_is_read_again_when_it_changes_and_only_then(tmp_path, caplog):
    """And that it was is said."""
    caplog.set_level(logging.INFO)
    path, reads = tmp_path / "file", []

    def read():
        reads.append(path.read_text())
        return reads[-1]

    path.write_text("one")
    held = Renewed("password", [path], read)
    assert [held.present(), held.present()] == ["one", "one"]
    path.write_text("three")
    assert [held.present(), held.present()] == ["three", "three"]
    assert reads == ["one", "three"]
    assert caplog.messages == ["the password changed and was read again"]


def test_a_bad_version_is_said_once_and_the_former_stays(tmp_path, caplog):
    """Gone, or not to be used; until a good one comes."""
    path = tmp_path / "file"
    path.write_text("1")
    held = Renewed("number", [path], lambda: int(path.read_text()))
    assert held.present() == 1
    path.write_text("two")
    assert [held.present(), held.present()] == [1, 1]
    assert held.fault is not None
    assert len(caplog.records) == 1
    path.unlink()
    assert held.present() == 1
    assert caplog.messages[-1] == (
        "the new number can't be used, the old one stays in force: No such file or directory"
    )
    path.write_text("22")
    assert held.present() == 22
    assert held.fault is None


def test_a_file_whose_owner_is_mended_is_read_again(tmp_path):
    """A new version that this process may not read differs in nothing else once it may."""
    path, readable = tmp_path / "file", True

    def read():
        if not readable:
            raise PermissionError(errno.EACCES, "Permission denied")
        return path.read_text()

    path.write_text("one")
    held = Renewed("password", [path], read)
    assert held.present() == "one"
    path.write_text("three")
    readable = False
    assert held.present() == "one"
    readable = True
    change_of_status(path, lambda: os.chown(path, os.getuid(), os.getgid()))
    assert held.present() == "three"
    assert held.fault is None


def test_without_a_first_version_there_is_none(tmp_path):
    """Whoever starts so hears what is wrong, each time, until the file is good."""
    path = tmp_path / "file"
    held = Renewed("password", [path], path.read_text)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            held.present()
    path.write_text("x")
    assert held.present() == "x"
