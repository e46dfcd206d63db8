# escape=`
FROM mcr.microsoft.com/windows/nanoserver
COPY testfile.txt C:\
RUN dir `
  C:\
ENV P="a`"b" Q=C:\dir
