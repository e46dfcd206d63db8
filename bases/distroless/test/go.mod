module example.invalid/probe

go 1.22
