# plan image triggers:latest={"Env":["PATH=/bin"],"OnBuild":["ARG KIND=dev","COPY --from=busybox:latest /bin/busybox /bin/","COPY . /app","ENV KIND=$KIND","RUN cat <<EOF\nhi\nEOF"]}
# plan arg KIND=prod
FROM triggers AS child
RUN own
# The triggers ran in the stage above and are gone.
FROM child
RUN grandchild
