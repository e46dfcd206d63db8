FROM debian:12 AS other
FROM debian:12
ENV NAME=app UNSET_LATER=1
WORKDIR /srv
COPY --chown=$NAME:staff --chmod=0640 --exclude=*.md --exclude=!README.md src/*.c /opt/$NAME/
COPY --parents ./a/./b/**/*.txt .
COPY --from=other /etc/passwd /etc/group ./
COPY --from=0 /etc/hosts hosts
COPY --from=busybox:musl /bin/busybox /bin/sh
COPY --link --chown=1000:1000 --from=other /x /y
COPY --link . .
COPY <<one.conf <<"two.conf" local.conf conf/
name=$NAME
one.conf
name=$NAME
two.conf
COPY <<EOF /etc/motd
hello ${NAME}
