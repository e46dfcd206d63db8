# syntax=docker/dockerfile:1
FROM alpine
RUN echo a \
  b
COPY <<EOF /f
x
EOF
CMD ["sh"]