# plan arg HTTP_PROXY=http://proxy:3128
# plan arg no_proxy=localhost
# plan arg FTP_PROXY=http://ftp
FROM scratch
RUN undeclared
ARG HTTP_PROXY
ENV ftp_proxy=none
RUN declared
