//! Error pages: self-contained HTML for browsers, plain text for everyone else.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::reply::Reply;

/// Something to show instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    pub status: StatusCode,
    /// A few words.
    pub title: String,
    /// What is wrong and what to do, in a sentence or two.
    pub message: String,
    /// Shown as it is, in a fixed-width font: a stack, a compiler's report.
    pub details: Option<String>,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fbfaf7;--text:#23211c;--soft:#6d685c;--box:#f1eee6;--edge:#b3402a}\
@media(prefers-color-scheme:dark){:root{--back:#191816;--text:#e9e5db;--soft:#9d978a;--box:#23211e;--edge:#e0755c}}\
body{margin:0;background:var(--back);color:var(--text);font:16px/1.55 system-ui,sans-serif}\
main{max-width:64rem;margin:0 auto;padding:3rem 1.5rem}\
p.status{margin:0;color:var(--soft);font-size:.9rem}\
h1{margin:.3rem 0 1rem;font-size:1.6rem;line-height:1.25;overflow-wrap:anywhere}\
p.message{margin:0 0 1.5rem;white-space:pre-wrap;overflow-wrap:anywhere}\
pre{margin:0;padding:1rem 1.2rem;background:var(--box);border-left:3px solid var(--edge);overflow-x:auto;\
font:13.5px/1.6 ui-monospace,Menlo,Consolas,monospace}";

impl ErrorPage {
    pub(crate) fn new(status: StatusCode, title: &str, message: impl Into<String>) -> Self {
        Self { status, title: title.to_owned(), message: message.into(), details: None }
    }

    /// The page as an answer. It is never stored by a cache.
    pub(crate) fn response(&self, html: bool) -> Response<Reply> {
        let (kind, text) = if html {
            ("text/html; charset=utf-8", self.html())
        } else {
            ("text/plain; charset=utf-8", self.text())
        };
        let mut response = Response::new(Reply::text(Bytes::from(text)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n\n{}\n", self.title, self.message);
        if let Some(details) = &self.details {
            let _ = write!(text, "\n{details}\n");
        }
        text
    }

    fn html(&self) -> String {
        let status = self.status.as_u16();
        let reason = self.status.canonical_reason().unwrap_or_default();
        let (title, message) = (escape(&self.title), escape(&self.message));
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <style>{STYLE}</style></head>\n<body><main><p class=\"status\">{status} {reason}</p>\
             <h1>{title}</h1><p class=\"message\">{message}</p>"
        );
        if let Some(details) = &self.details {
            let _ = write!(html, "<pre>{}</pre>", escape(details));
        }
        html.push_str("</main></body></html>\n");
        html
    }
}

/// Whether the client would rather read HTML than text.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| {
        accept.as_bytes().windows(9).any(|part| part.eq_ignore_ascii_case(b"text/html"))
    })
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_what_it_shows() {
        let mut page = ErrorPage::new(StatusCode::INTERNAL_SERVER_ERROR, "<b>", "a & \"b\"");
        page.details = Some("at <anonymous>:1 'x'".to_owned());
        let html = page.html();
        assert!(html.contains("<h1>&lt;b&gt;</h1>"), "{html}");
        assert!(html.contains("a &amp; &quot;b&quot;"), "{html}");
        assert!(html.contains("<pre>at &lt;anonymous&gt;:1 &#39;x&#39;</pre>"), "{html}");
        assert!(!html.contains("<script"));
        assert_eq!(page.text(), "<b>\n\na & \"b\"\n\nat <anonymous>:1 'x'\n");
    }

    #[test]
    fn only_a_client_that_names_html_gets_html() {
        let mut headers = HeaderMap::new();
        assert!(!wants_html(&headers));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        assert!(!wants_html(&headers));
        headers.insert(header::ACCEPT, HeaderValue::from_static("Text/HTML,application/xml;q=0.9"));
        assert!(wants_html(&headers));
    }
}
