# The image of the command `notifier`: worker, console, topics and all the rest. Everything comes from a lock with hashes,
# as a wheel; faust-streaming has none but for x86-64 and is built from its locked source elsewhere, without a compiler (its
# few compiled parts have twins in Python). Another base: --build-arg PYTHON_IMAGE=… (Debian with Python 3.11 to 3.14).
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON_IMAGE} AS build
# Seconds since 1970, for whatever writes a time of its own: two builds of one commit hold the same.
ARG SOURCE_DATE_EPOCH=0
# Packages to build from source although they have a wheel, as the tests do to see that it can be done.
ARG FROM_SOURCE=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
RUN python3 -m venv /build/tools && python3 -m venv --without-pip /opt/notifier
WORKDIR /build/source
COPY requirements/build.txt requirements/image.txt requirements/
# pip checks the hash of everything that it fetches, also of what it then builds. NO_CYTHON: with what stands in the lock.
RUN sources="${FROM_SOURCE:-$(test "$(uname -m)" = x86_64 || echo faust-streaming)}" \
 && /build/tools/bin/pip install --only-binary :all: --require-hashes -r requirements/build.txt \
 && NO_CYTHON=1 /build/tools/bin/pip wheel --only-binary :all: ${sources:+"--no-binary=$sources"} --no-build-isolation \
      --require-hashes -r requirements/image.txt --wheel-dir /build/wheels
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY streams streams
# aiohttp-cors is Faust's, for a web server of its own that is never started (docs/dependencies.md). The bytecode names
# neither times nor hashes to compare with: nobody changes the source below it.
RUN /build/tools/bin/python -m hatchling build --target wheel --directory /build/wheels \
 && rm /build/wheels/aiohttp_cors-*.whl \
 && /build/tools/bin/pip --python /opt/notifier/bin/python install --no-deps --no-index --no-compile /build/wheels/*.whl \
 && /opt/notifier/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/notifier/lib

FROM ${PYTHON_IMAGE}
ARG SOURCE_DATE_EPOCH=0
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="payment-notifier" \
      org.opencontainers.image.description="Tells payment partners the final result of a payment, signed and retried until they acknowledge it." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --system --gid 10001 notifier \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --no-log-init --home-dir /tmp --shell /usr/sbin/nologin notifier
COPY --from=build /opt/notifier /opt/notifier
# The root is read-only: no bytecode is written, and it was compiled above. Log lines leave at once.
ENV PATH=/opt/notifier/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 6066 6067
# Exec form: the process is PID 1 and gets SIGTERM itself.
ENTRYPOINT ["/opt/notifier/bin/notifier"]
CMD ["worker"]
