"""Entries of the partners file as they are read: what they say, and what they leave out."""

from pathlib import Path

import pytest

from streams.notification.profiles import PROFILES
from streams.partners import (
    load_partners,
)
from tests.support.partners_file import NOW

VECTORS = Path(__file__).parents[2] / "vectors"


def test_the_contracts_example_loads(write, rsa_key):
    """Every key of the contract's example, with its meaning."""
    partners = load_partners(
        write("""
            partners:
              alipayplus:
                profiles: [mpp-to-alipay-plus]
                client_id: SANDBOX_5YTESTONLY000001
                private_key_file: keys/pkcs8.pem
                key_version: 1
                peer_public_key_files: {1: keys/theirs.pem, "2b": keys/theirs-pkcs1.pem}
                require_signed_response: true
                notify_url: https://open-sea.example.com/notify
                allowed_hosts: [Open-Sea.example.com, "b\u00fccher.example", 8.8.8.8]
                max_in_flight: 32
                rate_limit_per_second: 200
                request_time_format: epoch-ms
                attempt_timeout_seconds: 2.5
                paused: true
                unmapped_reason: hold
                reasons: {E1042: USER_BALANCE_NOT_ENOUGH}
        """),
        NOW,
    )
    assert list(partners) == ["alipayplus"]
    assert partners.warnings == ()
    partner = partners["alipayplus"]
    assert partner.partner_id == "alipayplus"
    assert partner.client_id == "SANDBOX_5YTESTONLY000001"
    key = partner.signing_key(NOW)
    assert (key.version, key.private_key.private_numbers()) == ("1", rsa_key.private_numbers())
    assert {v: k.public_numbers() for v, k in partner.peer_keys.items()} == dict.fromkeys(
        ("1", "2b"), rsa_key.public_key().public_numbers()
    )
    assert partner.require_signed_response is True
    assert partner.allowed_hosts == frozenset(
        {"open-sea.example.com", "xn--bcher-kva.example", "8.8.8.8"}
    )
    assert (partner.max_in_flight, partner.rate_limit_per_second) == (32, 200)
    assert partner.request_time_format == "epoch-ms"
    assert partner.attempt_timeout_seconds == 2.5
    assert partner.paused
    assert partner.tls is None
    assert partner.terms.profiles == frozenset({"mpp-to-alipay-plus"})
    assert partner.terms.reasons == {"E1042": "USER_BALANCE_NOT_ENOUGH"}
    assert partner.terms.hold_unmapped
    assert partner.terms.notify_url == "https://open-sea.example.com/notify"


def test_allowed_hosts_may_name_ports(entry):
    """Each in its one spelling; its own notify_url's server is named too, without being a host that events may name."""
    hosts = "[A.example., 'B.example:08443', '::1', '[0::1]:9443', '8.8.8.8:444']"
    url = "https://a.example:7443/x"
    partner = load_partners(entry(allowed_hosts=hosts, notify_url=url), NOW)["one"]
    listed = frozenset({"a.example", "b.example:8443", "::1", "[::1]:9443", "8.8.8.8:444"})
    assert partner.allowed_hosts == listed
    assert partner.named_servers == listed | {"a.example:7443"}
    alone = load_partners(entry(notify_url=url), NOW)["one"]
    assert alone.allowed_hosts is None
    assert alone.named_servers == frozenset({"a.example:7443"})


@pytest.mark.parametrize("hosts", ["[b.example]", "['a.example:8443']", "['a.example:443']"])
def test_a_notify_url_that_is_not_allowed_is_warned_about(entry, hosts):
    """What `allowed_hosts` does not name is never called: that is known before the first notification."""
    loaded = load_partners(entry(allowed_hosts=hosts, notify_url="https://a.example:7443/x"), NOW)
    (warning,) = loaded.warnings
    assert warning.startswith("partners.one.notify_url: ")
    assert "allowed_hosts" in warning
    assert "blocked-destination" in warning


def test_defaults(entry):
    """What an entry leaves out has the contract's default."""
    partner = load_partners(entry(), NOW)["one"]
    assert partner.signing_key(NOW).version == "1"
    assert partner.require_signed_response is None
    assert partner.allowed_hosts is None
    assert partner.rate_limit_per_second is None
    assert partner.terms.notify_url is None
    assert not partner.paused
    assert not partner.terms.hold_unmapped
    assert (partner.max_in_flight, partner.attempt_timeout_seconds) == (64, 5)
    assert partner.request_time_format == "iso8601"


@pytest.mark.parametrize("setting", [True, False, None])
def test_signed_answers_by_profile(entry, setting):
    """Unless the entry says so, each profile has its own rule."""
    value = None if setting is None else str(setting).lower()
    profiles = f"[{', '.join(PROFILES)}]"
    partner = load_partners(entry(profiles=profiles, require_signed_response=value), NOW)["one"]
    for profile in PROFILES.values():
        default = profile.signed_answer
        assert partner.signed_answer(profile) == (default if setting is None else setting)


