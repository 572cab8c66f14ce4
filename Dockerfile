# The image of the command `notifier`: worker, console, topics and all the rest. Only wheels with a locked hash are
# installed, so nothing is compiled. Another base: --build-arg PYTHON_IMAGE=… (Debian with Python 3.11 to 3.14).
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
RUN python3 -m venv /build/tools && python3 -m venv --without-pip /opt/notifier
WORKDIR /build/source
COPY requirements/build.txt requirements/image.txt requirements/
# aiohttp-cors is Faust's, for a web server of its own that is never started (docs/dependencies.md).
RUN /build/tools/bin/pip install --only-binary :all: --require-hashes -r requirements/build.txt \
 && /build/tools/bin/pip --python /opt/notifier/bin/python install --only-binary :all: --require-hashes -r requirements/image.txt \
 && /build/tools/bin/pip --python /opt/notifier/bin/python uninstall --yes aiohttp-cors
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY streams streams
RUN /build/tools/bin/python -m hatchling build --target wheel --directory /build/dist \
 && /build/tools/bin/pip --python /opt/notifier/bin/python install --no-deps --no-index /build/dist/*.whl

FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="payment-notifier" \
      org.opencontainers.image.description="Tells payment partners the final result of a payment, signed and retried until they acknowledge it." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --system --gid 10001 notifier \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin notifier
COPY --from=build /opt/notifier /opt/notifier
# The root is read-only: no bytecode is written, and it was compiled above. Log lines leave at once.
ENV PATH=/opt/notifier/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 6066 6067
# Exec form: the process is PID 1 and gets SIGTERM itself.
ENTRYPOINT ["/opt/notifier/bin/notifier"]
CMD ["worker"]
