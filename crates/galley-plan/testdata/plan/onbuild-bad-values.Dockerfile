# plan image triggers:latest={"OnBuild":["COPY a b c","USER $NOBODY","RUN --security=insecure x","RUN --mount=type=ssh x","STOPSIGNAL NO","COPY --chmod=u+x a b"]}
FROM triggers
