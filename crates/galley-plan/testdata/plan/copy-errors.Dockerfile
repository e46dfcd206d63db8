FROM scratch AS builder
FROM scratch
ARG EMPTY OWNER=app
COPY a b c
COPY "$EMPTY" /x
COPY https://example.com/x /x
COPY --link --chown=$OWNER a b
COPY --chown=a:b:c a b
COPY --chmod=$OWNER a b
COPY --from=scratch a b
COPY --from=7 a b
COPY --from=1 a b
COPY --from=buidler a b
COPY --from=Not/An/Image a b
COPY <<a/b /x/
a/b
RUN --mount=from=bulider,target=/x true
