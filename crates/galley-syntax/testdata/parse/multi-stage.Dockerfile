# syntax=docker/dockerfile:1
# check=skip=JSONArgsRecommended, StageNameCasing;error=true

# VERSION the Go release to build with
ARG VERSION=1.22
# build compiles the server
FROM --platform=$BUILDPLATFORM golang:${VERSION} AS Build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -ldflags="-s -w" -o /out/server ./cmd/server

FROM scratch
COPY --from=build --chown=65532:65532 --chmod=0755 /out/server /server
USER 65532
EXPOSE 8080
ENTRYPOINT ["/server"]
