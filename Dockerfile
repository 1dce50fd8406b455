# syntax=docker/dockerfile:1
FROM node:26-alpine AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM node:26-alpine AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# The OpenID provider of docker-compose.yml. Anybody may sign in at it as anybody: it is no part of the service's image.
FROM build AS demo-provider
COPY deploy/demo ./deploy/demo
USER node
EXPOSE 9400
CMD ["node", "deploy/demo/serve-provider.ts"]

FROM node:26-alpine
WORKDIR /app
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
USER node
EXPOSE 4180
STOPSIGNAL SIGTERM
# /livez looks at no dependency: Redis being away must not restart the container. In reverse-proxy mode it is on the second port.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "Promise.any(['http://127.0.0.1:4180/livez', 'http://127.0.0.1:9180/livez'].map(async (url) => { if (!(await fetch(url)).ok) throw url })).then(() => process.exit(0), () => process.exit(1))"]
CMD ["node", "--enable-source-maps", "dist/main.js", "--config", "/etc/foregate/config.yaml"]
