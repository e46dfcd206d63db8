FROM scratch AS fine
RUN --security=sandbox true
FROM scratch AS unneeded
ADD https://example.com/x /x
FROM fine
ADD https://example.com/a.tar git@github.com:me/repo.git ssh://host/repo git://host/repo https://host/repo.git#main /x/
ADD --chmod=u+x local /x
COPY --chmod=a=rX local /x
RUN --security=insecure --device=vendor/gpu=all true
RUN --mount=type=ssh git clone
