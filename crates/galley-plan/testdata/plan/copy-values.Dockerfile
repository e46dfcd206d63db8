# What only the values of variables show.
FROM scratch
ARG EMPTY OWNER=app MODE=9 MANY=b
COPY a $MANY c
COPY "$EMPTY" /x
COPY --link --chown=$OWNER a b
COPY --chown=$OWNER: a b
COPY --chmod=$MODE a b
COPY <<a/b /x/
a/b
USER $EMPTY
WORKDIR $EMPTY
VOLUME $EMPTY
ENV $EMPTY=1
STOPSIGNAL $OWNER
EXPOSE $OWNER
RUN --mount=target=$EMPTY/.. true
ENV X=${EMPTY:?must be given}
