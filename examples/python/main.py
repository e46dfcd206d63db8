"""A small HTTP service: `/` answers JSON, `/healthz` answers 200."""

import platform

import ujson
from flask import Flask, Response

app = Flask(__name__)


@app.get("/")
def index() -> Response:
    body = ujson.dumps({"name": "example-python", "runtime": f"python {platform.python_version()}"})
    return Response(body + "\n", mimetype="application/json")


@app.get("/healthz")
def healthz() -> Response:
    return Response("ok\n", mimetype="text/plain")
