FROM alpine
# café
RUN echo café \
  ÿ ok
LABEL a=b
