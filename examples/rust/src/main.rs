//! A small HTTP service: `/` answers JSON, `/healthz` answers 200.

use std::error::Error;
use std::sync::Arc;
use std::thread;

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tiny_http::{Header, Request, Response, Server};

fn answer(request: Request) -> std::io::Result<()> {
    match request.url() {
        "/" => {
            let body = json!({ "name": "example-rust", "version": env!("CARGO_PKG_VERSION") });
            let mut response = Response::from_string(format!("{body}\n"));
            if let Ok(kind) = Header::from_bytes("Content-Type", "application/json") {
                response.add_header(kind);
            }
            request.respond(response)
        }
        "/healthz" => request.respond(Response::from_string("ok\n")),
        _ => request.respond(Response::from_string("not found\n").with_status_code(404)),
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port: u16 = std::env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let server = Arc::new(Server::http(("0.0.0.0", port))?);

    // Process 1 of a container has no default action for these signals.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let listener = Arc::clone(&server);
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            listener.unblock();
        }
    });

    println!("listening on {port}");
    for request in server.incoming_requests() {
        if let Err(error) = answer(request) {
            eprintln!("cannot answer: {error}");
        }
    }
    Ok(())
}
