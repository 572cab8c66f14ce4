"""Tokens from a token server over TLS, without Kafka: how they are asked for, kept, renewed, and what is said when not."""

import asyncio
import base64

import pytest

from streams.kafka.access.oauth import TokenFile, TokenServer
from streams.kafka.access.tokens import TokenError, Tokens
from streams.sandbox.keys import make_keys
from tests.support import token_server
from tests.support.waiting import eventually

SECRET = "a+b/c= %ü:"  # noqa: S105  # a test's; all that an encoding may spoil


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Keys of the server."""
    return make_keys(tmp_path_factory.mktemp("token-keys"))


@pytest.fixture
def server(keys):
    """A token server with one client."""
    with token_server.TokenServer(keys, {"me": SECRET}) as running:
        yield running


@pytest.fixture
def source(server, keys, tmp_path):
    """What asks it as that client."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n", encoding="utf-8")
    return TokenServer(server.url, "me", secret, "one two", keys.ca)


@pytest.mark.parametrize("how", ["basic", "post"])
async def test_client_credentials_are_shown_in_the_header_or_in_the_form(server, source, how):
    """Either way the server reads id and secret whole, whatever characters they have, and the scope."""
    source = TokenServer(
        source.url, source.client_id, source.secret_file, source.scope, source.ca_file, how
    )
    token = await source.fetch()
    assert token.text.count(".") == 2
    assert token.life_seconds == 300
    (asked,) = server.asked
    assert asked["scope"] == "one two"
    assert asked["authorization"] == ("Basic" if how == "basic" else "")
    assert ("client_secret" in asked) is (how == "post")


@pytest.mark.parametrize(
    ("refuses", "says"),
    [
        (
            (401, {"error": "invalid_client"}),
            "NOTIFIER_KAFKA_OAUTH_CLIENT_ID, NOTIFIER_KAFKA_OAUTH_CLIENT_SECRET_FILE: ",
        ),
        ((400, {"error": "invalid_scope"}), "NOTIFIER_KAFKA_OAUTH_SCOPE: "),
        ((404, {}), "NOTIFIER_KAFKA_OAUTH_TOKEN_URL: "),
        ((500, {"error_description": "out of order"}), "500 out of order"),
        ((200, {"id_token": "x"}), "without an access_token"),
        ((302, {}), "gives no token: 302"),
    ],
)
async def test_a_server_that_gives_no_token(server, source, refuses, says):
    """One sentence with the setting to look at and the server's own words, and no secret."""
    server.refuses = refuses
    with pytest.raises(TokenError) as caught:
        await source.fetch()
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_an_environment_that_lets_us_ask_nobody(source, monkeypatch):
    """A start refuses it; what gets by all the same is a token that does not come, with its reason."""
    monkeypatch.setenv("NO_PROXY", "fd00::/8,10.0.0.0/8,127.0.0.1")
    monkeypatch.setenv("ALL_PROXY", "socks5://me:pass@proxy:1080")
    assert await source.fetch()
    monkeypatch.setenv("NO_PROXY", "fd00::/8")
    with pytest.raises(
        TokenError, match=r"_TOKEN_URL: .* can't be reached: ALL_PROXY: seen"
    ) as caught:
        await source.fetch()
    assert "pass" not in str(caught.value)
    monkeypatch.delenv("ALL_PROXY")
    for url in ("http://tokens..example.com", "http://xn--a.invalid"):
        odd = TokenServer(url, "me", source.secret_file)
        with pytest.raises(TokenError, match=r"_TOKEN_URL: .* can't be reached: .* "):
            await odd.fetch()


@pytest.mark.parametrize("text", ["a secret\nof two lines", "a secret\0", "a secr\u00e9t"])
async def test_a_token_file_that_holds_no_line_of_text(tmp_path, text):
    """Nothing of it is shown."""
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TokenError, match="NOTIFIER_KAFKA_OAUTH_TOKEN_FILE: ") as caught:
        await TokenFile(file).fetch()
    said = str(caught.value).replace(str(file), "")
    assert "secr" not in said
    assert "0x" not in said


