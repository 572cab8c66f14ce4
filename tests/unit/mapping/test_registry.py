"""The client of a schema registry, against servers that answer as registries do when something is wrong.

What a real registry does when all is well stands in tests/integration/test_schema_registry.py.
"""

import base64
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streams.mapping.avro import AvroDecoder
from streams.mapping.avro_schema import Undecodable
from streams.mapping.registry import RegisteredSchema, SchemaRegistry, SchemaUnavailable
from tests.support.waiting import TIMEOUT_SECONDS

SCHEMA = '"string"'


@contextmanager
def answering(answers):
    """Run a server that gives these answers (status, body) by path, and notes each request's path and credentials."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # the library's name
            asked.append((self.path, self.headers.get("Authorization")))
            status, body = answers.get(self.path, (404, {"error_code": 40403}))
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_schema_is_asked_for_once():
    """And is there from then on, by number and by GUID."""
    answers = {
        "/x/schemas/ids/7": (200, {"schema": SCHEMA}),
        "/x/schemas/guids/ab": (200, {"schema": SCHEMA, "schemaType": "AVRO"}),
    }
    with answering(answers) as (url, asked):
        registry = SchemaRegistry(f"{url}/x/")
        assert registry.known(7) is None
        for schema in (7, 7, "ab", 7):
            assert registry.fetch(schema) == RegisteredSchema("AVRO", SCHEMA)
        assert registry.known(7) == RegisteredSchema("AVRO", SCHEMA)
        assert asked == [("/x/schemas/ids/7", None), ("/x/schemas/guids/ab", None)]


def test_what_was_asked_for_the_longest_time_ago_goes_first():
    """So many are kept as the setting says."""
    answers = {f"/schemas/ids/{n}": (200, {"schema": SCHEMA}) for n in range(3)}
    with answering(answers) as (url, _):
        registry = SchemaRegistry(url, kept=2)
        for schema in (0, 1, 0, 2):
            registry.fetch(schema)
        assert [n for n in range(3) if registry.known(n) is not None] == [0, 2]


def test_who_we_are(tmp_path):
    """User and password, or a token; their files are read anew for each schema."""
    secret = tmp_path / "secret"
    answers = {f"/schemas/ids/{n}": (200, {"schema": SCHEMA}) for n in range(4)}
    with answering(answers) as (url, asked):
        for number, text in enumerate(("old", "new")):
            secret.write_text(f"{text}\n", "utf-8")
            SchemaRegistry(url, user="me", password_file=secret).fetch(number)
            SchemaRegistry(url, token_file=secret).fetch(number + 2)
    expected = []
    for text in ("old", "new"):
        pair = base64.b64encode(f"me:{text}".encode()).decode()
        expected += [f"Basic {pair}", f"Bearer {text}"]
    assert [credentials for _, credentials in asked] == expected


@pytest.mark.parametrize(
    "text", ["a secret\nof two lines", "a secret\0", "a secr\u00e9t", "\n", b"a secret\xff"]
)
def test_a_token_that_is_no_line_of_text(tmp_path, text):
    """The file is named, and no byte of it shown: who sends it as a header would refuse it, and quote it."""
    secret = tmp_path / "token"
    secret.write_bytes(text if isinstance(text, bytes) else text.encode())
    with answering({}) as (url, asked):
        with pytest.raises(
            SchemaUnavailable, match="NOTIFIER_SCHEMA_REGISTRY_TOKEN_FILE: "
        ) as held:
            SchemaRegistry(url, token_file=secret).fetch(7)
        assert asked == []
    assert held.value.fault == "refuses"
    said = str(held.value).replace(str(secret), "")
    assert "secr" not in said
    assert "0x" not in said


def test_a_header_that_cannot_be_sent_is_not_quoted(monkeypatch):
    """Whatever comes to stand in it: h11 says all of it."""
    monkeypatch.setattr(SchemaRegistry, "_headers", lambda _: {"Authorization": "Bearer se\ncret"})
    with answering({}) as (url, _), pytest.raises(SchemaUnavailable) as held:
        SchemaRegistry(url).fetch(7)
    assert str(held.value).endswith("can't be reached: LocalProtocolError")


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("http://registry..example.com", {}),
        (f"http://{'a' * 64}.example.com", {}),
        ("http://xn--a.invalid", {}),
        ("http://registry.example.com", {"ALL_PROXY": "socks5://x:1"}),
        ("http://registry.example.com", {"HTTP_PROXY": "ftp://x:1"}),
        ("http://registry.example.com", {"HTTP_PROXY": "http://x:abc"}),
    ],
)
def test_what_cannot_be_asked_at_all(monkeypatch, url, variables):
    """A start refuses it; what gets by all the same holds the events, and does not end the worker."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        SchemaUnavailable, match=r"NOTIFIER_SCHEMA_REGISTRY_URL: .* can't be reached: ."
    ) as held:
        SchemaRegistry(url).fetch(7)
    assert held.value.fault == "unreachable"


