FROM
FROM alpine # comment
FROM alpine AS
FROM alpine as 1st
FROM alpine build
FROM alpine AS a b
FROM --platform alpine
FROM --platform=linux/amd64 --platform=linux/arm64 alpine
from alpine As MyStage-1.x
