# The server and the AI layer, run by a user without rights. Without CHARTLINE_DSN it runs its own PostgreSQL in /data.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY terminology terminology
COPY mappings mappings
COPY fhir_server fhir_server
COPY ai_layer ai_layer
COPY fixtures fixtures
RUN python -m venv /opt/chartline && /opt/chartline/bin/pip install --no-cache-dir .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data chartline && install -d -o chartline -g chartline -m 711 /data
COPY --from=build /opt/chartline /opt/chartline
ENV PATH=/opt/chartline/bin:$PATH PYTHONUNBUFFERED=1 CHARTLINE_DATA_DIR=/data
USER chartline
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=3)"]
CMD ["chartline", "serve", "--host", "0.0.0.0"]
