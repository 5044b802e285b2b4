//! `afflux aws-env`: the variables that point AWS's own tools and SDKs at this server.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Result;

use super::serve;
use crate::args::{AwsEnv, Output};
use crate::printer::Printer;

/// The services that a server offers, as AWS's tools name them in variables. Others keep their endpoint.
const SERVICES: [&str; 5] = [
    "FIREHOSE",
    "KINESIS",
    "KINESIS_VIDEO",
    "KINESIS_VIDEO_MEDIA",
    "KINESIS_VIDEO_ARCHIVED_MEDIA",
];

pub(crate) fn run(args: &AwsEnv) -> Result<ExitCode> {
    let config = serve::config(&args.listen)?;
    let mut text = String::new();
    let mut export = |name: &str, value: &str| {
        let _ = writeln!(text, "export {name}='{value}'");
    };
    for service in SERVICES {
        let name = format!("AWS_ENDPOINT_URL_{service}");
        export(&name, &endpoint(config.http.listen));
    }
    export("AWS_REGION", &config.aws.region);
    export("AWS_DEFAULT_REGION", &config.aws.region);
    if config.credentials.is_empty() {
        // The tools sign everything; a server without credentials looks at no signature.
        export("AWS_ACCESS_KEY_ID", "afflux");
        export("AWS_SECRET_ACCESS_KEY", "afflux");
    } else {
        text.push_str("# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: a pair of [[credentials]]\n");
    }
    let mut printer = Printer::new(Output::Text);
    printer.bytes(text.as_bytes())?;
    printer.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The server as this machine reaches it.
fn endpoint(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if ip.is_loopback() { "http" } else { "https" };
    format!("{scheme}://{}", SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_one_that_can_be_reached() {
        let endpoint = |listen: &str| endpoint(listen.parse().unwrap());
        assert_eq!(endpoint("127.0.0.1:4567"), "http://127.0.0.1:4567");
        assert_eq!(endpoint("0.0.0.0:80"), "http://127.0.0.1:80");
        assert_eq!(endpoint("192.0.2.1:4567"), "https://192.0.2.1:4567");
        assert_eq!(endpoint("[2001:db8::1]:1"), "https://[2001:db8::1]:1");
    }
}
