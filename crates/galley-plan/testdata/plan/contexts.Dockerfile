# plan context builder=image
# plan context alpine=image
# plan context data=directory
# plan context rootfs=directory
# plan image builder={"Env":["PATH=/bin","FROM_CONTEXT=1"],"OnBuild":["RUN never in the stage itself"]}
# Replaced: nothing of this stage is left.
FROM nowhere/never:1 AS builder
RUN never
FROM docker.io/library/alpine:latest
COPY --from=builder /x /x
COPY --from=data a /a
RUN --mount=from=data,target=/data,source=sub true
FROM rootfs AS on-a-directory
RUN in-directory
FROM builder AS child-of-replaced
COPY --from=1 / /one
COPY --from=on-a-directory / /two
