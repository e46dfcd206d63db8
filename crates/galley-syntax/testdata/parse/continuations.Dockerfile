FROM debian:bookworm-slim
RUN apt-get update \
    # the resolver needs certificates
 && apt-get install -y --no-install-recommends \

      ca-certificates \
      curl \  
 && rm -rf /var/lib/apt/lists/*
ENV A=1 \
    B="two \
words" \
    C=3
RUN echo a\\
RUN echo 'double \\' \
  end
  run   echo indented
