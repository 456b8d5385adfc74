//! What a signer may do.

use selvedge_base::{Clock, random_hex};
use selvedge_catalog::{AccessKey, AccessKeys, Permission};

/// An access key's rights, or the part of them that a session has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) permission: Permission,
    /// The only buckets; `None` for all.
    pub(crate) buckets: Option<Vec<String>>,
    /// A session's part of it.
    pub(crate) session: Option<Scope>,
}

/// How a session narrows the rights of the key that signed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) bucket: String,
    pub(crate) permission: Option<Permission>,
    /// Names of operations, as R2 has them.
    pub(crate) actions: Option<Vec<String>>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) objects: Vec<String>,
}

/// What an operation needs of its signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// To be somebody.
    Signature,
    ReadObjects,
    WriteObjects,
    ReadBuckets,
    WriteBuckets,
}

impl Need {
    /// By the name that S3 has for the operation.
    pub(crate) fn of(operation: &str) -> Self {
        match operation {
            "GetObject"
            | "HeadObject"
            | "ListObjects"
            | "ListObjectsV2"
            | "ListMultipartUploads"
            | "ListParts"
            | "HeadBucket"
            | "GetBucketLocation"
            | "GetObjectAttributes"
            | "GetObjectTagging" => Self::ReadObjects,
            "PutObject"
            | "CopyObject"
            | "DeleteObject"
            | "DeleteObjects"
            | "CreateMultipartUpload"
            | "UploadPart"
            | "UploadPartCopy"
            | "CompleteMultipartUpload"
            | "AbortMultipartUpload"
            | "PostObject"
            | "PutObjectTagging"
            | "DeleteObjectTagging" => Self::WriteObjects,
            "ListBuckets" | "GetBucketCors" | "GetBucketLifecycleConfiguration" | "GetBucketEncryption" => {
                Self::ReadBuckets
            }
            "CreateBucket"
            | "DeleteBucket"
            | "PutBucketCors"
            | "DeleteBucketCors"
            | "PutBucketLifecycleConfiguration"
            | "DeleteBucketLifecycle" => Self::WriteBuckets,
            // Not implemented, and anybody with a key may hear so.
            _ => Self::Signature,
        }
    }

    fn met_by(self, permission: Permission) -> bool {
        match self {
            Self::Signature | Self::ReadObjects => true,
            Self::WriteObjects => permission.may_write(),
            Self::ReadBuckets => permission.is_admin(),
            Self::WriteBuckets => permission.is_admin() && permission.may_write(),
        }
    }
}

impl Grant {
    pub(crate) fn of(key: &AccessKey) -> Self {
        Self { permission: key.permission, buckets: key.buckets.clone(), session: None }
    }

    /// Whether it covers `operation` on a bucket, and on a key of it when there is one.
    pub(crate) fn covers(&self, operation: &str, bucket: Option<&str>, key: Option<&str>) -> bool {
        let need = Need::of(operation);
        let in_reach = match (&self.buckets, bucket) {
            (None, _) => true,
            (Some(names), Some(bucket)) => names.iter().any(|name| name == bucket),
            // A list of all buckets is more than a key for some may see.
            (Some(_), None) => need == Need::Signature,
        };
        let scope = self.session.as_ref();
        need.met_by(self.permission)
            && in_reach
            && scope.is_none_or(|scope| scope.covers(operation, need, bucket, key))
    }

    /// Whether it covers every key that begins with `prefix`.
    pub(crate) fn covers_prefix(&self, prefix: &str) -> bool {
        let Some(scope) = &self.session else { return true };
        scope.has_no_paths() || scope.prefixes.iter().any(|allowed| prefix.starts_with(allowed.as_str()))
    }
}

impl Scope {
    fn has_no_paths(&self) -> bool {
        self.prefixes.is_empty() && self.objects.is_empty()
    }

