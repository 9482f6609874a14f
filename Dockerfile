# syntax=docker/dockerfile:1
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin chancery && cp target/release/chancery /chancery && mkdir /data

# glibc and the certificates of authorities, no shell; nothing runs as root.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="Chancery" \
      org.opencontainers.image.description="A passkey-only OpenID Connect provider whose every act is an event on a provable record" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /chancery /usr/local/bin/chancery
# The only place that is written to, and only by the geo-location database. A volume takes its owner from here.
COPY --from=build --chown=65532:65532 /data /data
ENV DATA_DIR=/data
USER 65532:65532
EXPOSE 1411
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s CMD ["chancery", "healthcheck"]
ENTRYPOINT ["chancery"]
