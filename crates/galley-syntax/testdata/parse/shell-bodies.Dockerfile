FROM alpine
RUN set -eux; \
    # comment
    if [ -f /etc/x ]; then \
      echo "yes $HOME" > /out; \
    else \
      curl -fsSL "https://example.com/$V.tgz" \
        | tar -xz -C /opt; \
    fi
RUN for i in a b c; do FOO=1 BAR="x y" run --arg=$i 2>&1; done && (cd /x && make) || { echo no; exit 1; }
RUN export PATH=/x:$PATH && case "$A" in x) echo x;; *) echo y;; esac
RUN echo $(date) `id` &
RUN f() { echo in; }; f
RUN if then fi
RUN echo ünïcödé "naïve" last
RUN apt-get install -y pkg-\
name other
RUN while read -r l; do echo "$l"; done < /etc/passwd
RUN [[ -n $A ]] && diff <(a) <(b)
