# escape=x
# check=skp=a;error=perhaps
FROM alpine
