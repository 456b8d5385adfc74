//! The buckets there are, by name.

use s3s::S3Result;
use selvedge_catalog::{Catalog, ResourceKind};
use selvedge_r2::{Bucket, BucketOptions, Error, ListBuckets, Store};

use crate::refusal;

/// The engine's buckets, of which the catalog knows the names too.
#[derive(Clone)]
pub(crate) struct Buckets {
    store: Store,
    catalog: Catalog,
}

impl Buckets {
    pub(crate) fn new(store: Store, catalog: Catalog) -> Self {
        Self { store, catalog }
    }

    /// The bucket of that name, which must be there.
    pub(crate) async fn get(&self, name: &str) -> S3Result<Bucket> {
        self.store.existing_bucket(name).await.map_err(refusal::of)
    }

    pub(crate) async fn exists(&self, name: &str) -> S3Result<bool> {
        match self.store.existing_bucket(name).await {
            Ok(_) => Ok(true),
            Err(Error::NoSuchBucket) => Ok(false),
            Err(error) => Err(refusal::of(error)),
        }
    }

    /// Whether anybody may read its objects.
    pub(crate) async fn is_public(&self, name: &str) -> S3Result<bool> {
        match self.store.existing_bucket(name).await {
            Ok(bucket) => Ok(bucket.public_access().enabled),
            Err(Error::NoSuchBucket) => Ok(false),
            Err(error) => Err(refusal::of(error)),
        }
    }

    pub(crate) async fn create(&self, name: &str, options: &BucketOptions) -> S3Result<()> {
        self.store.create_bucket(name, options).await.map_err(refusal::of)?;
        self.catalog.name_resource(ResourceKind::R2, name, name).await.map_err(s3s::S3Error::internal_error)
    }

    pub(crate) async fn create_if_missing(&self, name: &str) -> S3Result<()> {
        match self.store.create_bucket(name, &BucketOptions::default()).await {
            Ok(_) => {
                let named = self.catalog.name_resource(ResourceKind::R2, name, name).await;
                named.map_err(s3s::S3Error::internal_error)
            }
            Err(Error::BucketConflict) => Ok(()),
            Err(error) => Err(refusal::of(error)),
        }
    }

    pub(crate) async fn delete(&self, name: &str) -> S3Result<()> {
        self.store.delete_bucket(name).await.map_err(refusal::of)?;
        self.catalog.forget_resource(ResourceKind::R2, name).await.map_err(s3s::S3Error::internal_error)
    }

    pub(crate) async fn list(&self, options: &ListBuckets) -> S3Result<selvedge_r2::Buckets> {
        self.store.list_buckets(options).await.map_err(refusal::of)
    }
}
