"""Keys, tokens and passwords: no message quotes one, and a file that others can read is warned about."""

import pytest

from streams.partners import (
    PartnersFileError,
    load_partners,
)
from tests.support.partners_file import NOW, faults, private_pem


def test_no_fault_quotes_a_key(entry, rsa_key):
    """A key pasted in place of its file's name does not come back in a message, however it is quoted."""
    pem = private_pem(rsa_key).decode()
    lines = pem.splitlines()
    escaped = f'"{pem.replace(chr(10), chr(92) + "n")}"'
    for pasted in (escaped, " ".join(lines), "|\n      " + "\n      ".join(lines), lines[1]):
        (fault,) = faults(entry(private_key_file=pasted))
        assert "private_key_file: seen a value of " in fault
        assert not [line for line in lines if line[:20] in fault]


SECRETS = [
    "hunter2",
    "1234567890",
    "0x1F4D",
    "'correct horse battery staple'",
    "c2VjcmV0+/IHNlY3JldA==",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "*K7MDENGhunter2",
    "!K7MDENGhunter2",
    "'!K7MDENG?hunter2'",
    "https://user:hunter2@host.example/",
    "https://host.example?token=hunter2",
    "[hunter2, K7MDENG]",
    "{hunter2: K7MDENG}",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "place",
    [
        "private_key_file: ",
        "signing_keys: [{version: 1, file: %}]",
        "peer_public_key_files: {1: %}",
        "agent_token_file: ",
        "tls: {ca_file: %}",
        "tls: {client_certificate_file: %, client_key_file: keys/pkcs8.pem}",
        "tls: {client_certificate_file: keys/pkcs8.pem, client_key_file: %}",
        "proxy: {url: 'https://p.example:1', ca_file: %}",
        "proxy: {url: 'http://p.example:1', user: u, password_file: %}",
    ],
)
def test_a_secret_where_a_file_was_meant_is_not_quoted(entry, place, secret):
    """Passwords, tokens, keys and URLs, in every key that takes the name of a file; the place is named all the same."""
    key, _, value = place.partition(": ")
    changed = {"allowed_hosts": "[x.example]", key: value.replace("%", secret) or secret}
    if key == "signing_keys":
        changed["private_key_file"] = None
    said = "\n".join(faults(entry(**changed)))
    assert f"partners.one.{key}" in said or "line " in said
    marks = ("hunter2", "K7MDENG", "1234567890", "0x1F4D", "horse", "c2VjcmV0")
    assert [mark for mark in marks if mark in said] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"notify_url": "https://x.example/a?token=hunter2#f"},
        {"notify_url": "https://x.example?token=hunter2#f"},
        {"notify_url": "https://user:hunter2@x.example/"},
        {"notify_url": "https://x.example/hunter2/a b"},
        {"notify_url": "//x.example?token=hunter2"},
        {"allowed_hosts": "['https://x.example/hunter2']"},
        {"allowed_hosts": "['https://x.example?token=hunter2']"},
        {"allowed_hosts": "['user:hunter2@x.example']"},
        {"proxy": "{url: 'http://u:hunter2@p.example:1'}"},
        {"proxy": "{url: 'http://p.example:1/?hunter2'}"},
        {"proxy": "{url: 'http://p.example:1', user: 'me:hunter2', password_file: keys/pkcs8.pem}"},
    ],
)
def test_what_a_url_may_hide_is_not_quoted(entry, changed):
    """User, password, path and query of a URL that is refused stay out of the fault."""
    said = "\n".join(faults(entry(**{"allowed_hosts": "[x.example]"} | changed)))
    assert f"partners.one.{next(iter(changed))}" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("mode", "good"),
    [
        (0o600, True),
        (0o400, True),
        (0o640, True),
        (0o440, True),
        (0o644, False),
        (0o604, False),
        (0o602, False),
        (0o660, False),
        (0o620, False),
    ],
)
def test_a_key_that_others_can_read_or_its_group_can_write_is_warned_about(
    entry, folder, mode, good
):
    """The group may read it, as Kubernetes mounts secrets; nobody else may, and only its owner may write it."""
    (folder / "keys/pkcs8.pem").chmod(mode)
    warnings = load_partners(entry(), NOW).warnings
    if good:
        assert warnings == ()
    else:
        (warning,) = warnings
        assert warning.startswith(f"partners.one: 'keys/pkcs8.pem': mode {mode:04o} lets ")
        assert "expected 0600, 0640 or less" in warning


def test_a_partners_file_that_everybody_may_write_is_refused(entry):
    """Whoever can write it decides who is called and whose answers count; to be read by others does no harm."""
    path = entry()
    path.chmod(0o666)
    with pytest.raises(
        PartnersFileError, match="mode 0666 lets every user of the machine write it"
    ):
        load_partners(path, NOW)
    path.chmod(0o644)
    assert load_partners(path, NOW).keys() == {"one"}


@pytest.mark.parametrize(
    "options",
    [
        {"agent_token_file": "keys/open.token"},
        {
            "allowed_hosts": "[x.example]",
            "proxy": "{url: 'http://p.example:1', user: me, password_file: keys/open.token}",
        },
    ],
)
def test_a_token_or_password_that_others_can_read_is_warned_about(entry, options):
    """Every secret file is looked at, not only keys."""
    (warning,) = load_partners(entry(**options), NOW).warnings
    assert "'keys/open.token': mode 0644 lets every user" in warning
