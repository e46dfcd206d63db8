FROM scratch
ARG URL=https://example.com/x MODE=u+x KIND=ssh
ADD $URL /x
COPY --chmod=$MODE a b
RUN --mount=type=$KIND true
ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 local /x
ADD --keep-git-dir local /x
