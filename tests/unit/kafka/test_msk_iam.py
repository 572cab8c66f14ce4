"""Tokens for Amazon MSK: signed by AWS's own library, checked to the last part of the URL that they are."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from streams.kafka.access.msk_iam import MskIam
from streams.kafka.access.tokens import TokenError, Tokens


@pytest.fixture
def no_aws(monkeypatch, tmp_path):
    """No credentials anywhere, and no network to look for them."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def credentials(no_aws):
    """Those of a role, in the environment."""
    no_aws.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", "secret-CANARY")
    no_aws.setenv("AWS_SESSION_TOKEN", "session")


@pytest.mark.usefixtures("credentials")
async def test_the_token_is_a_signed_request_to_connect():
    """The URL of the region's Kafka, for kafka-cluster:Connect, for 15 minutes, by our key, and without our secret."""
    token = await MskIam("eu-central-1").fetch()
    assert 890 < token.life_seconds <= 900
    url = base64.urlsafe_b64decode(token.text + "=" * (-len(token.text) % 4)).decode()
    parts, query = urlsplit(url), parse_qs(urlsplit(url).query)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "https",
        "kafka.eu-central-1.amazonaws.com",
        "/",
    )
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-Security-Token"] == ["session"]
    (scope,) = query["X-Amz-Credential"]
    key, _, region, service, kind = scope.split("/")
    assert (key, region, service, kind) == (
        "AKIDEXAMPLE",
        "eu-central-1",
        "kafka-cluster",
        "aws4_request",
    )
    assert len(query["X-Amz-Signature"][0]) == 64
    assert "CANARY" not in url


@pytest.mark.usefixtures("credentials")
async def test_it_is_kept_and_renewed(monkeypatch):
    """The same until it is renewed, which takes the credentials of then."""
    tokens = Tokens(MskIam("us-east-1").fetch)
    first = await tokens.token()
    assert await tokens.token() == first
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDANOTHER")
    await tokens._renew()
    assert await tokens.token() != first
    assert b"AKIDANOTHER" in base64.urlsafe_b64decode(await tokens.token() + "==")


@pytest.mark.usefixtures("no_aws")
async def test_without_credentials_it_says_what_is_expected():
    """In one sentence."""
    with pytest.raises(TokenError, match="AWS_MSK_IAM: no AWS credentials: none were found"):
        await MskIam("us-east-1").fetch()