def test_a_fault_of_our_own(monkeypatch):
    """The events wait for its end, and only its kind is told."""

    def fail(*_):
        message = "secret"
        raise ImportError(message)

    monkeypatch.setattr(SchemaRegistry, "_ask", fail)
    with pytest.raises(SchemaUnavailable, match=r"can't be reached: ImportError$") as held:
        SchemaRegistry("http://127.0.0.1:9").fetch(7)
    assert (held.value.fault, held.value.schema) == ("unreachable", 7)


@pytest.mark.parametrize("elsewhere", ["fd00::/8,10.0.0.0/8", "[::1]"])
def test_a_proxy_of_the_environment(monkeypatch, elsewhere):
    """The registry is asked through it, whatever NO_PROXY says of others."""
    with answering({"http://registry.example.com/schemas/ids/7": (200, {"schema": SCHEMA})}) as (
        url,
        asked,
    ):
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("NO_PROXY", elsewhere)
        assert SchemaRegistry("http://registry.example.com").fetch(7).text == SCHEMA
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "fault", "words"),
    [
        ((404, {}), "unknown-schema", "does not know schema 7"),
        ((401, {}), "refuses", "answers 401; expected it to let us read schemas"),
        ((403, {}), "refuses", "answers 403"),
        ((500, {}), "unreachable", "answers 500 without a schema"),
        ((503, b"busy"), "unreachable", "answers 503"),
        ((200, b"<html>"), "unreachable", "answers 200 without a schema"),
        ((200, []), "unreachable", "answers 200 without a schema"),
        ((200, {"schema": 7}), "unreachable", "answers 200 without a schema"),
        ((200, b"[" * 100_000), "unreachable", "answers 200 without a schema"),
        (
            (200, {"schema": SCHEMA, "references": 7}),
            "unreachable",
            "without references that can be read",
        ),
        (
            (200, {"schema": SCHEMA, "references": ["x"]}),
            "unreachable",
            "without references that can be read",
        ),
        (
            (200, {"schema": SCHEMA, "references": [{"subject": "\ud800"}]}),
            "unknown-schema",
            "does not know schema 7",
        ),
        ((200, b"x" * ((4 << 20) + 1)), "unreachable", "answers 200 without a schema"),
        ((302, {}), "unreachable", "answers 302"),
    ],
)
def test_answers_that_hold_the_events(answer, fault, words):
    """Only a 404 says that the id is not known; everything else may be over in a moment."""
    with answering({"/schemas/ids/7": answer}) as (url, _):
        registry = SchemaRegistry(url)
        with pytest.raises(SchemaUnavailable, match=words) as held:
            registry.fetch(7)
        assert (held.value.fault, held.value.schema) == (fault, 7)
        assert registry.known(7) is None


def test_nobody_listens():
    """The setting is named, and the URL shown."""
    with answering({}) as (url, _):
        pass
    with pytest.raises(SchemaUnavailable, match="NOTIFIER_SCHEMA_REGISTRY_URL") as held:
        SchemaRegistry(url).fetch(7)
    assert held.value.fault == "unreachable"


def test_a_secret_that_cannot_be_read(tmp_path):
    """It is the set-up's fault, and is tried again; the setting is named."""
    secret = tmp_path / "secret"
    for registry, setting in (
        (SchemaRegistry("http://127.0.0.1:9", token_file=secret), "TOKEN_FILE"),
        (SchemaRegistry("http://127.0.0.1:9", "me", password_file=secret), "PASSWORD_FILE"),
        (SchemaRegistry("http://127.0.0.1:9", ca_file=secret), "CA_FILE"),
    ):
        with pytest.raises(
            SchemaUnavailable, match=f"^NOTIFIER_SCHEMA_REGISTRY_{setting}: .*No such file"
        ) as held:
            registry.fetch(7)
        assert held.value.fault == "refuses"


def test_no_further_thread(monkeypatch):
    """The system may give one later; the events are held."""

    def start(_):
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(SchemaUnavailable, match="can't start new thread") as held:
        SchemaRegistry("http://127.0.0.1:9").fetch(7)
    assert (held.value.fault, held.value.schema) == ("unreachable", 7)


def reference(name):
    return {"name": f"a.{name}", "subject": name, "version": 1}


def record_of(name, *fields):
    return json.dumps({"type": "record", "name": name, "namespace": "a", "fields": list(fields)})


def test_references_come_before_what_names_them():
    """Once each, however often they are named; a circle ends."""
    inner = {"schema": record_of("Inner", {"name": "n", "type": "int"}), "references": [reference("Outer")]}  # fmt: skip
    outer = {"schema": record_of("Outer", {"name": "i", "type": "a.Inner"}), "references": [reference("Inner")]}  # fmt: skip
    whole = {
        "schema": record_of("Whole", {"name": "o", "type": "a.Outer"}, {"name": "i", "type": "a.Inner"}),
        "references": [reference("Outer"), reference("Inner")],
    }  # fmt: skip
    answers = {
        "/schemas/ids/7": (200, whole),
        "/subjects/Inner/versions/1?deleted=true": (200, inner),
        "/subjects/Outer/versions/1?deleted=true": (200, outer),
    }
    with answering(answers) as (url, asked):
        found = SchemaRegistry(url).fetch(7)
        assert len(asked) == 3
    assert [json.loads(text)["name"] for text in found.references] == ["Inner", "Outer"]
    assert AvroDecoder().decode(found, b"\x02\x04") == {"o": {"i": {"n": 1}}, "i": {"n": 2}}


