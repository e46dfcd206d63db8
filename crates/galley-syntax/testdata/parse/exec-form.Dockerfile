FROM alpine
CMD ["a\u0041\n", "b \"q\"", "\ud83d\ude00"]
ENTRYPOINT []
CMD [./main]
CMD ['npm', 'run start']
CMD ["npm" "start"]
CMD [ -f /x ] && echo
CMD ["a", 1]
RUN [ "sh", "-c", \
  "echo $HOME" ]
RUN []
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
SHELL /bin/bash
SHELL []
CMD
VOLUME ["/data", "/my dir"]
VOLUME /a /b
VOLUME []
COPY ["a b", "c", "/d/"]
