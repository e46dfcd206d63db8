FROM alpine
ENV a=1 b="two words" c='single $x' d=esc\ aped e=
ENV legacy the whole   line = here
ENV only
ENV =x
ENV a=1 b
LABEL "com.example key"="v" multi=x
LABEL maintainer me and you
ARG
ARG ONE TWO=2 THREE="3 4"
ARG =x
ARG X # no comment
ENV
