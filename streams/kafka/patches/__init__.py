"""All patches of libraries, one a file: what each replaces, and why, stands in its docstring.

A docstring has three paragraphs that begin with "Upstream:", "Why:" and "Remove when:". What a patch replaces is named in
its `REPLACES`. Importing changes nothing: a program's entry point calls `patch_clients` or `patch_workers` once, before it
makes a client of aiokafka. Patches of one object are applied where the object is made.

`docs/library-patches.md` lists them all beside the members of library classes that we override.
`tests/unit/kafka/test_patches.py` fails when a library's version, or what is patched or overridden of it, has changed.
"""

from streams.kafka.patches import (
    answer_times,
    batch_reading,
    bounded_decompression,
    closed_connections,
    fetch_encoding,
    fetch_errors,
    offset_fetch_errors,
    paced_metadata,
    sasl_sessions,
    stack_dumps,
    timed_out_requests,
)

_EVERY_PROGRAM = (
    sasl_sessions,
    fetch_encoding,
    fetch_errors,
    bounded_decompression,
    batch_reading,
    paced_metadata,
    offset_fetch_errors,
    timed_out_requests,
)
_WORKERS = (closed_connections, answer_times, stack_dumps)


def patch_clients() -> None:
    """Patch aiokafka for a program that reads and writes. Calling it again does no harm."""
    for patch in _EVERY_PROGRAM:
        patch.apply()


def patch_workers() -> None:
    """Patch aiokafka and mode for a worker: it also outlives connections, brokers, leaders and signals. Calling it again does no harm."""
    patch_clients()
    for patch in _WORKERS:
        patch.apply()


def require_patches() -> None:
    """Refuse to go on in a program that forgot `patch_clients`.

    Raises:
        RuntimeError: nothing was patched.
    """
    if not sasl_sessions.is_applied():
        message = (
            "aiokafka is not patched, expected a call of streams.kafka.patches.patch_clients before a client is made;"
            " the program's entry point makes it"
        )
        raise RuntimeError(message)