    fn covers(&self, operation: &str, need: Need, bucket: Option<&str>, key: Option<&str>) -> bool {
        let name = if operation == "ListObjects" { "ListObjectsV1" } else { operation };
        let named = self.actions.as_ref().is_none_or(|actions| {
            need == Need::Signature
                || operation == "HeadBucket"
                || actions.iter().any(|action| action == name)
        });
        let permitted = self.permission.is_none_or(|permission| need.met_by(permission));
        let in_reach = bucket == Some(self.bucket.as_str());
        let on_path = self.has_no_paths()
            || key.is_none_or(|key| {
                self.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()))
                    || self.objects.iter().any(|object| object == key)
            });
        named && permitted && in_reach && on_path
    }
}

/// The oldest key that may do everything, made when there is none.
pub async fn first_key(keys: &AccessKeys, clock: &dyn Clock) -> Result<AccessKey, selvedge_catalog::Error> {
    let all = keys.list().await?;
    let whole = |key: &&std::sync::Arc<AccessKey>| {
        key.permission == Permission::AdminReadWrite && key.buckets.is_none()
    };
    if let Some(key) = all.iter().find(whole) {
        return Ok((**key).clone());
    }
    let key = AccessKey {
        id: random_hex(clock, 16),
        secret: random_hex(clock, 32),
        name: "first".to_owned(),
        permission: Permission::AdminReadWrite,
        buckets: None,
        created: clock.now(),
    };
    keys.insert(key.clone()).await?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(permission: Permission, buckets: Option<&[&str]>) -> Grant {
        let buckets = buckets.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        Grant { permission, buckets, session: None }
    }

    #[test]
    fn each_class_of_key_does_its_own() {
        let operations = ["GetObject", "PutObject", "ListBuckets", "CreateBucket", "PutBucketAcl"];
        let may = |permission| {
            operations.map(|operation| grant(permission, None).covers(operation, Some("b"), Some("k")))
        };
        assert_eq!(may(Permission::AdminReadWrite), [true; 5]);
        assert_eq!(may(Permission::AdminReadOnly), [true, false, true, false, true]);
        assert_eq!(may(Permission::ObjectReadWrite), [true, true, false, false, true]);
        assert_eq!(may(Permission::ObjectReadOnly), [true, false, false, false, true]);
    }

    #[test]
    fn a_key_for_some_buckets_reaches_no_other() {
        let some = grant(Permission::AdminReadWrite, Some(&["a"]));
        assert!(some.covers("GetObject", Some("a"), Some("k")));
        assert!(!some.covers("GetObject", Some("b"), Some("k")));
        assert!(!some.covers("ListBuckets", None, None));
    }

    #[test]
    fn a_session_is_less_than_its_key() {
        let scope = Scope {
            bucket: "a".to_owned(),
            permission: Some(Permission::ObjectReadWrite),
            actions: Some(vec!["GetObject".to_owned(), "ListObjectsV1".to_owned()]),
            prefixes: vec!["p/".to_owned()],
            objects: vec!["o".to_owned()],
        };
        let session = |permission| Grant { permission, buckets: None, session: Some(scope.clone()) };
        let session = session(Permission::AdminReadWrite);
        assert!(session.covers("GetObject", Some("a"), Some("p/x")));
        assert!(session.covers("GetObject", Some("a"), Some("o")));
        assert!(!session.covers("GetObject", Some("a"), Some("o2")));
        assert!(!session.covers("GetObject", Some("b"), Some("p/x")));
        assert!(!session.covers("PutObject", Some("a"), Some("p/x")), "not among the actions");
        assert!(session.covers("ListObjects", Some("a"), None));
        assert!(session.covers_prefix("p/q"));
        assert!(!session.covers_prefix(""));
        let weak = Grant { permission: Permission::ObjectReadOnly, ..session };
        let put = Scope { actions: None, prefixes: Vec::new(), objects: Vec::new(), ..scope };
        let weak = Grant { session: Some(put), ..weak };
        assert!(!weak.covers("PutObject", Some("a"), Some("p/x")), "no more than its key");
    }
}
