# syntax=docker/dockerfile:1
# plan image node:20={"Env":["PATH=/usr/local/bin:/usr/bin:/bin","NODE_VERSION=20.1.0"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["node"]}
# plan image node:20-slim={"Env":["PATH=/usr/local/bin:/bin"],"Cmd":["node"]}
# plan target 1
ARG NODE=20
FROM node:${NODE} AS builder
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY . .
RUN npm run build

FROM node:${NODE}-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=builder --chown=node:node /app/dist ./dist
COPY --from=builder /app/node_modules ./node_modules
USER node
EXPOSE 3000
CMD ["node", "dist/server.js"]

FROM node:20 AS unneeded
ADD https://example.com/never.tar /
