import { serve } from "@hono/node-server";
import { Hono } from "hono";

const app = new Hono();

app.get("/", (context) =>
  context.json({ name: "example-node-cache", runtime: `node ${process.versions.node}` }),
);

app.get("/healthz", (context) => context.text("ok\n"));

const port = Number(process.env.PORT ?? 3000);
const server = serve({ fetch: app.fetch, port }, () => console.log(`listening on ${port}`));

// As process 1 of a container node has no default action for these signals.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => server.close(() => process.exit(0)));
}
