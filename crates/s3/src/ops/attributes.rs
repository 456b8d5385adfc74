//! `GetObjectAttributes`, which R2 does not have: an extra.

use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart,
    StorageClass,
};
use s3s::{S3Request, S3Response, S3Result};
use selvedge_r2::{ChecksumKind, GetOptions, Head};

use crate::checksums::{kind_name, show_checksums, shown_algorithm};
use crate::metadata::{class_name, refuse_version};
use crate::refusal::{self, invalid_argument, no_such_key};
use crate::service::Service;
use crate::{ssec, time};

/// Parts of one page.
const PAGE: i32 = 1000;

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let input = request.input;
    refuse_version(input.version_id.as_deref())?;
    // Clients send one header with a list in it, or several headers.
    let names: Vec<&str> =
        input.object_attributes.iter().flat_map(|names| names.as_str().split(',')).map(str::trim).collect();
    let known = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];
    if names.is_empty() || names.iter().any(|name| !known.contains(name)) {
        return Err(invalid_argument("Invalid attribute name specified."));
    }
    let asked = |name: &str| names.contains(&name);
    let bucket = service.buckets.get(&input.bucket).await?;
    let options = GetOptions { ssec: ssec::key(&request.headers, ssec::OWN)?, ..GetOptions::default() };
    let object = match bucket.head_with(&input.key, &options).await.map_err(refusal::of)? {
        Head::Found(object, _) => *object,
        _ => return Err(no_such_key()),
    };
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(time::timestamp(object.uploaded)),
        ..GetObjectAttributesOutput::default()
    };
    if asked("ETag") {
        output.e_tag = Some(s3s::dto::ETag::Strong(object.etag.clone()));
    }
    if asked("ObjectSize") {
        output.object_size = i64::try_from(object.size).ok();
    }
    if asked("StorageClass") {
        output.storage_class = Some(StorageClass::from_static(class_name(object.class)));
    }
    if asked("Checksum") && shown_algorithm(&object.checksums).is_some() {
        let mut checksum = Checksum::default();
        show_checksums!(checksum, &object.checksums, object.checksum_kind, object.parts());
        checksum.checksum_type = Some(kind_name(object.checksum_kind));
        output.checksum = Some(checksum);
    }
    if let (true, Some(total)) = (asked("ObjectParts"), object.parts()) {
        let limit = input.max_parts.unwrap_or(PAGE).clamp(0, PAGE);
        let after = u32::try_from(input.part_number_marker.unwrap_or_default()).unwrap_or_default();
        // One more, to know whether there is one.
        let wanted = u32::try_from(limit).unwrap_or_default();
        let found = bucket.object_parts(&input.key, after, wanted + 1).await.map_err(refusal::of)?;
        let mut found = found.unwrap_or_default();
        let more = found.len() > usize::try_from(limit).unwrap_or_default();
        found.truncate(usize::try_from(limit).unwrap_or_default());
        let next = found.last().map(|part| part.number).or(Some(after)).filter(|_| more);
        // S3 lists parts only where they have checksums.
        let listed = found.iter().any(|part| !part.checksums.is_empty());
        let shown = |part: selvedge_r2::ObjectPart| {
            let mut shown = ObjectPart {
                part_number: i32::try_from(part.number).ok(),
                size: i64::try_from(part.size).ok(),
                ..ObjectPart::default()
            };
            show_checksums!(shown, &part.checksums, ChecksumKind::Whole, None);
            shown
        };
        output.object_parts = Some(GetObjectAttributesParts {
            is_truncated: Some(more),
            max_parts: Some(limit),
            next_part_number_marker: next.and_then(|number| i32::try_from(number).ok()),
            part_number_marker: i32::try_from(after).ok(),
            parts: listed.then(|| found.into_iter().map(shown).collect()),
            total_parts_count: i32::try_from(total).ok(),
        });
    }
    Ok(S3Response::new(output))
}
