"""A folder with keys of every form, and a partners file in it."""

import textwrap

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.support.partners_file import private_pem, public_pem


@pytest.fixture(scope="session")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def other_rsa_key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def key_files(rsa_key, other_rsa_key):
    """Keys of every form, by the names of their files; made once, since that takes longer than a test."""
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505  # a key to refuse
    elliptic = ec.generate_private_key(ec.SECP256R1())
    return {
        "pkcs8.pem": private_pem(rsa_key),
        "pkcs1.pem": private_pem(other_rsa_key, PrivateFormat.TraditionalOpenSSL),
        "locked.pem": private_pem(rsa_key, encryption=BestAvailableEncryption(b"x")),
        "short.pem": private_pem(short),
        "short-public.pem": public_pem(short),
        "ec.pem": private_pem(elliptic),
        "ec-public.pem": public_pem(elliptic),
        "theirs.pem": public_pem(rsa_key),
        "theirs-pkcs1.pem": public_pem(rsa_key, PublicFormat.PKCS1),
        "no.pem": b"-----BEGIN NOTHING-----\n",
        "huge.pem": b"x" * ((1 << 20) + 1),
    }


@pytest.fixture
def folder(tmp_path, key_files):
    """A folder with keys of every form."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, content in key_files.items():
        path = keys / name
        path.write_bytes(content)
        path.chmod(0o640)
    (keys / "open.token").write_text("token")
    (keys / "open.token").chmod(0o644)
    (keys / "secret.token").write_text("s3cret-token\n")
    (keys / "secret.token").chmod(0o400)
    return tmp_path


@pytest.fixture
def write(folder):
    def write(text):
        path = folder / "partners.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def entry(write):
    """Write a file with one partner from lines that change a good entry; None leaves a line out."""

    def entry(**changed):
        lines = {
            "profiles": "[mpp-to-alipay-plus]",
            "client_id": "CLIENT",
            "private_key_file": "keys/pkcs8.pem",
            "peer_public_key_files": "{1: keys/theirs.pem}",
        } | changed
        body = "\n".join(f"    {key}: {value}" for key, value in lines.items() if value is not None)
        return write(f"partners:\n  one:\n{body}\n")

    return entry
