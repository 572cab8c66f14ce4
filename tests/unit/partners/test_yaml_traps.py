"""What YAML's readers take for something else: the partners file uses what was typed, or says why it can't."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.partners import PartnersFileError, load_partners
from streams.partners.yaml_text import InvalidYaml, TypedText, read_yaml

NOW = 1_795_342_530.0  # 2026-11-22T10:15:30Z
VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture
def load(tmp_path):
    """Load a file with one partner from lines that change a good entry; None leaves a line out."""
    ours, theirs = tmp_path / "010", tmp_path / "theirs.pem"
    for path, name in ((ours, "sender_private_pkcs8"), (theirs, "receiver_public_spki")):
        path.touch(0o600)
        path.write_bytes((VECTORS / f"{name}.pem").read_bytes())

    def load(name="one", encode=str.encode, **changed):
        lines = {
            "profiles": "[mpp-to-alipay-plus]",
            "client_id": "CLIENT",
            "private_key_file": "010",
            "peer_public_key_files": "{1: theirs.pem}",
        } | changed
        body = "\n".join(f"    {key}: {value}" for key, value in lines.items() if value is not None)
        path = tmp_path / "partners.yaml"
        path.write_bytes(encode(f"partners:\n  {name}:\n{body}\n"))
        return load_partners(path, NOW)

    return load


@pytest.fixture
def fault(load):
    """Return the one fault of a file."""

    def fault(**changed):
        with pytest.raises(PartnersFileError) as caught:
            load(**changed)
        (fault,) = caught.value.faults
        return fault

    return fault


TYPED = [
    "010",
    "0o10",
    "0x40",
    "1_000",
    "1.50",
    "1e3",
    "NO",
    "on",
    "Null1",
    "2027-01-01",
    "007",
    "1",
]


@pytest.mark.parametrize("typed", TYPED)
def test_a_key_version_is_what_was_typed(load, typed):
    """Ours, also among several, and the partner's: `010` is neither 8 nor 10, and `NO` no truth."""
    partner = load(key_version=typed, peer_public_key_files=f"{{{typed}: theirs.pem}}")["one"]
    assert [key.version for key in partner.signing_keys] == [typed]
    assert list(partner.peer_keys) == [typed]
    several = load(private_key_file=None, signing_keys=f"[{{version: {typed}, file: 010}}]")["one"]
    assert [key.version for key in several.signing_keys] == [typed]


def test_versions_that_other_readers_take_for_one_are_two(load):
    """A partner may have both a version 8 and a version 010."""
    keys = "{8: theirs.pem, 010: theirs.pem, '0x8': theirs.pem}"
    assert list(load(peer_public_key_files=keys)["one"].peer_keys) == ["8", "010", "0x8"]


@pytest.mark.parametrize("typed", [*TYPED, "0123456", "1:30", ".inf", "12345678901234567890"])
def test_text_is_what_was_typed(load, typed):
    """Ids and reasons that look like numbers, truths and dates, as keys and as values."""
    partners = load(name=typed, client_id=typed, reasons=f"{{{typed}: RISK_REJECT}}")
    assert list(partners) == [typed]
    partner = partners[typed]
    assert (partner.partner_id, partner.client_id) == (typed, typed)
    assert partner.terms.reasons == {typed: "RISK_REJECT"}
    assert {type(text) for text in (partner.partner_id, partner.client_id)} == {str}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *((word, True) for word in ("true", "True", "on", "YES")),
        *((word, False) for word in ("false", "FALSE", "off", "no", "No")),
    ],
)
def test_a_truth_may_be_said_in_yaml_1_1_words(load, typed, meant):
    """Where a truth is asked for, on and no say plainly what is meant."""
    assert load(paused=typed)["one"].paused is meant


