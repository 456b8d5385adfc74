//! One signed request, and again when the server was busy.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer};
use object_store::client::{HttpClient, HttpConnector as _, HttpRequestBody, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::bucket::Place;
use crate::{Connector, Error, Result, xml};

/// What SigV4 leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PLAIN_PATH: &AsciiSet = &PLAIN.remove(b'/');

/// How often a request is made, and how long after the first time it is made again; twice that after the next.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of an answer that is read as a whole.
const ANSWER: usize = 16 << 20;

/// Whom to ask, and in whose name.
#[derive(Debug)]
pub(crate) struct Asker {
    client: HttpClient,
    /// For its credentials, which it gets and renews. `None` asks as nobody.
    store: Option<AmazonS3>,
    region: String,
    endpoint: String,
    /// The address of the bucket, without a `/` behind it.
    bucket: String,
}

pub(crate) struct Ask {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

pub(crate) fn text(value: &str) -> String {
    utf8_percent_encode(value, PLAIN).to_string()
}

impl Ask {
    /// Of the bucket; `query` is encoded.
    pub(crate) fn bucket(method: Method, query: &str) -> Self {
        Self::new(method, format!("?{query}"))
    }

    /// Of a key; `query` is encoded, and may be empty.
    pub(crate) fn key(method: Method, key: &str, query: &str) -> Self {
        let key = utf8_percent_encode(key, PLAIN_PATH);
        let mark = if query.is_empty() { "" } else { "?" };
        Self::new(method, format!("/{key}{mark}{query}"))
    }

    fn new(method: Method, target: String) -> Self {
        Self { method, target, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(crate) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn malformed(&self, why: impl std::fmt::Display) -> Error {
        Error::Malformed { what: self.what(), why: why.to_string() }
    }

    /// What cannot be signed: the crate that signs reads the path as a browser does.
    fn check(&self) -> Result<()> {
        let path = self.target.split('?').next().unwrap_or_default();
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(Error::Misuse(format!(
                "{path:?} has . or .. between slashes, and cannot be asked for"
            )));
        }
        Ok(())
    }

    fn what(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

impl Asker {
    pub(crate) fn new(place: &Place) -> Result<Self> {
        // The variables that AWS's own tools read.
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(&place.bucket).with_allow_http(true);
        if let Some(endpoint) = &place.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some((id, secret)) = &place.key {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let named = |key| builder.get_config_value(&key).filter(|value| !value.is_empty());
        let endpoint = named(AmazonS3ConfigKey::Endpoint);
        let region = place.region.clone().or_else(|| named(AmazonS3ConfigKey::Region));
        // AWS alone needs to know the region.
        let region =
            region.unwrap_or_else(|| if endpoint.is_some() { "auto" } else { "us-east-1" }.to_owned());
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(Error::Misuse(format!(
                "{endpoint:?} is no endpoint: it begins with https:// or http://"
            )));
        }
        let credentials = |source| Error::Credentials { endpoint: endpoint.clone(), source };
        let store = if place.anonymous {
            None
        } else {
            Some(builder.with_region(&region).with_http_connector(Connector).build().map_err(credentials)?)
        };
        let client = Connector.connect(&object_store::ClientOptions::default()).map_err(credentials)?;
        let bucket = format!("{endpoint}/{}", text(&place.bucket));
        Ok(Self { client, store, region, endpoint, bucket })
    }

    /// The answer to `ask`, which is a success. The body is still to come.
    pub(crate) async fn ask(&self, ask: &Ask) -> Result<HttpResponse> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.once(ask).await {
                Err(error) if error.is_passing() => {
                    tracing::debug!(%error, "asking again in {pause:?}");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
        self.once(ask).await
    }

    /// The whole answer, as text.
    pub(crate) async fn ask_whole(&self, ask: &Ask) -> Result<String> {
        let response = self.ask(ask).await?;
        whole(response).await
    }

    async fn once(&self, ask: &Ask) -> Result<HttpResponse> {
        ask.check()?;
        let request = Request::builder().method(&ask.method).uri(format!("{}{}", self.bucket, ask.target));
        let request = request.body(HttpRequestBody::from(ask.body.clone()));
        let mut request = request.map_err(|error| Error::Misuse(error.to_string()))?;
        request.headers_mut().extend(ask.headers.clone());
        if let Some(store) = &self.store {
            let failed = |source| Error::Credentials { endpoint: self.endpoint.clone(), source };
            let credential = store.credentials().get_credential().await.map_err(failed)?;
            let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region);
            authorizer.try_authorize(&mut request, None).map_err(failed)?;
        }
        let unreachable = |source| Error::Unreachable { endpoint: self.endpoint.clone(), source };
        let response = self.client.execute(request).await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = whole(response).await.unwrap_or_default();
        let refusal: xml::Refusal = quick_xml::de::from_str(&text).unwrap_or_default();
        let code = if refusal.code.is_empty() { status.to_string() } else { refusal.code };
        Err(Error::Refused { what: ask.what(), status, code, message: refusal.message })
    }
}

async fn whole(response: HttpResponse) -> Result<String> {
    let (mut body, mut all) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if all.len() + data.len() > ANSWER {
                let why = format!("it is longer than {ANSWER} bytes");
                return Err(Error::Malformed { what: "a request".to_owned(), why });
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}
