//! The operations there are. What is not in this list, `s3s` answers with `NotImplemented`, as R2 does.

use async_trait::async_trait;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};
use selvedge_base::SharedClock;
use selvedge_catalog::{Catalog, ResourceKind};
use selvedge_r2::{Bucket, Store};

use crate::{ops, refusal};

/// The buckets of a data directory by name.
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
        let known = self.catalog.resource_name(ResourceKind::R2, name).await;
        if known.map_err(s3s::S3Error::internal_error)?.is_none() {
            return Err(refusal::no_such_bucket());
        }
        self.store.bucket(name).await.map_err(refusal::of)
    }

    /// Whether anybody may read its objects.
    pub(crate) async fn is_public(&self, _name: &str) -> S3Result<bool> {
        Ok(false)
    }

    /// Makes a bucket. False when it was there.
    pub(crate) async fn create(&self, name: &str) -> S3Result<bool> {
        let known = self.catalog.resource_name(ResourceKind::R2, name).await;
        let known = known.map_err(s3s::S3Error::internal_error)?.is_some();
        self.store.bucket(name).await.map_err(refusal::of)?;
        self.catalog
            .name_resource(ResourceKind::R2, name, name)
            .await
            .map_err(s3s::S3Error::internal_error)?;
        Ok(!known)
    }

    pub(crate) async fn delete(&self, name: &str) -> S3Result<()> {
        self.get(name).await?;
        self.catalog.forget_resource(ResourceKind::R2, name).await.map_err(s3s::S3Error::internal_error)
    }

    pub(crate) async fn list(&self) -> S3Result<Vec<String>> {
        let all = self.catalog.resources(ResourceKind::R2).await.map_err(s3s::S3Error::internal_error)?;
        Ok(all.into_iter().map(|(id, _)| id).collect())
    }
}

/// Carries out operations whose signer was found right and allowed.
pub(crate) struct Service {
    pub(crate) buckets: Buckets,
    pub(crate) clock: SharedClock,
}

impl Service {
    pub(crate) fn new(buckets: Buckets, clock: SharedClock) -> Self {
        Self { buckets, clock }
    }
}

type Asked<T> = S3Request<T>;
type Answer<T> = S3Result<S3Response<T>>;

#[async_trait]
impl S3 for Service {
    async fn list_buckets(&self, request: Asked<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        ops::buckets::list(self, &request).await
    }

    async fn create_bucket(&self, request: Asked<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        ops::buckets::create(self, request).await
    }

    async fn head_bucket(&self, request: Asked<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        ops::buckets::head(self, request).await
    }

    async fn delete_bucket(&self, request: Asked<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        ops::buckets::delete(self, request).await
    }

    async fn get_bucket_location(
        &self,
        request: Asked<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        ops::buckets::location(self, request).await
    }

    async fn get_bucket_encryption(
        &self,
        request: Asked<GetBucketEncryptionInput>,
    ) -> Answer<GetBucketEncryptionOutput> {
        ops::buckets::encryption(self, request).await
    }

    async fn list_objects(&self, request: Asked<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        ops::list::first(self, request).await
    }

    async fn list_objects_v2(&self, request: Asked<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        ops::list::second(self, request).await
    }

    async fn get_object(&self, request: Asked<GetObjectInput>) -> Answer<GetObjectOutput> {
        ops::read::get(self, request).await
    }

    async fn head_object(&self, request: Asked<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        ops::read::head(self, request).await
    }

    async fn put_object(&self, request: Asked<PutObjectInput>) -> Answer<PutObjectOutput> {
        ops::write::put(self, request).await
    }

    async fn delete_object(&self, request: Asked<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        ops::delete::one(self, request).await
    }

    async fn delete_objects(&self, request: Asked<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        ops::delete::several(self, request).await
    }

    async fn create_multipart_upload(
        &self,
        request: Asked<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        ops::multipart::create(self, request).await
    }

    async fn upload_part(&self, request: Asked<UploadPartInput>) -> Answer<UploadPartOutput> {
        ops::multipart::part(self, request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: Asked<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        ops::multipart::complete(self, request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: Asked<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        ops::multipart::abort(self, request).await
    }
}
