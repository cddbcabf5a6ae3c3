# The server alone, its hot path compiled: no SDK, no tests, no compiler in the image. Build: docker build -t forewarn .
# Every dependency comes from requirements.lock with its hash; nothing is resolved here.

FROM python:3.11-slim AS build
WORKDIR /src
# The lock first, so that a change of code does not install the dependencies anew.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/forewarn \
    && /opt/forewarn/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
# What builds the wheel stays behind in this stage. The dependencies are among it: mypyc reads their types.
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
    -r requirements.lock -r requirements-build.lock
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev
COPY pyproject.toml README.md LICENSE forewarn_server.py hatch_build.py ./
COPY schemas schemas
COPY detectors detectors
COPY monitor monitor
RUN FOREWARN_NATIVE=1 /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/forewarn/bin/pip install --no-cache-dir --no-deps --no-index /wheel/*.whl

FROM python:3.11-slim
COPY --from=build /opt/forewarn /opt/forewarn
# PYTHONSAFEPATH: a folder `monitor/` in the working directory is not imported in place of ours.
ENV PATH=/opt/forewarn/bin:$PATH \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --home-dir /var/lib/forewarn --create-home forewarn
USER 10001
WORKDIR /var/lib/forewarn
VOLUME /var/lib/forewarn
EXPOSE 4319
# Ready, not only alive: state is loaded and the sinks are known. Recovery may take a while.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:4319/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["forewarn"]
CMD ["run", "-c", "/etc/forewarn/forewarn.yaml"]
