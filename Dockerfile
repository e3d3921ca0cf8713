# airship-connector as an image: a virtual environment at /opt/airship-connector on a Python base, and nothing else.
# docs/image.md tells how to build it behind a firewall, and how to run it.

# Any base with glibc and Python 3.11 or newer.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm
# The base of the stages that build. It differs where the image's own has no shell or no venv: then its twin for
# development, with Python at the same path.
ARG BUILD_IMAGE=${PYTHON_IMAGE}


FROM ${BUILD_IMAGE} AS dependencies
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/supply.txt requirements/
# Two secrets, both optional: pip's settings (an index of one's own) and the certificates that they may name.
# No compiler is needed: everything has a wheel. Of AWS's services only those are kept that Glue's registry and the
# credentials need. The byte code is not checked against the sources' times: nothing here ever changes.
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
    find /opt/airship-connector/lib -path '*/botocore/data/*' -prune -type d \
        ! -name glue ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} + && \
    /opt/airship-connector/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/airship-connector/lib


FROM dependencies AS package
COPY pyproject.toml README.md LICENSE ./
COPY requirements/parts.py requirements/
COPY connector connector
# Into a root of its own: a change of the code is a small layer above the one of the dependencies.
RUN /tools/bin/python -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels . && \
    /tools/bin/python -m pip --python /opt/airship-connector/bin/python install --no-index --no-deps --no-compile \
        --no-warn-script-location --root /package wheels/*.whl && \
    /opt/airship-connector/bin/python -m compileall -q --invalidation-mode unchecked-hash \
        -s /package /package/opt/airship-connector/lib && \
    cp --recursive --no-clobber /package/opt/airship-connector/. /opt/airship-connector/ && \
    /tools/bin/python -m requirements.parts /opt/airship-connector/bin/python /package/opt/airship-connector/share


FROM ${PYTHON_IMAGE}
COPY --from=dependencies /opt/airship-connector /opt/airship-connector
COPY --from=package /package/opt/airship-connector /opt/airship-connector
ENV PATH=/opt/airship-connector/bin:/usr/local/bin:/usr/bin:/bin \
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
