"""The exact request as a command of a shell."""

import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from streams.partners import load_partners
from streams.sandbox.keys import make_keys
from streams.webhook.exact_request import exact_request, missing_of_curl
from tests.support.partners_file import NOW

OTHER_MEMBERS = """
    profiles: [alipay-to-merchant]
    client_id: C
    private_key_file: sender-private.pem
    allowed_hosts: [x.example]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where keys and certificates lie; its name has a blank."""
    folder = tmp_path_factory.mktemp("the keys")
    make_keys(folder)
    (folder / "password").write_text("secret")
    (folder / "password").chmod(0o600)
    return folder


@pytest.fixture
def curl(folder):
    """Return the command's arguments for an entry with these members, and what it lacks."""

    def command(members="", url="https://x.example/n?a=1", where=None):
        file = folder / "partners.yaml"
        file.write_text(f"partners:\n  one:{OTHER_MEMBERS}{members}")
        partner = load_partners(file, NOW)["one"]
        request = exact_request(partner, url, b"{}", int(NOW * 1000), "test")
        text = request.curl(partner, folder if where is None else where)
        return shlex.split(text.replace("\\\n", "")), list(missing_of_curl(partner))

    return command


def after(arguments, option):
    return arguments[arguments.index(option) + 1]


def test_it_makes_the_same_call(curl):
    """Method, URL, body and our headers; curl makes Host and Content-Length itself."""
    arguments, missing = curl()
    assert arguments[:5] == ["curl", "-i", "--path-as-is", "--globoff", "https://x.example/n?a=1"]
    assert after(arguments, "--data-binary") == "{}"
    headers = [text for option, text in pairwise(arguments) if option == "-H"]
    names = [header.partition(":")[0] for header in headers]
    assert {"Client-Id", "Request-Time", "Signature", "Content-Type"} < set(names)
    assert not {"Host", "Content-Length"} & set(names)
    assert missing == []
    assert not {"--cacert", "--cert", "--proxy"} & set(arguments)


@pytest.mark.parametrize("query", ["x=[1-3]", "x={a,b}"])
def test_a_url_is_one_url(curl, query):
    """Brackets and braces are curl's own signs for several; each would have been a call."""
    arguments, _ = curl(url=f"https://x.example/n?{query}")
    assert "--globoff" in arguments
    assert f"https://x.example/n?{query}" in arguments


def test_certificates_are_found_wherever_it_is_run(curl, folder):
    """Names in the partners file are relative to its folder; a name from the root stays."""
    tls = "    tls: {ca_file: ca.pem, client_certificate_file: client.pem, client_key_file: client-key.pem}\n"
    arguments, missing = curl(tls)
    assert after(arguments, "--cacert") == str(folder / "ca.pem")
    assert after(arguments, "--cert") == str(folder / "client.pem")
    assert missing == ["add --key with the file that tls.client_key_file of the entry names"]
    elsewhere, _ = curl(f"    tls: {{ca_file: '{folder}/ca.pem'}}\n", where=Path("/other"))
    assert after(elsewhere, "--cacert") == str(folder / "ca.pem")


def test_the_proxy_is_the_entrys(curl, folder):
    """As a tunnel, with its own authorities; its password is not printed."""
    arguments, missing = curl("    proxy: {url: 'http://[::1]:3128'}\n")
    assert (after(arguments, "--proxy"), missing) == ("http://[::1]:3128", [])
    assert "--proxytunnel" in arguments
    tls = "    proxy: {url: 'https://p.example:1', ca_file: ca.pem, user: u, password_file: password}\n"
    arguments, missing = curl(tls)
    assert after(arguments, "--proxy") == "https://p.example:1"
    assert after(arguments, "--proxy-cacert") == str(folder / "ca.pem")
    assert missing == ["add --proxy-user with proxy.user of the entry; curl asks for the password"]
    assert "secret" not in " ".join(arguments)
