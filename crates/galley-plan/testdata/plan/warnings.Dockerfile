# check=skip=StageNameCasing;error=true
# What the parser finds odd is told with the plan, also where it is no error.
FROM scratch
EXPOSE 8080:80
CMD ['single', 'quotes']
