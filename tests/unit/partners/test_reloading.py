"""A partners file that changes: what is noticed, what is kept, what stays in force."""

import errno
import os
from pathlib import Path

from streams.partners import (
    PartnersFile,
    Rejected,
    Reloaded,
    Unchanged,
)
from tests.support.partners_file import NOW, faults, private_pem
from tests.support.waiting import change_of_status


def reread(holder):
    """Look twice: a version counts once it was seen twice."""
    assert holder.poll(NOW) == Unchanged()
    return holder.poll(NOW)


def test_polling_an_unchanged_file(entry):
    """Nothing is read again while nothing changes."""
    holder = PartnersFile(entry(), NOW)
    before = holder.current
    assert holder.poll(NOW) == Unchanged()
    assert holder.current is before


def test_a_reload_keeps_partners_that_did_not_change(write):
    """Only what changed is a new object, so that connections to the others live on."""
    text = """
        partners:
          {}: {{profiles: [mpp-to-ant], client_id: C, private_key_file: keys/pkcs8.pem,
                peer_public_key_files: {{1: keys/theirs.pem}}}}
          b: {{profiles: [mpp-to-ant], client_id: {}, private_key_file: keys/pkcs8.pem,
               peer_public_key_files: {{1: keys/theirs.pem}}}}
          c: {{profiles: [mpp-to-ant], client_id: C, private_key_file: keys/pkcs8.pem,
               peer_public_key_files: {{1: keys/theirs.pem}}}}
    """
    holder = PartnersFile(write(text.format("a", "OLD")), NOW)
    before = holder.current
    write(text.format("z", "NEWER"))
    result = reread(holder)
    assert isinstance(result, Reloaded)
    assert result.partners is holder.current
    assert result.changed == frozenset({"b", "z"})
    assert result.removed == frozenset({"a"})
    assert holder.current["c"] is before["c"]
    assert holder.current["b"].client_id == "NEWER"
    assert before["b"].client_id == "OLD"
    assert holder.poll(NOW) == Unchanged()


def test_a_new_key_in_the_same_file_is_noticed(entry, folder, other_rsa_key):
    """The partners file itself may stay as it is."""
    holder = PartnersFile(entry(), NOW)
    (folder / "keys/pkcs8.pem").write_bytes(private_pem(other_rsa_key) + b"\n")
    result = reread(holder)
    assert isinstance(result, Reloaded)
    assert result.changed == frozenset({"one"})
    private = holder.current["one"].signing_key(NOW).private_key
    assert private.private_numbers() == other_rsa_key.private_numbers()


def test_a_bad_version_keeps_the_old_one_in_force(entry):
    """It is reported once, and again when it changes; the mended one comes into force."""
    holder = PartnersFile(entry(), NOW)
    before = holder.current
    entry(max_in_flight="0")
    result = reread(holder)
    assert isinstance(result, Rejected)
    assert "max_in_flight" in result.faults[0]
    assert holder.current is before
    assert holder.poll(NOW) == Unchanged()
    entry(max_in_flight="-10")
    assert isinstance(reread(holder), Rejected)
    entry(max_in_flight="100")
    assert isinstance(reread(holder), Reloaded)
    assert holder.current["one"].max_in_flight == 100


def test_a_mode_that_is_mended_heals_a_bad_version(entry):
    """Nothing but the mode differs then from what was rejected."""
    holder = PartnersFile(entry(), NOW)
    path = entry(max_in_flight="100")
    path.chmod(0o666)
    result = reread(holder)
    assert isinstance(result, Rejected)
    assert "mode 0666" in result.faults[0]
    assert holder.poll(NOW) == Unchanged()
    change_of_status(path, lambda: path.chmod(0o640))
    assert isinstance(reread(holder), Reloaded)
    assert holder.current["one"].max_in_flight == 100


