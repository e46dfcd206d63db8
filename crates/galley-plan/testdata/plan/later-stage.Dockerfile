# COPY may name a later stage, and by name only.
# plan target first
FROM scratch AS first
COPY --from=later /x /x
FROM scratch AS later
COPY x /x
