# plan image base:latest={"Env":["PATH=/bin","A=1"],"Labels":{"keep":"1","base":"old"},"ExposedPorts":{"22/tcp":{}},"Cmd":["sh"],"Entrypoint":["init"],"Healthcheck":{"Test":["CMD","x"],"Retries":9},"Volumes":{"/old":{}},"StopSignal":"SIGINT","User":"nobody","WorkingDir":"/home"}
# plan label base=option
# plan label cli=yes
FROM base
MAINTAINER Me <me@example.com>
ENV A=2 B="two words" C=it\'s
ENV legacy the rest
LABEL base=new "quoted key"="$A" multi="a \
b"
EXPOSE 443 80/TCP 8000-8002/udp $A
VOLUME /data ["not json
VOLUME ["/x", "/y z"]
STOPSIGNAL ${NOPE:-SIGQUIT}
HEALTHCHECK --interval=30s --timeout=1500ms --start-period=1m --start-interval=2s --retries=5 CMD curl -f localhost
USER $A:$B
WORKDIR relative/../dir
WORKDIR /
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
CMD echo "hi"
ONBUILD RUN echo $A
ONBUILD COPY <<EOF /x
body
