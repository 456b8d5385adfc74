//! The operations there are. What is not in this list, `s3s` answers with `NotImplemented`, as R2 does.

use async_trait::async_trait;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketCorsInput, DeleteBucketCorsOutput,
    DeleteBucketInput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, DeleteBucketOutput,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketCorsInput,
    GetBucketCorsOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
    ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput,
    PostObjectInput, PostObjectOutput, PutBucketCorsInput, PutBucketCorsOutput,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput, PutObjectInput,
    PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::buckets::Buckets;
use crate::ops;
use crate::refusal::not_implemented;

/// Carries out operations whose signer was found right and allowed.
pub(crate) struct Service {
    pub(crate) buckets: Buckets,
    pub(crate) extras: Extras,
}

/// Operations that R2 does not have and S3's users may miss. Without them the endpoint answers as R2 does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// `GetObjectAttributes`.
    pub attributes: bool,
    /// Uploads by HTML forms of up to 32 MiB. They are in memory until they are stored, four at once.
    pub forms: bool,
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

    async fn copy_object(&self, request: Asked<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        ops::copy::object(self, request).await
    }

    async fn upload_part_copy(&self, request: Asked<UploadPartCopyInput>) -> Answer<UploadPartCopyOutput> {
        ops::copy::part(self, request).await
    }

    async fn list_multipart_uploads(
        &self,
        request: Asked<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        ops::multipart::list(self, request).await
    }

    async fn list_parts(&self, request: Asked<ListPartsInput>) -> Answer<ListPartsOutput> {
        ops::multipart::parts(self, request).await
    }

    async fn get_bucket_cors(&self, request: Asked<GetBucketCorsInput>) -> Answer<GetBucketCorsOutput> {
        ops::cors::get(self, request).await
    }

    async fn put_bucket_cors(&self, request: Asked<PutBucketCorsInput>) -> Answer<PutBucketCorsOutput> {
        ops::cors::put(self, request).await
    }

    async fn delete_bucket_cors(
        &self,
        request: Asked<DeleteBucketCorsInput>,
    ) -> Answer<DeleteBucketCorsOutput> {
        ops::cors::delete(self, request).await
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        request: Asked<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        ops::lifecycle::get(self, request).await
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        request: Asked<PutBucketLifecycleConfigurationInput>,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        ops::lifecycle::put(self, request).await
    }

    async fn delete_bucket_lifecycle(
        &self,
        request: Asked<DeleteBucketLifecycleInput>,
    ) -> Answer<DeleteBucketLifecycleOutput> {
        ops::lifecycle::delete(self, request).await
    }

    async fn get_object_attributes(
        &self,
        request: Asked<GetObjectAttributesInput>,
    ) -> Answer<GetObjectAttributesOutput> {
        if !self.extras.attributes {
            return Err(not_implemented("GetObjectAttributes is not implemented yet"));
        }
        ops::attributes::get(self, request).await
    }

    /// Others than those whose forms are wanted do not come here.
    async fn post_object(&self, request: Asked<PostObjectInput>) -> Answer<PostObjectOutput> {
        ops::form::post(self, request).await
    }
}
