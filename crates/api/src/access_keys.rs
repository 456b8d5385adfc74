//! `r2/access-keys`: who may use the S3 endpoint. Ours: on Cloudflare these are made with the account's API tokens.

use http::{Method, StatusCode};
use selvedge_base::random_hex;
use selvedge_catalog::{AccessKey, Permission};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::envelope::{Outcome, Refused, success};
use crate::request::Call;
use crate::server::Api;

pub(crate) async fn answer(api: &Api, mut call: Call, path: &[&str]) -> Outcome {
    let keys = api.catalog.access_keys();
    let failed = |error: selvedge_catalog::Error| Refused::internal(&error);
    match (&call.method().clone(), path) {
        (&Method::GET, []) => {
            let all = keys.list().await.map_err(failed)?;
            success(all.iter().map(|key| Row::of(key, None)).collect::<Vec<_>>())
        }
        (&Method::POST, []) => {
            let wanted: Wanted = call.json().await?;
            let key = wanted.into_key(api)?;
            keys.insert(key.clone()).await.map_err(failed)?;
            success(Row::of(&key, Some(key.secret.clone())))
        }
        (&Method::DELETE, [id]) => {
            if keys.remove(id).await.map_err(failed)? {
                success(json!({}))
            } else {
                Err(Refused::new(StatusCode::NOT_FOUND, 10002, format!("there is no access key {id}")))
            }
        }
        _ => Err(Refused::no_route()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    name: String,
    permission: String,
    buckets: Option<Vec<String>>,
    /// An id and a secret that somebody has already; by default they are made up here.
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
}

impl Wanted {
    fn into_key(self, api: &Api) -> Result<AccessKey, Refused> {
        let permission = Permission::parse(&self.permission).ok_or_else(|| {
            Refused::bad_request(format!(
                "{:?} is no permission: use admin-read-write, admin-read-only, object-read-write or object-read-only",
                self.permission
            ))
        })?;
        let usable = |text: &str| {
            (8..=128).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_graphic() && !b",/=".contains(&b))
        };
        let id = self.access_key_id.unwrap_or_else(|| random_hex(&*api.clock, 16));
        if !usable(&id) {
            return Err(Refused::bad_request(
                "an access key id is 8 to 128 printable characters without , / =",
            ));
        }
        let secret = self.secret_access_key.unwrap_or_else(|| random_hex(&*api.clock, 32));
        if secret.len() < 16 {
            return Err(Refused::bad_request("a secret has at least 16 characters"));
        }
        let (name, buckets, created) = (self.name, self.buckets, api.clock.now());
        Ok(AccessKey { id, secret, name, permission, buckets, created })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    access_key_id: String,
    /// Shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<String>,
    name: String,
    permission: &'static str,
    buckets: Option<Vec<String>>,
    created: u64,
}

impl Row {
    fn of(key: &AccessKey, secret: Option<String>) -> Self {
        Self {
            access_key_id: key.id.clone(),
            secret_access_key: secret,
            name: key.name.clone(),
            permission: key.permission.as_str(),
            buckets: key.buckets.clone(),
            created: key.created.0,
        }
    }
}
