FROM alpine
HEALTHCHECK --interval=1m30s --timeout=3s --start-period=0 --start-interval=500ms --retries=3 CMD curl -f http://localhost/ || exit 1
HEALTHCHECK NONE
HEALTHCHECK CMD ["/probe"]
HEALTHCHECK
HEALTHCHECK CMD
HEALTHCHECK CMD []
HEALTHCHECK curl x
HEALTHCHECK NONE now
HEALTHCHECK --interval=1us CMD x
HEALTHCHECK --interval=10 CMD x
HEALTHCHECK --retries=-1 CMD x
HEALTHCHECK --interval CMD x
