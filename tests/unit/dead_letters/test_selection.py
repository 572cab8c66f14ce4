"""Which dead letters are meant: the test of a record and the SQL of the read model agree."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord, RecordId
from streams.operator.console.store import ReadModelStore
from streams.operator.dead_letters.find import Survey
from streams.operator.dead_letters.selection import Selection, code_of
from tests.support.history import ORDER, T0, HistoryBuilder

# Few values, so that they often meet; and such as break a naive comparison: case, NUL, no text at all.
TEXTS = ["", "a", "A", "a\0b", "F:a", "F:", "F:a:A", "unknown"]
texts = st.sampled_from(TEXTS)
moments = st.integers(T0 - 2, T0 + 2)
places = st.builds(RecordId, st.just("pn-dead-letter"), st.integers(0, 1), st.integers(0, 5))
HEADERS = ("dead-letter-reason", "partner-id", "profile", "last-outcome", "attempt", "replays")


@st.composite
def dead_letters(draw):
    """Return dead letters as they are read, each at a place of its own."""
    facts = []
    for place in draw(st.lists(places, unique=True, min_size=1, max_size=8)):
        headers = tuple((name, draw(texts).encode()) for name in HEADERS if draw(st.booleans()))
        key = draw(st.none() | texts.map(str.encode))
        record = RawRecord(
            place.topic, place.partition, place.offset, key, b"{}", headers, draw(moments)
        )
        facts.append(read_fact("dead-letter", record))
    return facts


CRITERIA = {
    "record_ids": st.frozensets(places, max_size=4),
    "orders": st.frozensets(texts, max_size=4),
    "reasons": st.frozensets(texts, max_size=4),
    "partners": st.frozensets(texts, max_size=4),
    "profiles": st.frozensets(texts, max_size=4),
    "answers": st.frozensets(texts, max_size=4),
    "codes": st.frozensets(texts, max_size=4),
    "since_ms": moments,
    "until_ms": moments,
}


@st.composite
def selections(draw):
    """Return selections of a few criteria: what all nine let through is nothing."""
    names = draw(st.lists(st.sampled_from(sorted(CRITERIA)), max_size=3, unique=True))
    return Selection(**{name: draw(CRITERIA[name]) for name in names})


@pytest.fixture
def store(tmp_path):
    """A read model that holds nothing."""
    store = ReadModelStore(tmp_path / "console.sqlite", "of a test")
    yield store
    store.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(dead_letters(), st.lists(selections(), min_size=1, max_size=20))
def test_the_predicate_and_the_sql_select_the_same(store, facts, several):
    """Whatever the dead letters hold and whatever is selected."""
    begins = {("pn-dead-letter", number): 100 for number in (0, 1)}
    store.forget(begins)  # of the example before
    store.put(facts, {})
    for selection in several:
        where, values = selection.where()
        rows = store.rows(
            f"SELECT topic, partition, offset FROM dead_letters WHERE {where}",  # noqa: S608  # of this program
            values,
        )
        is_meant = selection.predicate()
        assert {RecordId(*row) for row in rows} == {
            fact.record_id for fact in facts if is_meant(fact)
        }


def test_a_selection_takes_what_fits_all_of_it():
    """Each filter excludes; several values of one are alternatives; names of places and orders are alternatives too."""
    dead_letter = HistoryBuilder().dead_letter(70, last_outcome="F:RISK_REJECT").facts[-1]
    fits: list[dict[str, Any]] = [
        {},
        {"record_ids": frozenset({dead_letter.record_id})},
        {"orders": frozenset({ORDER, "x"}), "record_ids": frozenset({RecordId("t", 0, 0)})},
        {"reasons": frozenset({"attempts-exhausted", "expired"}), "partners": frozenset({"acme"})},
        {
            "codes": frozenset({"RISK_REJECT"}),
            "since_ms": dead_letter.at_ms,
            "until_ms": dead_letter.at_ms + 1,
        },
    ]
    for options in fits:
        assert Selection(**options).predicate()(dead_letter), options
    for options in (
        {"record_ids": frozenset({RecordId("t", 0, 0)})},
        {"orders": frozenset({"x"})},
        {"reasons": frozenset({"expired"})},
        {"partners": frozenset({"b"})},
        {"profiles": frozenset({"mpp-to-ant"})},
        {"codes": frozenset({"X"})},
        {"since_ms": dead_letter.at_ms + 1},
        {"until_ms": dead_letter.at_ms},
    ):
        assert not Selection(**options).predicate()(dead_letter), options
    assert code_of(dead_letter.last_outcome) == "RISK_REJECT"
    assert code_of("") is None
    survey = Survey(0)
    survey.add(dead_letter)
    survey.add(dead_letter)
    (group,) = survey.groups
    assert (group.reason, group.partner_id, group.code, group.count) == (
        "attempts-exhausted",
        "acme",
        "RISK_REJECT",
        2,
    )


def test_a_survey_counts_all_and_keeps_the_youngest():
    """By reason, partner and code, the most first, whatever the order of reading; no more rows than asked for."""
    letters = [
        replace(
            HistoryBuilder().dead_letter(at, reason).facts[0],
            offset=at,
            last_outcome="read_timeout",
        )
        for at, reason in ((30, "expired"), (10, "rejected"), (40, "expired"), (20, "expired"))
    ]
    for limit, kept in ((0, []), (2, [40, 30]), (9, [40, 30, 20, 10])):
        survey = Survey(limit)
        for letter in letters:
            survey.add(letter)
        assert survey.count == 4
        assert [letter.at_ms - T0 for letter in survey.youngest] == kept
        assert [
            (g.reason, g.count, g.oldest_ms - T0, g.youngest_ms - T0) for g in survey.groups
        ] == [
            ("expired", 3, 20, 40),
            ("rejected", 1, 10, 10),
        ]
