import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from streams.partners import SigningKey

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture(scope="session")
def vectors():
    return json.loads((VECTORS / "vectors.json").read_text())["vectors"]


@pytest.fixture(scope="session")
def public_keys():
    """The vendor's throw-away keys, by who signs with them."""
    return {
        who: load_pem_public_key((VECTORS / f"{who}_public_spki.pem").read_bytes())
        for who in ("sender", "receiver")
    }


@pytest.fixture(scope="session")
def signing_keys():
    keys = {}
    for who in ("sender", "receiver"):
        key = load_pem_private_key((VECTORS / f"{who}_private_pkcs8.pem").read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        keys[who] = SigningKey("1", key, float("-inf"))
    return keys


@pytest.fixture
def threads():
    """Threads for look-ups."""
    with ThreadPoolExecutor(2) as pool:
        yield pool
