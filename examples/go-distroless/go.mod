module example-go-distroless

go 1.22
