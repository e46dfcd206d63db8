FROM alpine
RUN --mount=target=/src,rw make
RUN --mount=type=bind,from=build,source=/a,target=/b true
RUN --mount=type=cache,dst=/c,id=x,sharing=locked,mode=0700,uid=1000,gid=1000,from=base,src=/seed true
RUN --mount=type=tmpfs,target=/tmp,size=64m true
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc,required true
RUN --mount=type=secret,id=tok,env=TOKEN true
RUN --mount=type=secret,id=a/b true
RUN --mount=type=ssh true
RUN --mount=type=cache,target=$DIR,uid=${U} true
RUN --mount=type=cach,target=/x true
RUN --mount=type=cache,targt=/x true
RUN --mount=type=cache true
RUN --mount=type=bind,target=/ true
RUN --mount=type=bind,target=/x,sharing=private true
RUN --mount=type=cache,target=/x,sharing=none,mode=9,uid=root,ro=maybe true
RUN --mount=type=bind,from=$X,target=/x true
RUN --mount=type=secret true
RUN --mount=type=tmpfs,target=/x,size=lots true
RUN --mount "type=cache" true
RUN --network=none --device=gpu,required --security=sandbox true