async def test_what_keeps_us_from_the_server_is_named(server, source, keys, tmp_path):
    """A server that is not there, one that is not trusted, and a secret that can't be read."""
    other = make_keys(tmp_path / "other").ca
    gone = TokenServer("https://127.0.0.1:1/token", "me", source.secret_file, None, keys.ca)
    strange = TokenServer(server.url, "me", source.secret_file, None, other)
    bare = TokenServer(server.url, "me", tmp_path / "none", None, keys.ca)
    for asked, says in (
        (
            gone,
            "NOTIFIER_KAFKA_OAUTH_TOKEN_URL: the token server at 'https://127.0.0.1:1/token' can't",
        ),
        (strange, "NOTIFIER_KAFKA_OAUTH_CA_FILE: the certificate of the token server"),
        (
            bare,
            "NOTIFIER_KAFKA_OAUTH_CLIENT_SECRET_FILE, NOTIFIER_KAFKA_OAUTH_CA_FILE: one can't be used",
        ),
    ):
        with pytest.raises(TokenError, match=r"^NOTIFIER_") as caught:
            await asked.fetch()
        assert says in str(caught.value)


async def test_a_token_is_shared_and_renewed_ahead_of_its_end(server, source):
    """All who ask at once share one; before it ends another is there, and nobody waits for it."""
    server.life_seconds = 12
    tokens = Tokens(source.fetch, {"logicalCluster": "lkc-1"})
    first = set(await asyncio.gather(*(tokens.token() for _ in range(5))))
    assert len(first) == len(server.asked) == 1
    assert tokens.extensions() == {"logicalCluster": "lkc-1"}

    async def renewed():
        left = tokens.ends_in_seconds
        assert left is not None
        assert left > 0
        return {await tokens.token()} != first

    await eventually(renewed, what="another token")
    assert len(server.asked) == 2


async def test_a_secret_that_was_changed_is_used_for_the_next_token(server, source):
    """First the server has another than we: the old token serves to its end, then there is none; then ours follows."""
    server.life_seconds = 2
    tokens = Tokens(source.fetch)
    await tokens.token()
    server.secrets["me"] = "another"

    async def refused():
        try:
            await tokens.token()
        except TokenError as error:
            return "401 invalid_client" in str(error)
        return False

    await eventually(refused, what="a refusal")
    assert tokens.fault is not None
    source.secret_file.write_text("another")

    async def taken():
        try:
            return await tokens.token()
        except TokenError:
            return ""

    await eventually(taken, what="a token by the new secret")
    assert tokens.fault is None


async def test_a_server_that_is_away_is_asked_less_and_less(server, source, caplog):
    """Whoever wants a token meanwhile hears why at once, and asks nobody."""
    server.refuses = (503, {})
    tokens = Tokens(source.fetch)
    for _ in range(20):
        with pytest.raises(TokenError, match="503"):
            await tokens.token()
    assert [record.getMessage().rpartition("; ")[2] for record in caplog.records] == [
        "trying again in 1 s"
    ]


async def test_a_token_of_a_file_is_as_old_as_it_says(server, tmp_path):
    """Its own end counts; one that has ended, and a file that is not there, are said."""
    path = tmp_path / "token"
    server.life_seconds = 100
    server.write_token(path, "me")
    token = await TokenFile(path).fetch()
    assert 90 < token.life_seconds <= 100
    assert token.text == path.read_text().strip()
    server.life_seconds = -1
    server.write_token(path, "me")
    with pytest.raises(
        TokenError, match=r"NOTIFIER_KAFKA_OAUTH_TOKEN_FILE: the token in .* has ended"
    ):
        await TokenFile(path).fetch()
    path.unlink()
    with pytest.raises(TokenError, match="can't be read: No such file"):
        await TokenFile(path).fetch()
    claims = base64.urlsafe_b64encode(b"[" * 1_000_000).decode()  # deeper than JSON is read
    for text in ("opaque", f"head.{claims}.signature"):
        path.write_text(text)
        assert (await TokenFile(path).fetch()).life_seconds == 300


def test_tokens_outlive_an_event_loop(server, source):
    """What the check at start fetched serves the worker too, whose loop is another one, and is renewed there."""
    server.life_seconds = 4
    tokens = Tokens(source.fetch)
    first = asyncio.run(tokens.token())

    async def in_another():
        assert await tokens.token() == first

        async def renewed():
            return await tokens.token() != first

        await eventually(renewed, what="another token")

    asyncio.run(in_another())
