//! Checksums between S3's headers, trailers and XML, and the engine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::dto::{self, ChecksumType};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders};
use selvedge_r2::{Algorithm, ChecksumKind, Checksums, Trailer, UploadChecksum};

/// The algorithms that S3 has, with the ends of their headers' names.
const ALGORITHMS: [(Algorithm, &str, &str); 5] = [
    (Algorithm::Crc32, "CRC32", "x-amz-checksum-crc32"),
    (Algorithm::Crc32c, "CRC32C", "x-amz-checksum-crc32c"),
    (Algorithm::Crc64nvme, "CRC64NVME", "x-amz-checksum-crc64nvme"),
    (Algorithm::Sha1, "SHA1", "x-amz-checksum-sha1"),
    (Algorithm::Sha256, "SHA256", "x-amz-checksum-sha256"),
];

/// What a request says of its body.
#[derive(Default)]
pub(crate) struct Given {
    /// Known beforehand.
    pub(crate) checksums: Checksums,
    /// Wanted, whether a value is given or not.
    pub(crate) count: Vec<Algorithm>,
    /// Known when the body is at its end.
    pub(crate) trailer: Option<Trailer>,
}

/// Reads `Content-MD5`, one `x-amz-checksum-*` header or trailer, and the algorithm that the client asks for.
pub(crate) fn given(headers: &HeaderMap, trailing: Option<TrailingHeaders>) -> S3Result<Given> {
    let mut given = Given::default();
    if let Some(value) = headers.get("content-md5") {
        let bytes = value.to_str().ok().and_then(|text| decode(Algorithm::Md5, text)).ok_or_else(|| {
            S3Error::with_message(S3ErrorCode::InvalidDigest, "The Content-MD5 you specified is invalid.")
        })?;
        given.checksums.insert(Algorithm::Md5, &bytes);
    }
    let mut seen = 0;
    for (algorithm, _, header) in ALGORITHMS {
        let Some(value) = headers.get(header) else { continue };
        let bytes = value.to_str().ok().and_then(|text| decode(algorithm, text));
        given.checksums.insert(algorithm, &bytes.ok_or_else(|| invalid_value(header))?);
        seen += 1;
    }
    if seen > 1 {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    if let Some(name) = headers.get("x-amz-sdk-checksum-algorithm") {
        given.count.extend(named(name.to_str().unwrap_or_default()).ok());
    }
    let announced = headers.get("x-amz-trailer").and_then(|name| name.to_str().ok());
    if let (Some(trailing), Some(announced)) = (trailing, announced)
        && let Some(&(algorithm, _, header)) =
            ALGORITHMS.iter().find(|(_, _, header)| announced.trim().eq_ignore_ascii_case(header))
    {
        given.count.push(algorithm);
        given.trailer = Some(Trailer::new(move || {
            let text =
                trailing.read(|headers| Some(headers.get(header)?.to_str().ok()?.to_owned())).flatten();
            let bytes = text.and_then(|text| decode(algorithm, &text));
            let missing = || {
                let text = format!("The trailer {header} that was announced is missing or malformed.");
                selvedge_r2::Error::InvalidArgument(text)
            };
            Ok(Checksums::of(algorithm, &bytes.ok_or_else(missing)?))
        }));
    }
    Ok(given)
}

/// Those that XML gives of a part.
pub(crate) fn of_part(part: &dto::CompletedPart) -> S3Result<Checksums> {
    let values = [
        &part.checksum_crc32,
        &part.checksum_crc32c,
        &part.checksum_crc64nvme,
        &part.checksum_sha1,
        &part.checksum_sha256,
    ];
    let mut checksums = Checksums::default();
    for ((algorithm, _, header), value) in ALGORITHMS.into_iter().zip(values) {
        let Some(value) = value else { continue };
        let bytes = decode(algorithm, value).ok_or_else(|| invalid_value(header))?;
        checksums.insert(algorithm, &bytes);
    }
    Ok(checksums)
}

/// What an upload asks its object's checksum to be. The kinds are those that R2 has for each algorithm, and
/// `FULL_OBJECT` also for the other CRCs, as S3 has it.
pub(crate) fn of_upload(
    algorithm: Option<&dto::ChecksumAlgorithm>,
    kind: Option<&ChecksumType>,
) -> S3Result<Option<UploadChecksum>> {
    let Some(algorithm) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let algorithm = named(algorithm.as_str())?;
    let kind = match kind.map(ChecksumType::as_str) {
        None if algorithm == Algorithm::Crc64nvme => ChecksumKind::Whole,
        None => ChecksumKind::Composite,
        Some("FULL_OBJECT") => ChecksumKind::Whole,
        Some("COMPOSITE") if algorithm != Algorithm::Crc64nvme => ChecksumKind::Composite,
        Some(kind) => {
            return Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                format!("The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."),
            ));
        }
    };
    Ok(Some(UploadChecksum { algorithm, kind }))
}

/// An algorithm by S3's name.
pub(crate) fn named(name: &str) -> S3Result<Algorithm> {
    let found = ALGORITHMS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name));
    found.map(|&(algorithm, ..)| algorithm).ok_or_else(|| {
        S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, \
             CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })
}

