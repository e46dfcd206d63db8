FROM scratch AS files
COPY a /a
FROM scratch AS base
ONBUILD COPY --from=files /a /b
ONBUILD ENV SEEN=1
RUN base
FROM base AS child
ONBUILD RUN third
RUN child
