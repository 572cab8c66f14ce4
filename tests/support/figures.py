"""Where and when figures were made, as reports read it."""

ON = {
    "date": "2026-12-01",
    "commit": "abc1234",
    "cores": 2,
    "system": "Linux",
    "python": "3.11.7",
    "packages": {"aiokafka": "0.14.0"},
}
