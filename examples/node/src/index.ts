import express, { type Request, type Response } from "express";

const app = express();

app.get("/", (_request: Request, response: Response) => {
  response.json({ name: "example-node", runtime: `node ${process.versions.node}` });
});

app.get("/healthz", (_request: Request, response: Response) => {
  response.type("text/plain").send("ok\n");
});

const port = Number(process.env.PORT ?? 3000);
const server = app.listen(port, () => console.log(`listening on ${port}`));

// As process 1 of a container node has no default action for these signals.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
