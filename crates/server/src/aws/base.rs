//! The URL at which a client reaches the server, for answers that name it.

use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

use super::{Way, header};

/// The URL, without a path: the one that the operator says, or else the host that the request names.
///
/// The AWS SDK for C leaves the port out of its header. Who names no port and does not mean that of the
/// scheme means the one that the request came to.
pub(super) fn of(public_url: &str, head: &Parts, way: Way) -> String {
    if !public_url.is_empty() {
        return public_url.to_owned();
    }
    let (scheme, usual) = match way.encrypted {
        true => ("https", 443),
        false => ("http", 80),
    };
    let named = head.uri.authority().cloned();
    let named = named.or_else(|| header(head, HOST)?.parse::<Authority>().ok());
    let Some(named) = named else {
        return format!("{scheme}://localhost:{}", way.port);
    };
    let host = named.host();
    match named.port_u16().unwrap_or(way.port) {
        port if port == usual => format!("{scheme}://{host}"),
        port => format!("{scheme}://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hyper::Request;

    use super::*;

    fn base(public_url: &str, host: Option<&str>, encrypted: bool, port: u16) -> String {
        let mut request = Request::builder().uri("/describeStream");
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        of(
            public_url,
            &head,
            Way {
                peer,
                encrypted,
                port,
            },
        )
    }

    #[test]
    fn the_url_is_where_the_client_came_from_unless_the_operator_knows_better() {
        for (host, encrypted, port, expected) in [
            (Some("a:4567"), false, 4567, "http://a:4567"),
            (Some("a"), true, 4567, "https://a:4567"),
            (Some("a"), true, 443, "https://a"),
            (Some("a:80"), false, 4567, "http://a"),
            (Some("[::1]:4567"), true, 4567, "https://[::1]:4567"),
            (Some("a b"), false, 4567, "http://localhost:4567"),
            (None, false, 4567, "http://localhost:4567"),
        ] {
            assert_eq!(base("", host, encrypted, port), expected, "{host:?}");
        }
        let public = "https://video.example.org";
        assert_eq!(base(public, Some("a"), false, 4567), public);
    }
}
