const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a bucket accepts. The default is what Cloudflare documents for R2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key.
    pub key: usize,
    /// Bytes of all custom metadata of an object, names and values; and, counted apart, of its HTTP metadata.
    pub metadata: usize,
    /// Bytes of a single put.
    pub put: u64,
    /// Bytes of one part of a multipart upload.
    pub part: u64,
    /// Bytes that every part but the last must have.
    pub part_minimum: u64,
    /// Whether all parts but the last must be of one size, as R2 has it and S3 does not.
    pub equal_parts: bool,
    /// Bytes of an object made of parts.
    pub object: u64,
    /// Objects in the bucket's database up to this size; larger ones are files.
    pub inline: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key: 1024,
            metadata: 8192,
            put: 5 * GIB - 5 * MIB,
            part: 5 * GIB,
            part_minimum: 5 * MIB,
            equal_parts: true,
            object: 5 * 1024 * GIB - 5 * GIB,
            inline: 64 * 1024,
        }
    }
}

/// Keys of one delete call, and entries of one page of a list.
pub(crate) const PAGE: usize = 1000;
/// Parts of one upload.
pub(crate) const PARTS: u32 = 10_000;
