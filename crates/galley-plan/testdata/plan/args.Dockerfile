# plan arg VERSION=2
# plan arg FROM_OUTSIDE=given
# plan arg UNUSED=x
# plan arg FORM_OUTSIDE=slip
ARG VERSION=1
ARG SUFFIX=-v${VERSION}
ARG UNSET
FROM scratch AS first
# Not visible without ARG: a warning, and nothing.
ENV HIDDEN=[$SUFFIX]
ARG SUFFIX
ARG UNSET
ARG VERSION=own
ARG FROM_OUTSIDE=default OTHER=${FROM_OUTSIDE}-other
ENV SEEN=$SUFFIX VERSION_SEEN=$VERSION UNSET_SEEN=[$UNSET]
# ENV beats the ARG before it; a later ARG beats ENV.
ARG A=arg
ENV A=env
ENV FIRST=$A
ENV B=env
ARG B=arg
ENV SECOND=$B
# All values of one instruction see the state before it.
ENV C=1 D=[$C]
ENV E=${NOTHING:-fallback} F=${A:+set}
ARG TARGETARCH
ARG BUILDPLATFORM
ARG TARGETSTAGE
ARG TARGETOS=mine
RUN echo

# Arguments of a stage are there in stages based on it.
FROM first
ENV INHERITED=$OTHER
RUN echo again