/// S3's name for an algorithm, if it has one.
pub(crate) fn name(algorithm: Algorithm) -> Option<&'static str> {
    ALGORITHMS.iter().find(|(known, ..)| *known == algorithm).map(|&(_, name, _)| name)
}

pub(crate) fn kind_name(kind: ChecksumKind) -> ChecksumType {
    ChecksumType::from_static(match kind {
        ChecksumKind::Whole => ChecksumType::FULL_OBJECT,
        ChecksumKind::Composite => ChecksumType::COMPOSITE,
    })
}

/// The first algorithm of `checksums` that S3 knows.
pub(crate) fn shown_algorithm(checksums: &Checksums) -> Option<&'static str> {
    checksums.iter().find_map(|(algorithm, _)| name(algorithm))
}

/// As S3 writes it: in base64, and that of a composite with the number of parts.
pub(crate) fn shown(
    checksums: &Checksums,
    algorithm: Algorithm,
    kind: ChecksumKind,
    parts: Option<u32>,
) -> Option<String> {
    let text = STANDARD.encode(checksums.bytes(algorithm)?);
    Some(match (kind, parts) {
        (ChecksumKind::Composite, Some(parts)) => format!("{text}-{parts}"),
        _ => text,
    })
}

/// Fills the five checksum fields of `$output`.
macro_rules! show_checksums {
    ($output:expr, $checksums:expr, $kind:expr, $parts:expr) => {{
        use selvedge_r2::Algorithm;
        let (output, checksums, kind, parts) = (&mut $output, $checksums, $kind, $parts);
        let shown = |algorithm| crate::checksums::shown(checksums, algorithm, kind, parts);
        output.checksum_crc32 = shown(Algorithm::Crc32);
        output.checksum_crc32c = shown(Algorithm::Crc32c);
        output.checksum_crc64nvme = shown(Algorithm::Crc64nvme);
        output.checksum_sha1 = shown(Algorithm::Sha1);
        output.checksum_sha256 = shown(Algorithm::Sha256);
    }};
}
pub(crate) use show_checksums;

fn decode(algorithm: Algorithm, text: &str) -> Option<Vec<u8>> {
    // That of a composite has the number of parts behind it.
    let text = text.trim();
    let text = text.split_once('-').map_or(text, |(text, _)| text);
    STANDARD.decode(text).ok().filter(|bytes| bytes.len() == algorithm.size())
}

fn invalid_value(header: &str) -> S3Error {
    let text = format!("Value for {header} header is invalid.");
    S3Error::with_message(S3ErrorCode::InvalidDigest, text)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> Result<Given, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        given(&headers, None).map_err(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn a_request_has_one_checksum_and_an_md5() {
        let given =
            read(&[("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="), ("x-amz-checksum-crc32", "NhCmhg==")]);
        let checksums = given.unwrap().checksums;
        assert_eq!(checksums.get(Algorithm::Md5), Some("5d41402abc4b2a76b9719d911017c592"));
        assert_eq!(checksums.get(Algorithm::Crc32), Some("3610a686"));
        let two = [("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-checksum-crc32c", "NhCmhg==")];
        assert_eq!(read(&two).err().as_deref(), Some("InvalidRequest"));
        for no in ["NhCm", "not base64", ""] {
            assert_eq!(read(&[("content-md5", no)]).err().as_deref(), Some("InvalidDigest"), "{no}");
            assert_eq!(read(&[("x-amz-checksum-sha1", no)]).err().as_deref(), Some("InvalidDigest"));
        }
        let asked = read(&[("x-amz-sdk-checksum-algorithm", "CRC32C")]).unwrap();
        assert_eq!(asked.count, [Algorithm::Crc32c]);
    }

    #[test]
    fn each_algorithm_has_its_kinds() {
        let of = |name: &'static str, kind: Option<&'static str>| {
            let algorithm = dto::ChecksumAlgorithm::from_static(name);
            of_upload(Some(&algorithm), kind.map(ChecksumType::from_static).as_ref())
                .map(|made| made.unwrap().kind)
        };
        assert_eq!(of("CRC64NVME", None).unwrap(), ChecksumKind::Whole);
        assert_eq!(of("CRC32", None).unwrap(), ChecksumKind::Composite);
        assert_eq!(of("CRC32", Some("FULL_OBJECT")).unwrap(), ChecksumKind::Whole);
        assert!(of("CRC64NVME", Some("COMPOSITE")).is_err());
        assert!(of("CRC32", Some("HALF")).is_err());
        assert!(of("CRC16", None).is_err());
    }

    #[test]
    fn a_composite_is_shown_with_its_parts() {
        let checksums = Checksums::of(Algorithm::Crc32, &[0x36, 0x10, 0xa6, 0x86]);
        let show = |kind, parts| shown(&checksums, Algorithm::Crc32, kind, parts);
        assert_eq!(show(ChecksumKind::Composite, Some(3)).as_deref(), Some("NhCmhg==-3"));
        assert_eq!(show(ChecksumKind::Whole, Some(3)).as_deref(), Some("NhCmhg=="));
        assert_eq!(shown_algorithm(&checksums), Some("CRC32"));
    }
}
