//! The player: a page that shows the video streams of this server in a browser.
//!
//! Its files are part of the binary. What it shows it asks for like any other client, so that the page
//! itself needs no rights: whoever may not read a stream sees a page and nothing on it.
//!
//! Invariant: the page loads nothing from anywhere else, and its policy tells the browser so.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::aws::TARGET;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Where the page is; its other files are below [`FOLDER`].
const PAGE: &str = "/";
const FOLDER: &str = "/player/";

/// Scripts, styles and requests of this origin only. Media comes from a script, as a `blob:`.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

macro_rules! files {
    ($($path:literal = $kind:ident $file:literal),* $(,)?) => {
        &[$((
            $path,
            $kind,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/player/", $file)),
        )),*]
    };
}

/// Path, content type, content.
const FILES: &[(&str, &str, &[u8])] = files! {
    "/" = HTML "index.html",
    "/player/api.js" = SCRIPT "api.js",
    "/player/chart.js" = SCRIPT "chart.js",
    "/player/clip.js" = SCRIPT "clip.js",
    "/player/fragments.js" = SCRIPT "fragments.js",
    "/player/hls.min.js" = SCRIPT "vendor/hls.min.js",
    "/player/hls.LICENSE" = TEXT "vendor/hls.LICENSE",
    "/player/keys.js" = SCRIPT "keys.js",
    "/player/main.js" = SCRIPT "main.js",
    "/player/playback.js" = SCRIPT "playback.js",
    "/player/player.css" = CSS "player.css",
    "/player/recording.js" = SCRIPT "recording.js",
    "/player/session.js" = SCRIPT "session.js",
    "/player/signature.js" = SCRIPT "signature.js",
    "/player/streams.js" = SCRIPT "streams.js",
    "/player/timeline.js" = SCRIPT "timeline.js",
    "/player/times.js" = SCRIPT "times.js",
};

/// Names the content of each of [`FILES`], in their order.
static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
    let tag = |content: &[u8]| {
        let digest = Sha256::digest(content);
        let name = base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest);
        HeaderValue::from_str(&format!("\"{name}\"")).expect("base64 is visible")
    };
    FILES.iter().map(|(_, _, content)| tag(content)).collect()
});

/// Whether a request is for the page or for one of its files. A service is asked at the root too.
pub(super) fn is_here(request: &Parts) -> bool {
    let path = request.uri.path();
    path.starts_with(FOLDER)
        || path == PAGE && is_read(&request.method) && !request.headers.contains_key(TARGET)
}

/// Answers such a request. Bodies are not read: a connection that sends one is closed.
pub(super) fn answer(request: &Parts) -> Response<Bytes> {
    let path = request.uri.path();
    if !is_read(&request.method) {
        let problem = format!("{path} answers GET and HEAD only\n");
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, problem);
        let methods = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, methods);
        return response;
    }
    let mut files = FILES.iter().zip(TAGS.iter());
    let Some(((_, kind, content), tag)) = files.find(|((name, ..), _)| *name == path) else {
        return text(
            StatusCode::NOT_FOUND,
            format!("the player has no file {path}\n"),
        );
    };
    let is_known = is_named(&request.headers, tag);
    let mut response = Response::new(match is_known {
        true => Bytes::new(),
        false => Bytes::from_static(content),
    });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    harden(headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(ETAG, tag.clone());
    // Another version of the server has other files under the same names.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether the client holds the content that `tag` names.
fn is_named(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let named = request.get_all(IF_NONE_MATCH).iter();
    let mut texts = named.filter_map(|value| value.to_str().ok());
    texts.any(|text| {
        let mut tags = text.split(',').map(str::trim);
        tags.any(|name| name == "*" || name.trim_start_matches("W/") == tag)
    })
}

fn text(status: StatusCode, problem: String) -> Response<Bytes> {
    let mut response = Response::new(problem.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    harden(headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Tells the browser to trust an answer with as little as it needs.
fn harden(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use hyper::header::HOST;

    use super::*;

    fn head(method: &str, path: &str, headers: &[(HeaderName, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_root_is_shared_with_the_services() {
        assert!(is_here(&head("GET", "/", &[(HOST, "localhost")])));
        assert!(is_here(&head("HEAD", "/", &[])));
        assert!(is_here(&head("GET", "/player/nothing", &[])));
        assert!(!is_here(&head("POST", "/", &[])));
        assert!(!is_here(&head(
            "GET",
            "/",
            &[(TARGET, "Kinesis_20131202.ListStreams")]
        )));
        assert!(!is_here(&head("GET", "/players", &[])));
    }

    #[test]
    fn every_file_is_there_with_its_type_and_its_name() {
        for (path, kind, content) in FILES {
            let answer = answer(&head("GET", path, &[]));
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            assert_eq!(answer.headers()[CONTENT_TYPE], kind, "{path}");
            assert_eq!(answer.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], POLICY);
            assert_eq!(answer.body(), content, "{path}");
            let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
            for named in [tag.clone(), format!("W/{tag}"), format!("\"a\", {tag}")] {
                let again = super::answer(&head("GET", path, &[(IF_NONE_MATCH, &named)]));
                assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
                assert!(again.body().is_empty());
                assert_eq!(again.headers()[ETAG], tag.as_str());
            }
            let other = super::answer(&head("GET", path, &[(IF_NONE_MATCH, "\"a\"")]));
            assert_eq!(other.status(), StatusCode::OK);
        }
    }

    #[test]
    fn whatever_the_page_names_is_there() {
        for (path, kind, content) in FILES {
            if *path == "/player/hls.min.js" || ![HTML, SCRIPT, CSS].contains(kind) {
                continue;
            }
            let text = std::str::from_utf8(content).unwrap();
            for named in text.split('"').filter(|part| part.starts_with(FOLDER)) {
                assert!(FILES.iter().any(|(path, ..)| *path == named), "{named}");
            }
            for named in text.split('"').filter(|part| part.starts_with("./")) {
                let named = named.replacen("./", FOLDER, 1);
                assert!(FILES.iter().any(|(path, ..)| *path == named), "{named}");
            }
            assert!(!text.contains("https://"), "{path} names another site");
        }
    }

    #[test]
    fn the_page_is_only_read() {
        let refused = answer(&head("POST", "/player/main.js", &[]));
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[ALLOW], "GET, HEAD");
        let missing = answer(&head("GET", "/player/../secret", &[]));
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    }
}