@pytest.mark.parametrize(
    ("profiles", "setting"), [("[alipay-to-merchant]", None), ("[mpp-to-ant]", "false")]
)
def test_no_peer_key_where_no_signature_is_required(entry, profiles, setting):
    """A merchant needs none, and an entry may do without signatures."""
    path = entry(profiles=profiles, require_signed_response=setting, peer_public_key_files=None)
    assert not load_partners(path, NOW)["one"].peer_keys


def test_pkcs1_and_several_signing_keys(entry):
    """The newest key whose time has come signs; the next takes over by itself."""
    partner = load_partners(
        entry(
            private_key_file=None,
            signing_keys="[{version: 2, file: keys/pkcs1.pem, from: 2027-01-01T00:00:00Z},"
            " {version: 1, file: keys/pkcs8.pem},"
            " {version: 0, file: keys/pkcs8.pem, from: '2020-01-01T08:00:00+08:00'}]",
        ),
        NOW,
    )["one"]
    new_year = 1_798_761_600.0
    assert partner.signing_key(NOW).version == "0"
    assert partner.signing_key(new_year - 0.001).version == "0"
    assert partner.signing_key(new_year).version == "2"
    assert partner.signing_key(0).version == "1"
    assert "private_key" not in repr(partner.signing_keys)


def test_a_key_that_partners_share_is_loaded_once(write):
    """By the content of its file, and each entry names the file as it did: checking a key takes tens of milliseconds."""
    files = {"one": "keys/pkcs8.pem", "two": "./keys/pkcs8.pem", "three": "keys/pkcs1.pem"}
    partners = load_partners(
        write(
            "partners:\n"
            + "".join(
                f"  {name}: {{profiles: [alipay-to-merchant], client_id: c, private_key_file: {file},"
                " require_signed_response: false}\n"
                for name, file in files.items()
            )
        ),
        NOW,
    )
    one, two, three = (partners[name].signing_keys[0] for name in files)
    assert one.private_key is two.private_key
    assert one.private_key is not three.private_key
    assert [key.file for key in (one, two, three)] == list(files.values())


def test_plain_http_when_allowed(entry):
    """NOTIFIER_ALLOW_HTTP reaches the partners file too."""
    path = entry(notify_url="http://127.0.0.1:8080/x")
    partners = load_partners(path, NOW, allow_http=True)
    assert partners["one"].terms.notify_url == "http://127.0.0.1:8080/x"


def test_the_vendors_keys_load(write, tmp_path):
    """The keys of the vendor's vectors; a path may leave the file's folder."""
    (tmp_path / "sender.pem").write_bytes((VECTORS / "sender_private_pkcs8.pem").read_bytes())
    (tmp_path / "sender.pem").chmod(0o600)
    path = write(f"""
        partners:
          one:
            profiles: [mpp-to-ant]
            client_id: C
            private_key_file: keys/../sender.pem
            peer_public_key_files:
              0: {VECTORS}/receiver_public_spki.pem
    """)
    assert set(load_partners(path, NOW)["one"].peer_keys) == {"0"}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Proxy.Example.:03128/", "proxy.example"),
        ("http://proxy_1:3128", "proxy_1"),
        ("http://bücher.example:3128", "xn--bcher-kva.example"),
        ("http://10.0.0.1:3128", "10.0.0.1"),
        ("http://[FD00::0:1]:3128", "fd00::1"),
    ],
)
def test_a_proxys_host_has_one_spelling(entry, url, host):
    """That of URLs' hosts: what is looked up and what its certificate must name."""
    partner = load_partners(entry(allowed_hosts="[x.example]", proxy=f"{{url: '{url}'}}"), NOW)
    proxy = partner["one"].proxy
    assert proxy is not None
    assert (proxy.host, proxy.port) == (host, 3128)


def test_a_proxy_and_an_agent_token(entry):
    """The options of banks and service providers; secrets stay out of a representation."""
    path = entry(
        allowed_hosts="[x.example]",
        agent_token_file="keys/secret.token",  # noqa: S106  # a file's name
        refuse_stale_responses="true",
        proxy="{url: 'http://proxy.example:3128', user: me, password_file: keys/secret.token}",
    )
    partner = load_partners(path, NOW)["one"]
    assert partner.agent_token == "s3cret-token"  # noqa: S105  # a test's
    assert partner.refuse_stale_responses
    assert partner.proxy is not None
    assert (partner.proxy.host, partner.proxy.port, partner.proxy.tls) == (
        "proxy.example",
        3128,
        None,
    )
    assert partner.proxy.authorization == "Basic bWU6czNjcmV0LXRva2Vu"
    assert "s3cret" not in repr(partner)
    assert "bWU6" not in repr(partner)
