# plan image base:latest={"Env":["A=1"],"WorkingDir":"/work","User":"app","Shell":["/bin/bash","-c"]}
FROM scratch AS tools
COPY tool /tool
FROM base
RUN echo one \
    && echo two
RUN ["/bin/true", "$A"]
RUN <<EOF
echo $A
