"""Schemas by their id, from a registry that speaks Confluent's API: asked once for each, kept for as long as the worker runs.

An id means the same schema for ever, so what was read is never asked for again.
"""

import base64
import json
import ssl
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Literal, get_args
from urllib.parse import quote

from streams.partners import use_chain_rules
from streams.redaction import shown_url
from streams.secret_files import why_unread
from streams.service_url import proxy_for
from streams.settings import Settings

if TYPE_CHECKING:
    import httpx

SchemaId = int | str
"""A number, or a GUID as text."""

RegistryFault = Literal["unreachable", "refuses", "unknown-schema"]
REGISTRY_FAULTS: Final[tuple[str, ...]] = get_args(RegistryFault)

_PATIENCE_SECONDS: Final = 5.0
_WHOLE_SECONDS: Final = (
    10.0  # for a schema with all that it refers to: less than a lane waits when a worker ends
)
_LARGEST_ANSWER: Final = 4 << 20
_MOST_REFERENCES: Final = 100
_ENDED_AT: Final = (
    "connection.connect_tcp.started",
    "http11.send_request_headers.started",
    "http11.receive_response_headers.started",
    "http11.receive_response_body.started",
)
"""Where a question that was given up ends, as the client names its steps: not where it has a connection that is nobody's yet,
nor where it closes one."""
_PREFIX: Final = "NOTIFIER_SCHEMA_REGISTRY"


