FROM alpine
RUN echo a \

# c
