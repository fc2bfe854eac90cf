# storepulse without the embedded engine: one static program, nothing beside it.
FROM golang:1.26.8-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY cmd cmd
COPY dashboards dashboards
COPY ingest ingest
COPY internal internal
COPY schemas schemas
COPY sink sink
COPY transform transform
ARG VERSION=devel
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOTOOLCHAIN=local go build -trimpath -tags noengine -ldflags "-s -w -X main.version=${VERSION}" -o /storepulse ./cmd/storepulse

# Time zones are in the program; authorities for TLS are not.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /storepulse /storepulse
USER 65532:65532
EXPOSE 9464
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["/storepulse", "healthcheck"]
ENTRYPOINT ["/storepulse"]
CMD ["run"]