class SchemaUnavailable(Exception):  # noqa: N818  # what it is
    """A schema can't be had now.

    Attributes:
        fault: the registry gives no answer that counts, does not let us in, or does not know the id.
        schema: the id.
    """

    def __init__(self, message: str, schema: SchemaId, fault: RegistryFault) -> None:
        self.fault: RegistryFault = fault
        self.schema = schema
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema as the registry gives it.

    Attributes:
        kind: `AVRO`, `JSON`, `PROTOBUF`.
        text: the schema.
        references: the schemas that it names, each after those that it names itself.
    """

    kind: str
    text: str
    references: tuple[str, ...] = ()


@dataclass(slots=True)
class SchemaRegistry:
    """A registry's client. Every method may be called from any thread.

    Attributes:
        url: of the API, below which `/schemas/ids` stands.
        user: for basic authentication, with the password.
        password_file: read anew for each schema; a newline at its end is no part of it.
        token_file: a bearer token instead, one line of ASCII; read alike.
        ca_file: PEM bundle for the registry's certificate, else the system's.
        whole_seconds: how long a schema may take, with all that it refers to.
        kept: how many schemas are kept; the one that was asked for the longest time ago goes first.
    """

    url: str
    user: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    kept: int = 1000
    whole_seconds: float = _WHOLE_SECONDS
    _schemas: OrderedDict[SchemaId, RegisteredSchema] = field(
        default_factory=OrderedDict, init=False
    )
    _lock: Lock = field(default_factory=Lock, init=False)

    def known(self, schema: SchemaId) -> RegisteredSchema | None:
        """Return a schema that was fetched before, or None."""
        with self._lock:
            found = self._schemas.get(schema)
            if found is not None:
                self._schemas.move_to_end(schema)
            return found

    def fetch(self, schema: SchemaId) -> RegisteredSchema:
        """Return a schema; blocks for ten seconds at most, however slowly the registry answers.

        Raises:
            SchemaUnavailable: why it can't be had.
        """
        found = self.known(schema)
        if found is not None:
            return found
        # httpx bounds each read, not the whole, and a look-up not at all; so somebody else waits for it.
        question: Future[RegisteredSchema] = Future()
        clients: list[httpx.Client] = []
        given_up = Event()
        asker = Thread(
            target=self._answer,
            args=(question, schema, clients, given_up),
            name="schema",
            daemon=True,
        )
        try:
            asker.start()
        except RuntimeError as error:  # the system gives no further thread
            message = f"{_PREFIX}_URL: the schema registry can't be asked: {error}"
            raise SchemaUnavailable(message, schema, "unreachable") from error
        try:
            found = question.result(self.whole_seconds)
        except TimeoutError:
            given_up.set()
            for client in clients:
                client.close()  # ends the thread at its next read
            message = (
                f"{_PREFIX}_URL: the schema registry at {shown_url(self.url, with_path=True)} gave no whole answer within"
                f" {self.whole_seconds:g} s"
            )
            raise SchemaUnavailable(message, schema, "unreachable") from None
        with self._lock:
            self._schemas[schema] = found
            while len(self._schemas) > self.kept:
                self._schemas.popitem(last=False)
        return found

    def _answer(
        self,
        question: Future[RegisteredSchema],
        schema: SchemaId,
        clients: "list[httpx.Client]",
        given_up: Event,
    ) -> None:
        try:
            question.set_result(self._fetch(schema, clients, given_up))
        except SchemaUnavailable as error:
            question.set_exception(error)
        except BaseException as error:  # noqa: BLE001  # whatever it is, the events wait and the worker goes on
            message = (
                f"{_PREFIX}_URL: the schema registry at {shown_url(self.url, with_path=True)} can't be reached:"
                f" {_seen(error)}"
            )
            question.set_exception(SchemaUnavailable(message, schema, "unreachable"))

    def _fetch(
        self, schema: SchemaId, clients: "list[httpx.Client]", given_up: Event
    ) -> RegisteredSchema:
        import httpx  # noqa: PLC0415  # few deployments have a registry, and every command imports this module

        def stop(event: str, _info: object) -> None:
            # A client that is closed before it is connected goes on all the same.
            if event in _ENDED_AT and given_up.is_set():
                message = "nobody waits for it any more"
                raise httpx.ReadTimeout(message)

        try:
            trust, headers = self._trust(), self._headers()
        except ValueError as error:
            raise SchemaUnavailable(str(error), schema, "refuses") from error
        references: dict[str, str] = {}
        with httpx.Client(
            verify=trust,
            timeout=_PATIENCE_SECONDS,
            headers=headers,
            trust_env=False,
            proxy=proxy_for(self.url),
            event_hooks={"request": [lambda request: request.extensions.update(trace=stop)]},
        ) as client:
            clients.append(client)
            by = "ids" if isinstance(schema, int) else "guids"
            answer = self._ask(client, f"schemas/{by}/{schema}", schema)
            kind = str(answer.get("schemaType") or "AVRO")
            # Any other type is a fault of its record, whatever became of what the schema refers to.
            if kind == "AVRO":
                self._follow(client, answer, schema, references, set())
        return RegisteredSchema(kind, answer["schema"], tuple(references.values()))

    def _follow(
        self,
        client: "httpx.Client",
        answer: dict[str, Any],
        schema: SchemaId,
        references: dict[str, str],
        open_names: set[str],
    ) -> None:
        """Fetch what a schema refers to, each before what names it; of several of one name the first, as Confluent's reader."""
        for reference in answer.get("references") or ():
            name, subject, version = (
                str(reference.get(key)) for key in ("name", "subject", "version")
            )
            if name in references or name in open_names:
                continue
            if len(open_names) >= _MOST_REFERENCES:
                message = f"schema {schema} refers to more than {_MOST_REFERENCES} others"
                raise SchemaUnavailable(message, schema, "unreachable")
            open_names.add(name)
            # A version that was deleted softly is what the record was written with all the same.
            subject, version = (
                quote(part, safe="", errors="replace") for part in (subject, version)
            )
            path = f"subjects/{subject}/versions/{version}?deleted=true"
            inner = self._ask(client, path, schema)
            self._follow(client, inner, schema, references, open_names)
            references[name] = inner["schema"]

    def _trust(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        except OSError as error:
            message = f"{_PREFIX}_CA_FILE: {self.ca_file} can't be used: {error.strerror or error}"
            raise ValueError(message) from error
        use_chain_rules(context, strict=False)  # docs/decisions/0017-chain-rules.md
        return context

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if self.token_file is not None:
            token = _secret("TOKEN_FILE", self.token_file).strip()
            if not token.isascii() or not token.isprintable() or not token:
                # Here, and without it: who sends it would refuse it as a header, and quote it.
                message = f"{_PREFIX}_TOKEN_FILE: {self.token_file} can't be used; expected one line of printable ASCII"
                raise ValueError(message)
            headers["Authorization"] = f"Bearer {token}"
        elif self.user is not None and self.password_file is not None:
            password = _secret("PASSWORD_FILE", self.password_file).rstrip("\r\n")
            given = base64.b64encode(f"{self.user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {given}"
        return headers

    def _ask(self, client: "httpx.Client", path: str, schema: SchemaId) -> dict[str, Any]:
        shown = shown_url(self.url, with_path=True)
        with client.stream("GET", f"{self.url.rstrip('/')}/{path}") as response:
            body = b""
            for part in response.iter_bytes():
                body += part
                if len(body) > _LARGEST_ANSWER:
                    break
        status = response.status_code
        if status == HTTPStatus.NOT_FOUND:
            message = (
                f"the schema registry at {shown} does not know schema {schema} ({path}); expected the registry that"
                f" the event's producer uses ({_PREFIX}_URL), and a schema that was not deleted there"
            )
            raise SchemaUnavailable(message, schema, "unknown-schema")
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            message = (
                f"the schema registry at {shown} answers {status}; expected it to let us read schemas"
                f" ({_PREFIX}_USER and {_PREFIX}_PASSWORD_FILE, or {_PREFIX}_TOKEN_FILE)"
            )
            raise SchemaUnavailable(message, schema, "refuses")
        answer = _object(body) if status == HTTPStatus.OK else {}
        references = answer.get("references") or []
        whole = isinstance(references, list) and all(isinstance(one, dict) for one in references)
        if not isinstance(answer.get("schema"), str) or not whole:
            lacks = "a schema" if whole else "references that can be read"
            message = (
                f"{_PREFIX}_URL: the schema registry at {shown} answers {status} without {lacks}; expected Confluent's"
                " API below this URL, and a registry that works"
            )
            raise SchemaUnavailable(message, schema, "unreachable")
        return answer


def registry_of(settings: Settings) -> SchemaRegistry | None:
    """Return the client that the settings describe, or None without one."""
    if settings.schema_registry_url is None:
        return None
    return SchemaRegistry(
        settings.schema_registry_url,
        settings.schema_registry_user,
        settings.schema_registry_password_file,
        settings.schema_registry_token_file,
        settings.schema_registry_ca_file,
        settings.schema_registry_cache,
    )


def _secret(setting: str, file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{_PREFIX}_{setting}: {file} can't be read: {why_unread(error)}"
        raise ValueError(message) from error


def _seen(error: BaseException) -> str:
    import httpx  # noqa: PLC0415  # see `SchemaRegistry._fetch`

    plain = isinstance(error, (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError))
    # h11 quotes the header that it can't send, and what is unknown may hold anything.
    if isinstance(error, httpx.LocalProtocolError) or not plain:
        return type(error).__name__
    return str(error) or f"no answer within {_PATIENCE_SECONDS:g} s"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
