FROM alpine
\
\
