//! The few documents that S3 answers with.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Listing {
    pub(crate) contents: Vec<Contents>,
    pub(crate) next_continuation_token: Option<String>,
    pub(crate) is_truncated: bool,
    pub(crate) encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Contents {
    pub(crate) key: String,
    pub(crate) last_modified: String,
    #[serde(rename = "ETag", default)]
    pub(crate) etag: String,
    pub(crate) size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Begun {
    pub(crate) upload_id: String,
}

/// A refusal. Complete answers with one under the status 200 when it comes late.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Deleted {
    #[serde(rename = "Error")]
    pub(crate) errors: Vec<NotDeleted>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NotDeleted {
    pub(crate) key: String,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// The name of the document's element.
pub(crate) fn root(xml: &str) -> Option<&str> {
    let mut rest = xml.trim_start_matches('\u{feff}').trim_start();
    if rest.starts_with("<?") {
        rest = rest.split_once("?>")?.1.trim_start();
    }
    rest.strip_prefix('<')?.split([' ', '>', '/', '\n', '\t', '\r']).next()
}

/// For the text of an element. Line ends are written so that a parser leaves them as they are.
pub(crate) fn escaped(text: &str) -> String {
    let pairs =
        [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\t", "&#9;"), ("\n", "&#10;"), ("\r", "&#13;")];
    pairs.iter().fold(text.to_owned(), |text, (char, entity)| text.replace(char, entity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read() {
        let xml = "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><Name>b</Name><IsTruncated>true</IsTruncated>\
                   <EncodingType>url</EncodingType><NextContinuationToken>t</NextContinuationToken>\
                   <Contents><Key>a%2F</Key><LastModified>2026-11-22T10:00:00.000Z</LastModified>\
                   <ETag>&quot;e&quot;</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>\
                   <Contents><Key>b</Key><LastModified>2026-11-22T10:00:00.000Z</LastModified><Size>0</Size></Contents>\
                   </ListBucketResult>";
        assert_eq!(root(xml), Some("ListBucketResult"));
        let listing: Listing = quick_xml::de::from_str(xml).unwrap();
        assert_eq!((listing.contents.len(), listing.is_truncated), (2, true));
        assert_eq!((listing.contents[0].key.as_str(), listing.contents[0].etag.as_str()), ("a%2F", "\"e\""));
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b>&\n"), "a&lt;b&gt;&amp;&#10;");
        assert_eq!(root("<Error/>"), Some("Error"));
        assert_eq!(root("no"), None);
    }
}