@pytest.mark.parametrize("kind", ["PROTOBUF", "JSON"])
def test_references_of_other_types_are_left_alone(kind):
    """Such a record is dead-lettered for its type, also where what the schema refers to is gone."""
    schema = {"schema": "x", "schemaType": kind, "references": [reference("Gone")]}
    with answering({"/schemas/ids/7": (200, schema)}) as (url, asked):
        found = SchemaRegistry(url).fetch(7)
        assert len(asked) == 1
    with pytest.raises(Undecodable, match=f"of type {kind}; expected AVRO"):
        AvroDecoder().decode(found, b"")


def test_the_first_reference_of_a_name_holds():
    """As for the producer: what it refers to later by the same name, in another version, is the same type to it."""
    old = record_of("A", {"name": "x", "type": "int"})
    new = record_of("A", {"name": "x", "type": "int"}, {"name": "y", "type": "int"})
    newer = reference("A") | {"version": 2}
    inner = {"schema": record_of("B", {"name": "a", "type": "A"}), "references": [newer]}
    whole = {
        "schema": record_of("C", {"name": "a", "type": "A"}, {"name": "b", "type": "B"}),
        "references": [reference("A"), reference("B")],
    }
    answers = {
        "/schemas/ids/7": (200, whole),
        "/subjects/A/versions/1?deleted=true": (200, {"schema": old}),
        "/subjects/A/versions/2?deleted=true": (200, {"schema": new}),
        "/subjects/B/versions/1?deleted=true": (200, inner),
    }
    with answering(answers) as (url, _):
        found = SchemaRegistry(url).fetch(7)
    assert AvroDecoder().decode(found, b"\x02\x04") == {"a": {"x": 1}, "b": {"a": {"x": 2}}}


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n{"])
def test_a_registry_that_drips(beginning):
    """A byte now and then is no answer, be it of the headers or of the body; and it is asked no more."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:

        def drip():
            try:
                peer, _ = server.accept()
            except TimeoutError:
                return True  # on a busy machine the time was over before it was even asked
            with peer, suppress(OSError):
                peer.sendall(beginning or b"HTTP/1.1 200 OK\r\nX: ")
                for _ in range(int(TIMEOUT_SECONDS / 0.02)):
                    peer.sendall(b" ")
                    time.sleep(0.02)
                return False
            return True

        server.settimeout(TIMEOUT_SECONDS / 2)
        hung_up = pool.submit(drip)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SchemaUnavailable, match=r"no whole answer within 0\.2 s") as held:
            SchemaRegistry(url, whole_seconds=0.2).fetch(7)
        assert held.value.fault == "unreachable"
        assert hung_up.result(TIMEOUT_SECONDS)


def give_up(whole_seconds, waiting):
    """Ask for a schema until the time is over, and only then let the question go on: it ends without having been sent."""
    with answering({}) as (url, asked):
        with pytest.raises(SchemaUnavailable, match="no whole answer"):
            SchemaRegistry(url, whole_seconds=whole_seconds).fetch(7)
        (asker,) = [one for one in threading.enumerate() if one.name == "schema"]
        waiting.set()
        asker.join(TIMEOUT_SECONDS)
        assert not asker.is_alive()
        assert asked == []


def test_a_question_that_was_given_up_is_not_asked_any_more(monkeypatch):
    """The time may be over before there is a connection that could be closed: on a busy machine, or while a name is looked up."""
    trusted, waiting = SchemaRegistry._trust, threading.Event()

    def trust(registry):
        assert waiting.wait(TIMEOUT_SECONDS)
        return trusted(registry)

    monkeypatch.setattr(SchemaRegistry, "_trust", trust)
    give_up(0.01, waiting)


def test_a_connection_that_comes_when_the_question_was_given_up_is_closed(monkeypatch):
    """It is nobody's until then: left to itself it would stay open."""
    connect, waiting, made = socket.create_connection, threading.Event(), []

    def late(*args, **kwargs):
        made.append(connect(*args, **kwargs))
        assert waiting.wait(TIMEOUT_SECONDS)
        return made[-1]

    monkeypatch.setattr(socket, "create_connection", late)
    give_up(0.2, waiting)
    assert [one.fileno() for one in made] == [-1]


def test_a_schema_that_names_the_world():
    """There is an end to it."""
    everything = {"schema": SCHEMA, "references": [reference(f"s{n}") for n in range(101)]}
    answers = {
        f"/subjects/s{n}/versions/1?deleted=true": (200, {"schema": SCHEMA}) for n in range(101)
    }
    with (
        answering(answers | {"/schemas/ids/7": (200, everything)}) as (url, _),
        pytest.raises(SchemaUnavailable, match="more than 100 others"),
    ):
        SchemaRegistry(url).fetch(7)
