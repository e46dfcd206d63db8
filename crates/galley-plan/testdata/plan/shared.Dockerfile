# Two stages with the same beginning share it; a diamond.
FROM debian:12 AS a
WORKDIR /x
COPY p .
RUN common
RUN only a
FROM debian:12 AS b
WORKDIR /x
COPY p .
RUN common
RUN only b
FROM scratch
COPY --from=a /x /a
COPY --from=b /x /b
