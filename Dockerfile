# The container image: how it is built, run and why it is so stands in docs/container.md.
FROM docker.io/library/debian:trixie-slim AS build

RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv
WORKDIR /build
COPY config/container/build.txt config/container/requirements.txt ./
# All is locked with hashes, what builds too; of pyvips there is no wheel, so it is made of its source.
RUN python3 -m venv tools \
 && tools/bin/pip install --require-hashes --only-binary :all: -r build.txt \
 && tools/bin/pip wheel --require-hashes --only-binary :all: --no-binary pyvips \
        --no-build-isolation --wheel-dir wheels -r requirements.txt
COPY . source
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels ./source \
 && python3 -m venv --without-pip /opt/optimizr \
 && tools/bin/pip --python /opt/optimizr install --no-index --no-deps --no-compile wheels/*.whl

# What nothing here asks for: of Pillow only its libwebp is used, of AWS only some services are. Bytecode
# is made now, since nothing can be written later, and does not look at times of files.
RUN cd /opt/optimizr/lib/python3*/site-packages \
 && find PIL -mindepth 1 ! -name __init__.py ! -name _version.py -delete \
 && find pillow.libs -type f ! -name 'libwebp-*' ! -name 'libsharpyuv-*' -delete \
 && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sqs ! -name sts \
        ! -name 'sso*' ! -name signin -exec rm -r {} + \
 && find numpy -type d -name tests -prune -exec rm -r {} + \
 && rm -rf google/protobuf/testdata certifi/tests pygal/test \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/optimizr

FROM docker.io/library/debian:trixie-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/* /usr/share/doc/* \
 && useradd --uid 1000 --user-group --create-home --shell /usr/sbin/nologin optimizr \
 && install --directory --owner 1000 --group 1000 /data /data/input /data/output
COPY --from=build /opt/optimizr /opt/optimizr
COPY config/container/config.yaml /etc/optimizr/config.yaml

ENV PATH=/opt/optimizr/bin:$PATH \
    OPTIMIZR_TELEMETRY__HTTP=0.0.0.0:9464
EXPOSE 9464
WORKDIR /data
USER 1000:1000
ENTRYPOINT ["optimizr"]
CMD ["run", "/etc/optimizr/config.yaml"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["optimizr", "probe"]

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="optimizr" \
      org.opencontainers.image.description="Turns whole picture libraries into WebP: fast, in bounded memory, with every picture accounted for." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
