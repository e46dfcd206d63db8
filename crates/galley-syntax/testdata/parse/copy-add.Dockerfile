FROM alpine
COPY a b c /d/
COPY --link --parents --exclude=*.md --exclude="**/x y" ./a/./b /d
COPY --link=false --chmod=u=rwX,go=rX --chown=app:app a b
COPY --link=maybe a b
COPY --chmod=8 a b
COPY --chmod=$MODE a b
COPY --from=$X a b
COPY a
COPY
COPY --from=a --from=b x y
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.com/a.tgz /
ADD --keep-git-dir=true --unpack=false git@example.com:a/b.git#v1:sub /src
ADD --unpack a.tar /x
