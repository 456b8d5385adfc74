//! Pages of other origins: what a browser asks before, and what it wants to hear after.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use s3s::Body;
use selvedge_r2::{CorsGrant, cors_grant};

use crate::buckets::Buckets;
use crate::guard::percent_decoded;
use crate::hosts::Hosts;
use crate::refusal;

pub(crate) struct Cors {
    pub(crate) buckets: Buckets,
    pub(crate) hosts: Hosts,
}

/// A request that a browser makes for a page.
pub(crate) struct Page {
    bucket: String,
    origin: String,
    method: String,
}

impl Cors {
    /// Answers `OPTIONS`: whether a page may make the request that it describes.
    pub(crate) async fn preflight<B>(&self, request: &Request<B>) -> Response<Body> {
        let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let origin = header(header::ORIGIN);
        let method = header(header::ACCESS_CONTROL_REQUEST_METHOD);
        let (Some(origin), Some(method)) = (origin, method) else {
            return refusal::response(refusal::refusal(
                "BadRequest",
                StatusCode::BAD_REQUEST,
                "Insufficient information. Origin request header needed.",
            ));
        };
        let asked = header(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let bucket = self.bucket(request.uri(), request.headers());
        let grant = match &bucket {
            Some(bucket) => self.grant(bucket, origin, method, &asked).await,
            None => None,
        };
        let Some(grant) = grant else {
            return refusal::response(refusal::refusal(
                "AccessForbidden",
                StatusCode::FORBIDDEN,
                "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
                 request method / Access-Control-Request-Method or Access-Control-Request-Headers are not \
                 whitelisted by the resource's CORS spec.",
            ));
        };
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        allow(headers, &grant);
        set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &grant.headers.join(", "));
        if let Some(age) = grant.max_age_seconds {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, age.into());
        }
        response
    }

    /// What to remember of a request so that its answer can be shown to a page.
    pub(crate) fn page<B>(&self, request: &Request<B>) -> Option<Page> {
        let origin = request.headers().get(header::ORIGIN)?.to_str().ok()?.to_owned();
        let bucket = self.bucket(request.uri(), request.headers())?;
        Some(Page { bucket, origin, method: request.method().as_str().to_owned() })
    }

    /// Lets the page see the answer, if the bucket's rules do.
    pub(crate) async fn answer(&self, page: &Page, response: &mut Response<Body>) {
        if let Some(grant) = self.grant(&page.bucket, &page.origin, &page.method, &[]).await {
            allow(response.headers_mut(), &grant);
            set(
                response.headers_mut(),
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                &grant.expose_headers.join(", "),
            );
        }
    }

    async fn grant(&self, bucket: &str, origin: &str, method: &str, asked: &[&str]) -> Option<CorsGrant> {
        let rules = self.buckets.get(bucket).await.ok()?.cors()?;
        cors_grant(&rules, origin, method, asked)
    }

    fn bucket(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if let Some((bucket, _)) = self.hosts.bucket(host) {
            return Some(bucket.to_ascii_lowercase());
        }
        let segment = uri.path().strip_prefix('/')?.split('/').next()?;
        (!segment.is_empty()).then(|| percent_decoded(segment))
    }
}

fn allow(headers: &mut HeaderMap, grant: &CorsGrant) {
    set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, &grant.origin);
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &grant.methods.join(", "));
    headers.append(
        header::VARY,
        HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
    );
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
