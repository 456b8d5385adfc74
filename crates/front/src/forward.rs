//! One request, from its head to the head of its answer.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;

use crate::client::{Client, Serving, Shared};
use crate::exception;
use crate::headers;
use crate::log::Ticket;
use crate::page::wants_html;
use crate::refused::Refused;
use crate::reply::Reply;
use crate::send::send;
use crate::tunnel;
use crate::upload::Upload;

/// Answers a request, whatever happens.
pub(crate) async fn handle(client: Arc<Client>, mut request: Request<Incoming>) -> Response<Reply> {
    let shared = &client.shared;
    let serving = Serving::begin(&client);
    let busy = serving.is_none();
    let ticket = Ticket::new(
        Arc::clone(&shared.log),
        request.method().clone(),
        request.uri().path_and_query().cloned(),
        client.address,
        serving,
    );
    let html = wants_html(request.headers());
    let ray = shared.rays.next();
    let refused = if busy { Some(Refused::Busy) } else { prepare(shared, &mut request) };
    let mut response = match refused {
        Some(refused) => refused.response(&shared.settings, html, ticket),
        None => forward(&client, request, &ray, html, ticket).await,
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(headers::CF_RAY, ray);
    } else {
        headers::for_client(response.headers_mut(), ray);
    }
    response
}

/// Checks the head and brings its target and host into the form the runtime expects: origin form.
fn prepare(shared: &Shared, request: &mut Request<Incoming>) -> Option<Refused> {
    if request.method() == Method::CONNECT {
        return Some(Refused::Method);
    }
    if let Some(authority) = request.uri().authority() {
        // HTTP/2, or the absolute form, which outranks the header (RFC 9112, 3.2.2).
        let Ok(host) = HeaderValue::from_str(authority.as_str()) else { return Some(Refused::Host) };
        request.headers_mut().insert(HOST, host);
        let target = request.uri().path_and_query().cloned();
        *request.uri_mut() = target.map_or_else(|| Uri::from_static("/"), Uri::from);
    } else {
        let mut hosts = request.headers().get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(_), None) => {}
            (None, _) if request.version() == Version::HTTP_10 => {
                // HTTP/1.0 did not have it.
                let Ok(host) = HeaderValue::from_str(&shared.local.to_string()) else {
                    return Some(Refused::Host);
                };
                request.headers_mut().insert(HOST, host);
            }
            _ => return Some(Refused::Host),
        }
    }
    let limit = shared.settings.body_limit?;
    let declared = request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    (declared > limit).then_some(Refused::TooLarge)
}

async fn forward(
    client: &Arc<Client>,
    mut request: Request<Incoming>,
    ray: &HeaderValue,
    html: bool,
    ticket: Ticket,
) -> Response<Reply> {
    let shared = &client.shared;
    let websocket = request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && headers::asks_for_websocket(request.headers());
    let upgrade = websocket.then(|| hyper::upgrade::on(&mut request));
    headers::for_runtime(request.headers_mut(), &client.identity, ray);
    let host = shared.pages.is_some().then(|| request.headers().get(HOST).cloned()).flatten();
    *request.version_mut() = Version::HTTP_11;
    let (parts, body) = request.into_parts();
    let (upload, progress) = Upload::new(body, shared.settings.body_limit);
    let request = Request::from_parts(parts, upload);
    if let Some(upgrade) = upgrade {
        return Box::pin(tunnel::open(shared, upgrade, request, html, ticket)).await;
    }
    let (response, link, pass) = match send(shared, request).await {
        Ok(sent) => sent,
        Err(refused) => {
            return refused.because_of(progress.as_ref()).response(&shared.settings, html, ticket);
        }
    };
    let response = Reply::download(response, Some(link), progress.as_ref(), pass, ticket);
    match (&shared.pages, host) {
        (Some(pages), Some(host)) if exception::looks_like_one(&response) => {
            Box::pin(exception::explain(&**pages, response, &host, ray, html)).await
        }
        _ => response,
    }
}
