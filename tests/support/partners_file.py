"""Partners files for tests: keys as PEM, and the faults of a file."""

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from streams.partners import (
    PartnersFileError,
    load_partners,
)

NOW = 1_795_342_530.0  # 2026-11-22T10:15:30Z


def private_pem(key, form=PrivateFormat.PKCS8, encryption=None):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def public_pem(key, form=PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(Encoding.PEM, form)


def faults(path, **options):
    with pytest.raises(PartnersFileError) as caught:
        load_partners(path, NOW, **options)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults
