# airship-connector as an image: a virtual environment at /opt/airship-connector on a Python base, and nothing else.
# docs/image.md tells how to build it behind a firewall, and how to run it.

# Any base with glibc and Python 3.11 or newer.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm
# The base of the stages that build. It differs where the image's own has no shell or no venv: then its twin for
# development, with Python at the same path.
ARG BUILD_IMAGE=${PYTHON_IMAGE}


FROM ${BUILD_IMAGE} AS dependencies
WORKDIR /build
COPY requirements/*.txt requirements/
# Two secrets, both optional: pip's settings (an index of one's own) and the certificates that they may name.
# No compiler is needed: everything has a wheel. The byte code is never checked against times: they differ by layer.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.pem,target=/run/secrets/ca.pem \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /tools && \
    /tools/bin/python -m pip install --require-hashes --only-binary :all: \
        --requirement requirements/build.txt --requirement requirements/supply.txt && \
    python3 -m venv --without-pip /opt/airship-connector && \
    /tools/bin/python -m pip --python /opt/airship-connector/bin/python install --no-compile \
        --require-hashes --only-binary :all: --requirement requirements/runtime.txt && \
    find /opt/airship-connector/bin -type f ! -name 'python*' -delete && \
    /opt/airship-connector/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/airship-connector/lib


FROM dependencies AS package
COPY pyproject.toml README.md LICENSE ./
COPY connector connector
# Into a root of its own: a change of the code is a small layer on that of the dependencies.
RUN /tools/bin/python -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels . && \
    /tools/bin/python -m pip --python /opt/airship-connector/bin/python install --no-index --no-deps --no-compile \
        --root /package wheels/*.whl && \
    /opt/airship-connector/bin/python -m compileall -q --invalidation-mode unchecked-hash \
        -s /package /package/opt/airship-connector/lib && \
    cp --recursive --no-clobber /package/opt/airship-connector/. /opt/airship-connector/ && \
    mkdir --parents /package/opt/airship-connector/share && \
    /tools/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
        --output-file /package/opt/airship-connector/share/sbom.cdx.json /opt/airship-connector/bin/python && \
    /tools/bin/pip-licenses --python /opt/airship-connector/bin/python --from mixed --format plain-vertical \
        --with-license-file --with-notice-file --no-license-path \
        --output-file /package/opt/airship-connector/share/licences.txt


FROM ${PYTHON_IMAGE}
COPY --from=dependencies /opt/airship-connector /opt/airship-connector
COPY --from=package /package/opt/airship-connector /opt/airship-connector
ENV PATH=/opt/airship-connector/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, because an orchestrator cannot tell from a name that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/opt/airship-connector/bin/airship-connector"]
CMD ["run"]

ARG PYTHON_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="airship-connector" \
      org.opencontainers.image.description="Carries events from Kafka to Airship's Custom Events endpoint and loses none" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
