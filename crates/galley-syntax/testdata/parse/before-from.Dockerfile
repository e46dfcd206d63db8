RUN echo hi
ARG X
ENV A=b
FROM scratch
