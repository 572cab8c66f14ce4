"""The pages of the protocols: one for each profile, and their list."""

import json
from collections.abc import Iterator
from typing import Any

from docs.markdown import NOTE, spelled, table
from schemas.iso8601 import PATTERN
from schemas.json_schema import json_schema
from streams.notification.ladder import Wait
from streams.notification.profile import SET_UP_FAULTS, FByCode, Profile
from streams.notification.profiles import PROFILES, TIERS


def protocol_page(profile: Profile) -> str:
    """Return the page of one profile."""
    signed = "must be signed" if profile.signed_answer else "need not be signed"
    return "\n".join(
        [
            NOTE,
            f"# {profile.title}\n",
            f"- Profile: `{profile.name}`",
            f"- Source document: `{profile.source}`",
            f"- Order id and key of every record: `{profile.order_id_member}`",
            f"- Answers {signed}, unless the partner's entry says otherwise",
            f"- JSON Schema: [`{profile.name}.json`](../../schemas/json/{profile.name}.json)\n",
            "## Request\n",
            "Every value is a string, an object or an array.",
            "An optional member that is null or empty is not sent.\n",
            *table("Member | Type | Max | Rule", member_rows(profile)),
            "## An event for it\n",
            "As payment core writes it, of a success, with the payment that the sandbox varies.\n",
            "```json",
            json.dumps(sample_event(profile), indent=2, ensure_ascii=False),
            "```\n",
            "## Payment result codes\n",
            (
                f"`{profile.result_member}.resultCode` with its `resultStatus`, "
                "and the reasons of payment core that become it."
            ),
            (
                "A reason that is itself a code of F below becomes that code; "
                "any other becomes `PROCESS_FAIL` and is counted.\n"
            ),
            *table("Code | Status | Reasons", code_rows(profile)),
            "## Ladder\n",
            (
                f"{profile.ladder.attempts} attempts in all, the first included. "
                "A wait runs from the end of the attempt before; "
                "elapsed is the sum of the waits, the attempts' own time not counted.\n"
            ),
            *table("Attempt | Wait before it | Elapsed", ladder_rows(profile)),
            "## When the answer is F\n",
            meaning_of_f(profile),
        ]
    )


def sample_event(profile: Profile) -> dict[str, Any]:
    """Return an event of a payment that succeeded."""
    return {
        "eventId": f"evt-{profile.name}-000001",
        "profile": profile.name,
        "partnerId": profile.sample.partner,
        "outcome": "SUCCESS",
        "occurredAt": "2026-11-22T10:15:29+08:00",
        "payment": profile.sample.payment,
    }


def protocol_index() -> str:
    """Return the list of the profiles and of the tiers."""
    rows = [
        f"[`{p.name}`]({p.name}.md) | {p.title} | `{p.source}` | {p.ladder.attempts}"
        for p in PROFILES.values()
    ]
    return "\n".join(
        [
            NOTE,
            "# Protocols\n",
            (
                "One page for each profile: what is sent, which codes it may report, "
                "and when it is told again.\n"
            ),
            *table("Profile | Sender → receiver | Source document | Attempts", rows),
            "The ladders share these tiers, one retry topic each: "
            + ", ".join(f"`{wait.label}`" for wait in TIERS)
            + ".\n",
            (
                "Shapes that do not depend on a profile: "
                "[event](../../schemas/json/event.json), "
                "[acknowledgement](../../schemas/json/acknowledgement.json), "
                "[attempt record](../../schemas/json/attempt-record.json).\n"
            ),
        ]
    )


def member_rows(profile: Profile) -> Iterator[str]:
    """Return a row for every member of the body, those within objects too."""
    schema = json_schema(profile.body, "")
    on_success = schema.get("then", {}).get("required", [])
    for name, member in schema["properties"].items():
        required = name in schema["required"]
        rule = "required" if required else "required with S" if name in on_success else "optional"
        yield from _rows(schema, name, member, rule)


def _rows(schema: dict[str, Any], path: str, member: dict[str, Any], rule: str) -> Iterator[str]:
    wire_type, inner = type_of(member), {}
    if "$ref" in member:
        wire_type = member["$ref"].rpartition("/")[2]
        inner = schema["$defs"][wire_type]
    explained = "; ".join(filter(None, [rule, member.get("description")]))
    yield f"`{path}` | {wire_type} | {member.get('maxLength', '-')} | {explained}"
    for name, part in inner.get("properties", {}).items():
        required = name in inner.get("required", [])
        yield from _rows(schema, f"{path}.{name}", part, "required" if required else "optional")


def type_of(member: dict[str, Any]) -> str:
    """Name a member's type in the words of the source documents."""
    if "enum" in member:
        return "String: " + ", ".join(f"`{value}`" for value in member["enum"])
    if isinstance(member.get("type"), list):
        return "String, object or array"
    if member.get("pattern") == PATTERN:
        return "Datetime"
    return "Decimal" if member.get("format") == "decimal" else "String"


def code_rows(profile: Profile) -> Iterator[str]:
    """Return a row for every payment result code."""
    for code, status in profile.codes.items():
        reasons = [f"`{reason}`" for reason, mapped in profile.reasons.items() if mapped == code]
        yield f"`{code}` | {status} | {', '.join(reasons)}"


def ladder_rows(profile: Profile) -> Iterator[str]:
    """Return a row for every attempt."""
    elapsed = 0
    waits: list[Wait | None] = [None, *profile.ladder.waits]
    for attempt, wait in enumerate(waits, start=1):
        elapsed += wait.seconds if wait else 0
        yield f"{attempt} | {wait.label if wait else '-'} | {spelled(elapsed)}"


def meaning_of_f(profile: Profile) -> str:
    """Say what F does."""
    if isinstance(profile.on_f, FByCode):
        faults = ", ".join(f"`{code}`" for code in sorted(SET_UP_FAULTS))
        return (
            f"{faults} are faults of our set-up: an alert at the first, and a retry on the ladder.\n"
            "Every other code is final: dead letter `rejected`.\n"
        )
    final = ", ".join(f"`{code}`" for code in sorted(profile.on_f.but))
    but = f", but for {final}, which is final: dead letter `rejected`" if final else ""
    return f"F is retried on the ladder, whatever its code{but}.\n"
