FROM scratch AS a
COPY --from=c / /
FROM a AS b
FROM scratch AS c
RUN --mount=from=b,target=/b true
COPY --from=c / /
