# plan target inherited
# plan target kept
# plan target reset
# plan target off
# plan target chained
# plan image base:latest={"Env":["PATH=/bin"],"Cmd":["sh"],"Entrypoint":["init"],"Healthcheck":{"Test":["CMD","x"]}}
# ENTRYPOINT clears a CMD that the base set, but not one of this stage, wherever it stands.
FROM base AS inherited
ENTRYPOINT ["/app"]
FROM base AS kept
CMD ["arg"]
ENTRYPOINT ["/app"]
FROM base AS reset
ENTRYPOINT []
CMD []
FROM base AS off
HEALTHCHECK NONE
FROM kept AS chained
ENTRYPOINT ["/other"]
