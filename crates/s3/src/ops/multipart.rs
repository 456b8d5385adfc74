//! Objects that arrive in parts.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedMultipartUpload,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, Initiator, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Owner, Part, StorageClass,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{
    ChecksumKind, ClaimedPart, CompleteOptions, CreateOptions, ListUploads, OpenUpload, PartOptions, Uploads,
};

use crate::checksums::{self, kind_name, show_checksums, shown_algorithm};
use crate::metadata::{self, class_name, headers_of, refuse_unkept};
use crate::ops::list::Encoding;
use crate::ops::owner;
use crate::ops::read::expiration;
use crate::ops::upload::{self, Upload};
use crate::ops::write::bucket_for_upload;
use crate::refusal::{self, invalid_argument};
use crate::service::Service;
use crate::{access, conditions, ssec, time};

/// Entries of one page.
const PAGE: i32 = 1000;

pub(crate) async fn create(
    service: &Service,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let input = request.input;
    refuse_unkept(&request.headers)?;
    let ssec = ssec::key(&request.headers, ssec::OWN)?;
    let checksum = checksums::of_upload(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
    let options = CreateOptions {
        http: headers_of!(input),
        custom: metadata::custom(input.metadata),
        class: metadata::storage_class(input.storage_class.as_ref())?,
        checksum,
        ssec: ssec.clone(),
    };
    let bucket = bucket_for_upload(service, &input.bucket, &request.headers).await?;
    let id = bucket.create_multipart(&input.key, options).await.map_err(refusal::of)?;
    let mut output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: checksum.map(|checksum| kind_name(checksum.kind)),
        ..Default::default()
    };
    (output.sse_customer_algorithm, output.sse_customer_key_md5) = ssec::shown(ssec.as_ref());
    Ok(S3Response::new(output))
}

pub(crate) async fn part(
    service: &Service,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let input = request.input;
    let given = checksums::given(&request.headers, request.trailing_headers)?;
    let ssec = ssec::key(&request.headers, ssec::OWN)?;
    let options = PartOptions {
        checksums: given.checksums,
        trailer: given.trailer,
        count: given.count,
        ssec: ssec.clone(),
    };
    let size = upload::size(input.content_length, &request.headers)?;
    let number = number(input.part_number)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let (body, fault) = Upload::new(input.body);
    let part = bucket.upload_part_with(&input.key, &input.upload_id, number, body, size, options).await;
    let part = part.map_err(|error| fault.explain(error))?;
    let mut output = UploadPartOutput::default();
    show_checksums!(output, &part.checksums, ChecksumKind::Whole, None);
    (output.sse_customer_algorithm, output.sse_customer_key_md5) = ssec::shown(ssec.as_ref());
    output.e_tag = Some(ETag::Strong(part.etag));
    Ok(S3Response::new(output))
}

pub(crate) fn number(asked: i32) -> S3Result<u32> {
    u32::try_from(asked).ok().filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
        invalid_argument(format!(
            "Part number must be between 1 and 10000 (inclusive). Actual value was: {asked}"
        ))
    })
}

fn malformed() -> S3Error {
    S3Error::with_message(
        S3ErrorCode::MalformedXML,
        "The XML you provided was not well-formed or did not validate against our published schema.",
    )
}

/// The parts as the client lists them, in ascending order.
fn claimed(upload: Option<CompletedMultipartUpload>) -> S3Result<Vec<ClaimedPart>> {
    let listed = upload.and_then(|upload| upload.parts).unwrap_or_default();
    if listed.is_empty() {
        return Err(malformed());
    }
    let mut parts: Vec<ClaimedPart> = Vec::with_capacity(listed.len());
    for part in listed {
        let checksums = checksums::of_part(&part)?;
        let number = part.part_number.and_then(|number| u32::try_from(number).ok()).ok_or_else(malformed)?;
        let etag = part.e_tag.ok_or_else(malformed)?.into_value();
        if parts.last().is_some_and(|before| before.number >= number) {
            return Err(refusal::of(selvedge_r2::Error::RepeatedPart));
        }
        parts.push(ClaimedPart { number, etag, checksums });
    }
    Ok(parts)
}

pub(crate) async fn complete(
    service: &Service,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let input = request.input;
    let size = input.mpu_object_size.map(u64::try_from).transpose();
    let options = CompleteOptions {
        conditions: conditions::OWN.read(&request.headers)?,
        checksums: checksums::given(&request.headers, None)?.checksums,
        size: size.map_err(|_| invalid_argument("x-amz-mp-object-size is not a number of bytes"))?,
    };
    let parts = claimed(input.multipart_upload)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let object = bucket.complete_multipart_with(&input.key, &input.upload_id, parts, options).await;
    let object = object.map_err(refusal::of)?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        expiration: expiration(&bucket, &object),
        ..Default::default()
    };
    show_checksums!(output, &object.checksums, object.checksum_kind, object.parts());
    output.checksum_type = shown_algorithm(&object.checksums).map(|_| kind_name(object.checksum_kind));
    output.e_tag = Some(ETag::Strong(object.etag));
    Ok(S3Response::new(output))
}

