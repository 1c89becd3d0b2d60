# MinIO publishes its sources and no images any more: this builds the server from them.
# docker build --file deploy/minio.Dockerfile --tag cistern-minio deploy

FROM golang:1.26-alpine3.22 AS build
ARG MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
ENV CGO_ENABLED=0
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go install -trimpath -ldflags="-s -w" "github.com/minio/minio@${MINIO_VERSION}" \
 && install -d -o 10002 -g 10002 -m 0700 /data

FROM alpine:3.22
COPY --from=build /go/bin/minio /usr/local/bin/minio
COPY --from=build --chown=10002:10002 /data /data
USER 10002:10002
VOLUME ["/data"]
EXPOSE 9000
ENTRYPOINT ["/usr/local/bin/minio"]
CMD ["server", "/data", "--address", ":9000"]
