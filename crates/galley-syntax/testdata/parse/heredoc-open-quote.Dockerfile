FROM alpine
RUN echo don't; cat <<EOF
x
EOF
