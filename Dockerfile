# intentgate with its model, the shipped intents and ONNX Runtime inside; docs/deploy.md says how it is run.
#
#   docker build -t intentgate .
#   docker run --read-only --cap-drop ALL -p 8080:8080 intentgate

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip
WORKDIR /src
COPY . .
RUN make install DESTDIR=/image PREFIX=/usr
# The vectors of the shipped examples, so that not every new container embeds them.
RUN INTENTGATE_MODEL__CACHE=/image/var/cache/intentgate /image/usr/bin/intentgate check

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /image /
RUN install -d -m 700 /var/lib/intentgate \
    && chown -R 10001:10001 /var/cache/intentgate /var/lib/intentgate
ENV CACHE_DIRECTORY=/var/cache/intentgate \
    STATE_DIRECTORY=/var/lib/intentgate \
    INTENTGATE_SERVER__LISTEN=0.0.0.0:8080 \
    INTENTGATE_SERVER__LOG_FORMAT=json
# A new volume begins with what the image has there; the rest of the image may be read-only.
VOLUME /var/cache/intentgate /var/lib/intentgate
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["/usr/bin/intentgate"]
CMD ["serve"]
