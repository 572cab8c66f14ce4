"""Every constant of admission, with its reason. Seconds, calls, or shares of `NOTIFIER_MAX_IN_FLIGHT`.

What they give is measured by `make measure` (docs/reliability.md) and held by tests/unit/admission in virtual time.
"""

FIRST_LIMIT = 16.0
"""Calls at once to a destination that has not answered yet: a burst of an ordinary merchant goes out at once, and a
hung one costs 16 calls of one time-out before it is known."""

PATIENCE_SECONDS = 1.0
"""How long a record may wait in its lane for a permit before it is parked: longer than the answer time of a healthy
partner, and short beside the shortest wait of a ladder, so that a lane's others are not held up."""

PATIENCE_ROUNDS = 10
"""How often patience begins anew while the queue is short and moves: then the worker is what is slow, and parking
would cost it more than waiting."""

PROBE_SECONDS = 1.0
"""An unresponsive destination gets one call in this time: one that comes back is found within it."""

LATELY_SECONDS = 1.0
"""How long calls may go unanswered before a destination counts as unresponsive; twice its usual answer time if that is
more. Partners answer in 50 to 500 ms; their longest time-out is 5 s and more, too long to find out by."""

UNRESPONSIVE_SHARE = 4
"""Probes of unresponsive destinations share at most one in so many of the worker's calls."""

UNTRIED_SHARE = 2
"""Destinations that never answered share at most one in so many, until they turn out to be unresponsive: after a
restart every destination is untried."""

SLOW_SHARE = 2
"""Destinations whose answers usually take longer than a waiting record's patience share at most one in so many of the
calls, and of the calls that retries may have: else some hundreds of such calls would be all of the worker's, and the
others would wait for them without end."""

QUICK_SHARE = 8
"""One in so many of the calls, and of those that retries may have, stays for destinations that answer quickly, however
many of the others there are."""

BELOW_PART_SHARE = 16
"""One in so many of the calls that unresponsive and untried destinations may have is for partners that have less than an
equal part of them: 24 at once by default, some hundred a second of partners that answer. A larger one would keep more
from a platform that is alone: when 300 of its 1,000 merchants hang from the first moment on, they have taken 321 of the
384 calls before it is known which."""

RETRY_SHARE = 2
"""Retries share at most one in so many of the worker's calls, and of each destination's, so that a backlog of them does
not delay new payments."""

SLOW_TIMES, SLOW_SECONDS = 3.0, 0.5
"""A call counts as slow, a sign of too much traffic, above so many times the usual answer time and so many seconds."""

SMOOTHING = 0.1
"""Weight of the newest answer time in the usual one: about the last twenty answers."""

COUNT_SECONDS = 0.05
"""How old the count of calls of unresponsive, untried and slow destinations may be: counting costs a walk over all that
are called."""

RATE_SLACK_SECONDS = 0.1
"""How much sooner than a step of the rate allows a call may follow: turns of the event loop are late, and a rate whose
steps are shorter than that would else never be reached."""

LONGEST_PARK_SECONDS = 900
"""How long a record is parked at most. A slot of the rate that is further away is not promised: the record could not
come back for it."""

IDLE_SECONDS = 60.0
"""After so long without being asked for a destination is forgotten, unless a step of its rate or a promise is longer: a
platform has ten thousand merchants, each seldom called."""

LEAST_SHARE = 1e-3
"""This worker's least share of a partner's limits: a record may still be under way when the last partition has gone."""
