# The engine in a container. Everything it needs comes as wheels: no compiler, here or at run time.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/voylo
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY server server
COPY api api
COPY engine engine
COPY voyloml voyloml
COPY sip sip
COPY media media
RUN /opt/voylo/bin/pip install --no-cache-dir --disable-pip-version-check --prefer-binary -c constraints.txt .

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 voylo \
 && useradd --uid 10001 --gid voylo --create-home --shell /usr/sbin/nologin voylo \
 && install -d -o voylo -g voylo /data
COPY --from=build /opt/voylo /opt/voylo
# Code of the media kernel is compiled for the processor it runs on, at the first start, and kept with the data.
ENV PATH=/opt/voylo/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/data/cache/numba \
    VOYLO_STORAGE__DATA_DIR=/data \
    VOYLO_HTTP__BIND=0.0.0.0:8080
USER voylo
# A config.toml in this directory is read.
WORKDIR /data
VOLUME /data
EXPOSE 8080/tcp 5060/udp 5060/tcp 10000-10999/udp
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ.get('VOYLO_API_URL', 'http://127.0.0.1:8080') + '/healthz', timeout=4)"]
ENTRYPOINT ["voylo"]
CMD ["serve"]
