# plan target biulder
# plan target 9
FROM scratch AS builder
FROM scratch
