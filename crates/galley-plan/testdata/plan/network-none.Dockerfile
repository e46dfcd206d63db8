# plan network none
FROM scratch
RUN default
RUN --network=default default too
RUN --network=host host
