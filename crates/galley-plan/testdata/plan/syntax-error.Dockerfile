FORM scratch
FROM scratch
COPY --from=nobody a