@pytest.mark.parametrize(
    ("key", "typed", "seen"),
    [
        ("paused", "'false'", "seen 'false', expected a valid boolean: true or false"),
        ("paused", '"no"', "seen 'no', expected a valid boolean"),
        ("paused", "n", "seen 'n', expected a valid boolean"),
        ("paused", "0", "seen 0, expected a valid boolean"),
        ("paused", "~", "seen no value (~), expected a valid boolean"),
        ("paused", "", "seen no value, expected a valid boolean"),
        ("max_in_flight", "010", "seen 010, expected a valid integer, decimal and without quotes"),
        ("max_in_flight", "010", "with a leading zero it is an octal number to some readers"),
        ("max_in_flight", "0o10", "seen '0o10', expected a valid integer"),
        ("max_in_flight", "0x40", "seen 0x40, expected a valid integer"),
        ("max_in_flight", "1_000", "seen 1_000, expected a valid integer"),
        ("max_in_flight", "1:30", "seen 1:30, expected a valid integer"),
        ("max_in_flight", "1:30", "with colons it is a number of base 60 to some readers"),
        ("max_in_flight", "64.0", "seen 64.0, expected a valid integer"),
        ("max_in_flight", "'64'", "seen '64', expected a valid integer"),
        ("max_in_flight", "'64'", "it is quoted"),
        ("max_in_flight", "yes", "seen yes, expected a valid integer"),
        ("max_in_flight", "9" * 5000, "expected a valid integer"),
        ("max_in_flight", "-5", "greater than or equal to 1"),
        ("rate_limit_per_second", "1_000", "seen 1_000, expected a finite number"),
        ("rate_limit_per_second", "1:30.5", "base 60"),
        ("rate_limit_per_second", ".inf", "seen .inf, expected a finite number"),
        ("rate_limit_per_second", "'200'", "it is quoted"),
        ("rate_limit_per_second", "", "seen no value, expected a finite number"),
        ("attempt_timeout_seconds", "05", "leading zero"),
        ("client_id", "", "seen no value, expected text; leave the key out, or quote it"),
        ("client_id", "Null", "seen no value (Null), expected text"),
        ("notify_url", "~", "seen no value (~), expected text"),
        ("allowed_hosts", "", "seen no value, expected: should be a valid list"),
        ("tls", "null", "seen no value (null), expected"),
        ("request_time_format", "2027-01-01", "seen 2027-01-01, expected: should be 'iso8601'"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(fault, key, typed, seen):
    """With the line, what was seen there and how to write it. Nothing at all is no value: `allowed_hosts:` opens nothing."""
    told = fault(**{key: typed})
    assert told.startswith(f"partners.one.{key}: ")
    assert seen in told
    assert told.endswith(f" (line {4 if key == 'client_id' else 7})")


@pytest.mark.parametrize(
    ("key", "typed", "number"),
    [
        ("max_in_flight", "64", 64),
        ("max_in_flight", "+5", 5),
        ("rate_limit_per_second", "200", 200),
        ("rate_limit_per_second", "2.5", 2.5),
        ("rate_limit_per_second", ".5", 0.5),
        ("rate_limit_per_second", "1e3", 1000),
        ("rate_limit_per_second", "1.0E+3", 1000),
    ],
)
def test_a_decimal_number_is_that_number(load, key, typed, number):
    """Also with an exponent, which YAML 1.1 takes for text."""
    assert getattr(load(**{key: typed})["one"], key) == number


@pytest.mark.parametrize(
    "since", ["2027-01-01", "2027-01-01T00:00:00", "20270101", "1798761600", "2027-01-01 0:0:0 Z"]
)
def test_a_time_needs_its_hour_and_offset(fault, since):
    """A date alone is nobody's midnight."""
    told = fault(private_key_file=None, signing_keys=f"[{{version: 1, file: 010, from: {since}}}]")
    assert told.startswith("partners.one.signing_keys.0.from: seen ")
    assert f"{since}, expected an ISO 8601 time" in told.replace("'", "")


@pytest.mark.parametrize(
    "since", ["2026-01-01T08:00:00+08:00", "2026-01-01 00:00:00Z", "2026-01-01T00:00Z"]
)
def test_a_time_is_what_was_typed(load, since):
    """With its offset, quoted or not."""
    keys = f"[{{version: 1, file: 010, from: {since}}}, {{version: 2, file: 010, from: '{since[:3]}5{since[4:]}'}}]"
    (late, early) = load(private_key_file=None, signing_keys=keys)["one"].signing_keys
    assert late.from_seconds == 1_767_225_600
    assert early.from_seconds == 1_767_225_600 - 365 * 86_400


def test_a_wrong_code_is_named_with_its_line(fault):
    """`{E1: 010}` sends neither 8 nor 010."""
    told = fault(reasons="{E1: 010}")
    assert "partners.one.reasons: seen another code for E1" in told
    assert told.endswith("(line 7)")


def test_merge_keys_and_aliases_bring_what_was_typed(load):
    """`010` stays `010` on its way, and an entry's own line wins."""
    partner = load(
        tls="&none {}", reasons="{<<: {010: RISK_REJECT, NO: RISK_REJECT}, NO: USER_NOT_EXIST}"
    )
    assert partner["one"].terms.reasons == {"010": "RISK_REJECT", "NO": "USER_NOT_EXIST"}


@pytest.mark.parametrize(
    "text",
    [b"a: &x {b: *x}", b"&x [1, [*x]]", b"a: 1\nb: &x\n  <<: *x\n", b"a: &x {b: &y [*x, *y]}"],
)
def test_an_alias_within_what_it_stands_for_is_refused(text):
    """Whoever reads it would never come to its end."""
    with pytest.raises(
        InvalidYaml, match=r"line [123]: no YAML: an alias that stands within"
    ) as told:
        read_yaml(text)
    assert len(told.value.faults) == 1


def test_an_alias_after_what_it_stands_for_is_followed():
    """As often as it comes."""
    assert read_yaml(b"a: &x {b: &y 1}\nc: [*x, *x, *y]") == {
        "a": {"b": "1"},
        "c": [{"b": "1"}, {"b": "1"}, "1"],
    }


def test_a_merge_key_that_is_used_before_its_own_entry_is_no_twin():
    """What an anchor's mapping got from its own merge key is not counted against it."""
    text = b"a: {deep: {deeper: &t {<<: {x: 1}, x: 2}}}\nb: {<<: *t, x: 3}\n"
    assert read_yaml(text) == {"a": {"deep": {"deeper": {"x": "2"}}}, "b": {"x": "3"}}


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: f"%YAML 1.2\n---\n{text}...\n".encode(),
    ],
    ids=["BOM", "CRLF", "UTF-16", "YAML 1.2"],
)
def test_other_ends_of_lines_and_byte_order_marks(load, encode):
    """What editors on other systems write is read."""
    assert load(encode=encode, client_id="010")["one"].client_id == "010"


def test_latin_1_is_said_with_its_line(load):
    """Not guessed at: the byte may stand in a key's name."""
    with pytest.raises(
        PartnersFileError, match="line 4: no YAML: seen the byte 0xfc, expected UTF-8"
    ):
        load(encode=lambda text: text.encode("latin-1"), client_id="\u00fc")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=20))
def test_a_quoted_text_is_that_text(text):
    """Whatever stands in single quotes on one line is read as it is."""
    try:
        read = read_yaml(f"key: '{text.replace(chr(39), chr(39) * 2)}'".encode())
    except InvalidYaml:
        assert not text.isprintable()
        return
    (value,) = read.values()
    if text.isprintable():
        assert value == text
    assert isinstance(value, TypedText)
    assert (value.kind, value.plain) == ("str", False)


@given(
    st.from_regex(r"\A[-+.]?[0-9a-zA-Z_.][-+0-9a-zA-Z_.:]{0,12}\Z").filter(
        lambda text: text[-1] != ":"
    )
)
def test_a_plain_scalar_is_the_text_that_was_typed(typed):
    """Numbers in every base, truths, dates: as keys and as values they stay text."""
    (read,) = [read_yaml(f"{typed}: {typed}".encode())]
    assert read == {typed: typed}
