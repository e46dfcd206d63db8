ARG BASE
FROM scratch AS Base
FROM scratch AS base
FROM bsae
COPY --from=BASE / /
FROM ${BASE}
COPY --from=2 / /
FROM Upper:1
COPY --from=3 / /
FROM debian${SUFIX}:12
COPY --from=4 / /
