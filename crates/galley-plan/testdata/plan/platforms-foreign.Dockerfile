# plan platform linux/arm64
# plan build-platform linux/amd64
FROM golang AS build
RUN go build
FROM --platform=$NOPE scratch
COPY --from=build /out /
FROM --platform=not/a/platform/atall scratch
COPY --from=1 / /
