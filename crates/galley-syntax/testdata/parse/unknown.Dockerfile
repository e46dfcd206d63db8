FROM alpine
COYP a b
RNU echo
apk add curl
FORM x
RUN --mout=type=cache,target=/x --network=nothing --security=insecure true
COPY --form=build /a /b
USER --chown=1 app
FROM alpine
