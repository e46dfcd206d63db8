# plan platform linux/arm64
# plan build-platform linux/amd64
# plan target final
FROM --platform=$BUILDPLATFORM golang AS build
ARG TARGETARCH TARGETVARIANT BUILDARCH
RUN GOARCH=$TARGETARCH go build
FROM scratch AS final
COPY --from=build /out /
COPY --from=busybox /bin/sh /bin/sh
