#syntax = a/b
# ESCAPE=\
# syntax=again
# esacpe=`
# escape=`
FROM alpine
# escape=`
# check=skip=DL1
# hadolint ignore=DL3008,DL3009
# galley ignore=secrets
RUN true

# a paragraph away

RUN true
