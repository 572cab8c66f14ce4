"""How a service is reached that the operator names by a URL: its server, and the proxy that the environment names."""

import pytest

from streams.service_url import proxy_for, url_faults

URL = "https://registry.example.com/apis/ccompat/v7"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Nothing of the machine's own."""
    for name in ("http", "https", "all", "no"):
        for variable in (f"{name}_proxy", f"{name}_proxy".upper()):
            monkeypatch.delenv(variable, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    "url",
    [
        "http://registry..example.com",
        f"http://{'a' * 64}.example.com",
        "http://xn--a.invalid",
        "https://registry.example.com:99999",
        "https://registry.example.com:0",
        "https://registry.example.com:x",
        "https://127.1",
        "https://[::1",
        "https:///path",
        "https://registry.example.com/\x7f",
    ],
)
def test_a_server_that_nobody_can_look_up(url):
    """It would show with the first question only."""
    (fault,) = url_faults("SETTING", url)
    assert fault.startswith("SETTING: seen ")
    assert "expected a server that can be looked up (" in fault


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "http://schema_registry:8081",
        "http://localhost:8081/",
        "https://[2001:db8::1]:8081",
        "https://xn--bcher-kva.example/x",
        "https://b\u00fccher.example/x",
    ],
)
def test_a_server_as_it_may_be(url):
    """Names within a network or a script of their own, and addresses."""
    assert url_faults("SETTING", url) == []


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": " http://proxy:3128 "}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"ALL_PROXY": "https://u:p@proxy:3128"}, "https://u:p@proxy:3128"),
        ({"HTTPS_PROXY": "http://a:1", "ALL_PROXY": "http://b:1"}, "http://a:1"),
        ({"HTTP_PROXY": "ftp://x:1"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": ".example.com"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "*"}, None),
        ({"ALL_PROXY": "socks5://x:1", "NO_PROXY": "registry.example.com"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "fd00::/8,10.0.0.0/8,[::1],::1"}, "http://a:1"),
    ],
)
def test_the_proxy_of_the_environment(environment, variables, proxy):
    """By the scheme, else the one for all; entries of NO_PROXY that concern others do no harm."""
    for name, value in variables.items():
        environment.setenv(name, value)
    assert url_faults("SETTING", URL) == []
    assert proxy_for(URL) == proxy


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://me:secret@x:1"),
        ("HTTPS_PROXY", "ftp://me:secret@x:1"),
        ("HTTPS_PROXY", "http://me:secret@x:abc"),
        ("HTTPS_PROXY", "http://me:secret#@x:1"),
        ("HTTPS_PROXY", "http://me:secret@x..y:1"),
    ],
)
def test_a_proxy_that_cannot_be_used(environment, variable, value):
    """The variable is named, and its value not shown: it may hold a password."""
    environment.setenv(variable, value)
    (fault,) = url_faults("SETTING", URL)
    assert fault.startswith(
        f"SETTING: it is asked through the proxy of the environment: {variable}: seen a value"
    )
    assert "secret" not in fault
