FROM alpine
ONBUILD ADD . /app/src
ONBUILD RUN --mount=type=cache,target=/x make
onbuild copy --from=b /a /b
ONBUILD
ONBUILD ONBUILD RUN x
ONBUILD FROM x
ONBUILD MAINTAINER x
ONBUILD RNU x