pub(crate) async fn abort(
    service: &Service,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = request.input;
    let bucket = service.buckets.get(&input.bucket).await?;
    bucket.abort_multipart(&input.key, &input.upload_id).await.map_err(refusal::of)?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

/// More than a page is a page, as everywhere in S3.
fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(PAGE) {
        asked if asked < 0 => Err(refusal::of(selvedge_r2::Error::InvalidMaxKeys)),
        asked => Ok(asked.min(PAGE)),
    }
}

fn shown_upload(upload: OpenUpload, encoding: Encoding) -> MultipartUpload {
    let checksum = upload.checksum;
    MultipartUpload {
        checksum_algorithm: checksum
            .and_then(|checksum| checksums::name(checksum.algorithm))
            .map(ChecksumAlgorithm::from_static),
        checksum_type: checksum.map(|checksum| kind_name(checksum.kind)),
        initiated: Some(time::timestamp(upload.created)),
        initiator: Some(initiator()),
        key: Some(encoding.text(upload.key)),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(class_name(upload.class))),
        upload_id: Some(upload.id),
    }
}

fn initiator() -> Initiator {
    let Owner { display_name, id } = owner();
    Initiator { display_name, id }
}

pub(crate) async fn list(
    service: &Service,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let limit = page_size(input.max_uploads)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    access::require_prefix(&prefix)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let options = ListUploads {
        limit: usize::try_from(limit).ok().filter(|limit| *limit > 0),
        prefix,
        delimiter: input.delimiter.clone().unwrap_or_default(),
        key_marker: input.key_marker.clone().filter(|marker| !marker.is_empty()),
        upload_id_marker: input.upload_id_marker.clone().filter(|marker| !marker.is_empty()),
    };
    let page = if limit == 0 {
        Uploads::default()
    } else {
        bucket.list_uploads(&options).await.map_err(refusal::of)?
    };
    let next = page.next.filter(|_| page.truncated);
    let groups: Vec<CommonPrefix> =
        page.groups.into_iter().map(|group| CommonPrefix { prefix: Some(encoding.text(group)) }).collect();
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        common_prefixes: (!groups.is_empty()).then_some(groups),
        delimiter: input.delimiter.filter(|text| !text.is_empty()).map(|text| encoding.text(text)),
        encoding_type: input.encoding_type,
        is_truncated: Some(page.truncated),
        key_marker: Some(encoding.text(input.key_marker.unwrap_or_default())),
        max_uploads: Some(limit),
        next_key_marker: next.as_ref().map(|(key, _)| encoding.text(key.clone())),
        next_upload_id_marker: next.and_then(|(_, id)| id),
        prefix: input.prefix.map(|text| encoding.text(text)),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        uploads: Some(page.uploads.into_iter().map(|upload| shown_upload(upload, encoding)).collect()),
        ..Default::default()
    }))
}

pub(crate) async fn parts(
    service: &Service,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = request.input;
    let limit = page_size(input.max_parts)?.max(1);
    let after = input.part_number_marker.unwrap_or_default();
    let after =
        u32::try_from(after).map_err(|_| invalid_argument("part-number-marker is not a number of a part"))?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let page = bucket.list_parts(&input.key, &input.upload_id, after, usize::try_from(limit).ok()).await;
    let page = page.map_err(refusal::of)?;
    let upload = shown_upload(page.upload, Encoding::Plain);
    let next = page.parts.last().map(|part| part.number).filter(|_| page.truncated);
    let shown = |part: selvedge_r2::StoredPart| {
        let mut shown = Part {
            last_modified: Some(time::timestamp(part.uploaded)),
            part_number: i32::try_from(part.number).ok(),
            size: i64::try_from(part.size).ok(),
            ..Default::default()
        };
        show_checksums!(shown, &part.checksums, ChecksumKind::Whole, None);
        shown.e_tag = Some(ETag::Strong(part.etag));
        shown
    };
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: upload.checksum_algorithm,
        checksum_type: upload.checksum_type,
        initiator: upload.initiator,
        is_truncated: Some(page.truncated),
        key: upload.key,
        max_parts: Some(limit),
        next_part_number_marker: next.and_then(|number| i32::try_from(number).ok()),
        owner: upload.owner,
        part_number_marker: i32::try_from(after).ok(),
        parts: Some(page.parts.into_iter().map(shown).collect()),
        storage_class: upload.storage_class,
        upload_id: upload.upload_id,
        ..Default::default()
    }))
}
