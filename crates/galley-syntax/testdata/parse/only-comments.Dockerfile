# hello

# escape=`
