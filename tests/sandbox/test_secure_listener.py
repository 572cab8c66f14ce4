"""The rehearsal broker's listener with TLS, SASL and access rules; what it does is shown by the Kafka security tests."""

import pytest

from streams.sandbox.broker import Broker
from streams.sandbox.keys import make_keys
from streams.sandbox.node import BrokerError
from streams.sandbox.secure_listener import SecureListener


@pytest.mark.parametrize("users", [{"a b": "x"}, {"a": 'x"'}, {"a": "x;"}, {"a": ""}, {"é": "x"}])
def test_names_and_passwords_that_would_break_out_of_a_property(tmp_path, users):
    """They go into lines of Java's own syntax: nothing but letters, digits, - and _ is taken."""
    with pytest.raises(ValueError, match="letters, digits"):
        SecureListener(make_keys(tmp_path), users)


def test_its_private_key_is_for_the_owner_only(tmp_path):
    """What is written into the broker's home, and goes with it."""
    listener = SecureListener(make_keys(tmp_path / "keys"), {"me": "secret"})
    home = tmp_path / "home"
    home.mkdir()
    listener.properties(home)
    assert (home / "listener.pem").stat().st_mode & 0o777 == 0o600


def test_a_broker_without_one_has_no_address_for_it():
    """A mistake with a name."""
    with pytest.raises(BrokerError, match="no secure listener"):
        _ = Broker().secure_bootstrap
