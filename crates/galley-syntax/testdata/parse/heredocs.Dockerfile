FROM alpine
RUN <<EOF
apk add \
  curl
echo "$HOME"
EOF
RUN <<-"SCRIPT" cat >/a && cat 3<<B
	tabbed $x
	SCRIPT
plain
B
COPY <<one <<-'two' plain.txt /dest/
first $A
one
	second $B
two
RUN <<EOF
#!/bin/bash
set -e
echo script | tee /x
EOF
RUN <<PY
#!/usr/bin/env python3
print("hi")
PY
RUN cat << SPACED > /f
body
SPACED
COPY << spaced /dest
body
spaced
ONBUILD COPY <<f /f
data
f
ONBUILD RUN <<EOF
echo later
EOF
RUN echo $((1 << 2)) <<<word
ADD <<EOF /only
EOF
