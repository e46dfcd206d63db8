# plan image triggers:latest={"OnBuild":["FROM scratch","NONSENSE x","COPY --from=nobody?! a b"]}
FROM triggers
