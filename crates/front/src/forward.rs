//! One request, from its head to the head of its answer.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;

use crate::client::{Client, Serving};
use crate::exception;
use crate::headers;
use crate::locations::Colo;
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
    let prepared = if busy { Err(Refused::Busy) } else { prepare(&client, &mut request) };
    let colo = prepared.as_ref().ok().and_then(Option::as_ref);
    let ray = shared.rays.next(colo.map(|colo| &**colo));
    let mut response = match prepared {
        Err(refused) => refused.response(&shared.settings, html, ticket),
        Ok(colo) => forward(&client, request, colo, &ray, html, ticket).await,
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(headers::CF_RAY, ray);
    } else {
        headers::for_client(response.headers_mut(), ray);
    }
    response
}

/// Checks the head and brings its target and host into the form the runtime expects: origin form. Answers at
/// which location the request comes in, if there are any.
fn prepare(client: &Client, request: &mut Request<Incoming>) -> Result<Option<Colo>, Refused> {
    let shared = &client.shared;
    if request.method() == Method::CONNECT {
        return Err(Refused::Method);
    }
    if let Some(authority) = request.uri().authority() {
        // HTTP/2, or the absolute form, which outranks the header (RFC 9112, 3.2.2).
        let Ok(host) = HeaderValue::from_str(authority.as_str()) else { return Err(Refused::Host) };
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
                    return Err(Refused::Host);
                };
                request.headers_mut().insert(HOST, host);
            }
            _ => return Err(Refused::Host),
        }
    }
    let declared = |headers: &HeaderMap| headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok();
    if let (Some(limit), Some(length)) = (shared.settings.body_limit, declared(request.headers()))
        && length > limit
    {
        return Err(Refused::TooLarge);
    }
    shared.locations.of(request.headers_mut(), client.port.as_ref())
}

async fn forward(
    client: &Arc<Client>,
    mut request: Request<Incoming>,
    colo: Option<Colo>,
    ray: &HeaderValue,
    html: bool,
    ticket: Ticket,
) -> Response<Reply> {
    let shared = &client.shared;
    let websocket = request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && headers::asks_for_websocket(request.headers());
    let upgrade = websocket.then(|| hyper::upgrade::on(&mut request));
    headers::for_runtime(request.headers_mut(), &client.identity(colo.as_ref()), ray);
    let colo = colo.as_deref();
    let host = shared.pages.is_some().then(|| request.headers().get(HOST).cloned()).flatten();
    *request.version_mut() = Version::HTTP_11;
    let (parts, body) = request.into_parts();
    let (upload, progress) = Upload::new(body, shared.settings.body_limit);
    let request = Request::from_parts(parts, upload);
    if let Some(upgrade) = upgrade {
        return Box::pin(tunnel::open(shared, colo, upgrade, request, html, ticket)).await;
    }
    let (response, link, pass) = match send(shared, colo, request).await {
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
