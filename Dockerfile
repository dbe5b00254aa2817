# SPDX-License-Identifier: MIT
# sluiced and nothing else: add your handlers and their interpreters on top.
#
#   FROM sluiced
#   COPY sluiced.yaml /etc/sluiced/sluiced.yaml
#   COPY handlers/ /usr/local/bin/
#
# The process runs as user 10001 and logs JSON to standard error, as daemon.log.format of the file in
# the image says; yours should say so too. SIGTERM drains for daemon.drain_timeout (30s): give the
# container longer, `docker stop --time 45`, terminationGracePeriodSeconds: 45. A daemon needs a name in
# the group that stays the same over restarts, and a container's host name is new each time: run with
# --hostname, or as a StatefulSet. Probes: /healthz and /readyz on port 9200, next to /metrics.

FROM debian:stable-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends dpkg-dev gcc libc6-dev \
    libcurl4-openssl-dev libev-dev libhiredis-dev libjansson-dev libmicrohttpd-dev libncurses-dev libssl-dev libyaml-dev make \
    pkg-config
COPY . /src
WORKDIR /src
RUN make && make install DESTDIR=/dest PREFIX=/usr
# The packages of the libraries it is linked to; their names differ from release to release.
RUN dpkg-shlibdeps -O -e/dest/usr/bin/sluiced -e/dest/usr/bin/sluicectl | sed 's/^shlibs:Depends=//; s/ ([^)]*)//g; s/,//g' >/dest/packages
RUN sed -f config/container.sed config/sluiced.yaml >/dest/sluiced.yaml

FROM debian:stable-slim
COPY --from=build /dest/packages /tmp/packages
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates $(cat /tmp/packages) \
    && rm -rf /tmp/packages /var/lib/apt/lists/* \
    && groupadd --gid 10001 sluiced && useradd --uid 10001 --gid sluiced --home-dir / --no-create-home --shell /usr/sbin/nologin sluiced \
    && install -d -o sluiced -g sluiced -m 750 /run/sluiced
COPY --from=build /dest/usr/bin/sluiced /dest/usr/bin/sluicectl /usr/bin/
COPY --from=build /dest/sluiced.yaml /etc/sluiced/sluiced.yaml
ENV RUNTIME_DIRECTORY=/run/sluiced
USER 10001:10001
EXPOSE 9200
ENTRYPOINT ["/usr/bin/sluiced"]
