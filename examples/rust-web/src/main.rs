//! A small web server: `/` answers JSON, `/greet/NAME` greets, `/healthz` answers 200.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, Signal, SignalKind};

#[derive(Serialize)]
struct About {
    name: &'static str,
    version: &'static str,
}

async fn about() -> Json<About> {
    Json(About { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") })
}

async fn greet(Path(name): Path<String>) -> String {
    format!("hello, {name}\n")
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn stopped(mut terminate: Signal, mut interrupt: Signal) {
    // Process 1 of a container has no default action for these signals.
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let routes = Router::new().route("/", get(about)).route("/greet/:name", get(greet)).route("/healthz", get(healthz));
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    let end = stopped(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    println!("listening on {port}");
    axum::serve(listener, routes).with_graceful_shutdown(end).await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve())
}