def test_an_owner_that_is_mended_heals_a_bad_version(entry, folder, monkeypatch):
    """A key that this process may not read, until somebody gives it the file."""
    holder = PartnersFile(entry(), NOW)
    key, read_bytes = folder / "keys/pkcs1.pem", Path.read_bytes

    def read(path):
        if path == key:
            raise PermissionError(errno.EACCES, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    entry(private_key_file="keys/pkcs1.pem")
    assert isinstance(reread(holder), Rejected)
    monkeypatch.undo()
    change_of_status(key, lambda: os.chown(key, os.getuid(), os.getgid()))
    assert isinstance(reread(holder), Reloaded)


def test_a_key_that_comes_late_heals_a_bad_version(entry, folder, rsa_key):
    """A file that was missing is watched too."""
    holder = PartnersFile(entry(), NOW)
    entry(private_key_file="keys/late.pem")
    assert isinstance(reread(holder), Rejected)
    (folder / "keys/late.pem").touch(0o600)
    (folder / "keys/late.pem").write_bytes(private_pem(rsa_key))
    assert isinstance(reread(holder), Reloaded)


def test_links_in_a_circle_are_a_fault_like_any_other_file(entry, folder):
    """At the start and when they come later; what they are mended to comes into force."""
    key, other = folder / "keys/pkcs8.pem", folder / "keys/circle.pem"
    content = key.read_bytes()
    holder = PartnersFile(entry(), NOW)
    other.symlink_to(key)
    key.unlink()
    key.symlink_to(other)
    result = reread(holder)
    assert isinstance(result, Rejected)
    assert (
        "expected a file that can be read (Too many levels of symbolic links)" in result.faults[0]
    )
    assert tuple(faults(entry())) == result.faults
    key.unlink()
    key.touch(0o600)
    key.write_bytes(content + b"\n")
    assert isinstance(reread(holder), Reloaded)


def test_a_removed_file_is_rejected(entry):
    """Deleting the file doesn't stop a running worker."""
    path = entry()
    holder = PartnersFile(path, NOW)
    path.unlink()
    assert isinstance(reread(holder), Rejected)
    assert holder.current["one"].client_id == "CLIENT"


def test_the_swap_of_kubernetes_data_link_is_noticed(folder, entry):
    """A mounted ConfigMap changes by swapping the `..data` link; the file's own path stays a link."""
    text = entry().read_text()
    mount = folder / "mount"
    (mount / "..1").mkdir(parents=True)
    (mount / "..2").mkdir()
    (mount / "keys").symlink_to(folder / "keys")
    (mount / "..1/partners.yaml").write_text(text)
    (mount / "..2/partners.yaml").write_text(text.replace("CLIENT", "TNEILC"))
    (mount / "..data").symlink_to("..1")
    (mount / "partners.yaml").symlink_to("..data/partners.yaml")
    stamp = (mount / "..1/partners.yaml").stat()
    os.utime(mount / "..2/partners.yaml", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    holder = PartnersFile(mount / "partners.yaml", NOW)
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").replace(mount / "..data")
    assert isinstance(reread(holder), Reloaded)
    assert holder.current["one"].client_id == "TNEILC"


def test_the_swap_of_a_mounted_secret_is_noticed(folder, entry, other_rsa_key):
    """Keys in a Kubernetes secret change by swapping its `..data` link, the partners file stays as it is."""
    mount = folder / "secret"
    for number, pem in (
        ("1", (folder / "keys/pkcs8.pem").read_bytes()),
        ("2", private_pem(other_rsa_key)),
    ):
        (mount / f"..{number}").mkdir(parents=True)
        (mount / f"..{number}/ours.pem").write_bytes(pem)
        (mount / f"..{number}/ours.pem").chmod(0o440)
    (mount / "..data").symlink_to("..1")
    (mount / "ours.pem").symlink_to("..data/ours.pem")
    holder = PartnersFile(entry(private_key_file="secret/ours.pem"), NOW)
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").replace(mount / "..data")
    assert isinstance(reread(holder), Reloaded)
    private = holder.current["one"].signing_key(NOW).private_key
    assert private.private_numbers() == other_rsa_key.private_numbers()


def test_a_file_that_is_just_being_written_is_left_alone(entry, write):
    """Any part of it that is whole YAML would else be in force: partners would be missing, URLs cut."""
    one = entry(notify_url="https://a.example.com/notify").read_text()
    two = one.partition("\n")[2].replace("one:", "two:", 1)
    assert one.startswith("partners:")
    path = write(one + two)
    holder = PartnersFile(path, NOW)
    whole = holder.current
    assert set(whole) == {"one", "two"}
    for end in range(0, len(one + two), 3):
        path.write_text((one + two)[:end])
        assert holder.poll(NOW) == Unchanged()
    path.write_text(one + two + "# whole\n")
    result = reread(holder)
    assert isinstance(result, Reloaded)
    assert (result.changed, result.removed) == (frozenset(), frozenset())
    assert dict(holder.current) == dict(whole)


def test_a_version_that_is_taken_back_at_once_was_never_there(entry, folder):
    """The second look sees what is in force."""
    one = entry().rename(folder / "one.yaml")
    two = entry(client_id="OTHER").rename(folder / "two.yaml")
    path = folder / "partners.yaml"
    path.symlink_to(one)
    holder = PartnersFile(path, NOW)
    for target in (two, one):
        path.unlink()
        path.symlink_to(target)
        assert holder.poll(NOW) == Unchanged()
    for _ in range(3):
        assert holder.poll(NOW) == Unchanged()
    assert holder.current["one"].client_id == "CLIENT"


def test_a_file_written_again_as_it_was_changes_no_partner(entry):
    """Its times differ, so it is read; connections live on."""
    path = entry()
    holder = PartnersFile(path, NOW)
    before, stamp = holder.current["one"], path.stat()
    change_of_status(path, lambda: path.write_bytes(path.read_bytes()))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    result = reread(holder)
    assert isinstance(result, Reloaded)
    assert (result.changed, result.removed) == (frozenset(), frozenset())
    assert holder.current["one"] is before
