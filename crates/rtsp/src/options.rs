//! Which camera, and how to treat it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::camera::CameraError;
use crate::recorder::RecorderOptions;

/// Where a camera is. User name and password are taken out of the URL and are never printed, nor is
/// anything behind the port: cheap cameras want passwords there too.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraUrl {
    url: Url,
    credentials: Option<Credentials>,
}

impl CameraUrl {
    /// The user name and password of the URL, if there are any.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The URL without user name and password.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }
}

impl FromStr for CameraUrl {
    type Err = CameraError;

    fn from_str(text: &str) -> Result<Self, CameraError> {
        // The text itself may hold a password: no message may repeat it.
        let mut url: Url = text
            .parse()
            .map_err(|error: url::ParseError| CameraError::Url(error.to_string()))?;
        if url.scheme() != "rtsp" {
            return Err(CameraError::Url(format!(
                "its scheme is {:?}, and only rtsp is supported",
                url.scheme()
            )));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(CameraError::Url("it names no host".to_owned()));
        }
        let user = decode(url.username());
        let password = decode(url.password().unwrap_or_default());
        let credentials =
            (!user.is_empty() || !password.is_empty()).then_some(Credentials { user, password });
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| CameraError::Url("it names no host".to_owned()))?;
        Ok(Self { url, credentials })
    }
}

impl fmt::Display for CameraUrl {
    /// Writes host and port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "{host}:{}", self.url.port().unwrap_or(554))
    }
}

impl fmt::Debug for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CameraUrl({self})")
    }
}

/// A user name and a password. They are never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// How RTP packets travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// In the RTSP connection: nothing is lost, and one port is enough.
    #[default]
    Tcp,
    /// In datagrams: what is lost stays lost.
    Udp,
}

/// How often to connect again. There is no end to it.
///
/// The pause doubles from `pause_min` to `pause_max`; each is shortened by a random part of up to
/// one half, so that many cameras of one switch do not come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The first pause.
    pub pause_min: Duration,
    /// The longest pause. It is also the pause after a refused password: cameras lock users out.
    pub pause_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            pause_min: Duration::from_secs(1),
            pause_max: Duration::from_secs(30),
        }
    }
}

/// How a camera is pulled.
#[derive(Clone, Debug)]
pub struct CameraOptions {
    /// Where it is.
    pub url: CameraUrl,
    /// Who asks; those of the URL if `None`.
    pub credentials: Option<Credentials>,
    /// How packets travel.
    pub transport: Transport,
    /// A camera that says nothing for this long while it is connected to is tried again.
    pub connect_timeout: Duration,
    /// A camera that sends no picture for this long is connected to again.
    pub stall: Duration,
    /// How frames become fragments.
    pub recorder: RecorderOptions,
    /// How often to connect again.
    pub retry: Retry,
}

impl CameraOptions {
    /// The defaults for everything but the camera's place.
    #[must_use]
    pub fn new(url: CameraUrl) -> Self {
        Self {
            url,
            credentials: None,
            transport: Transport::default(),
            connect_timeout: Duration::from_secs(15),
            stall: Duration::from_secs(10),
            recorder: RecorderOptions::default(),
            retry: Retry::default(),
        }
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref().or_else(|| self.url.credentials())
    }
}

/// Takes `%41` for `A`; what is no such thing stays.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_taken_out_and_never_shown() {
        let url: CameraUrl = "rtsp://ad%40min:p%3Ass@wörd@192.0.2.7:8554/live?password=x"
            .parse()
            .unwrap();
        let credentials = url.credentials().unwrap();
        assert_eq!(
            (&*credentials.user, &*credentials.password),
            ("ad@min", "p:ss@wörd")
        );
        assert_eq!(url.url().as_str(), "rtsp://192.0.2.7:8554/live?password=x");
        assert_eq!(url.to_string(), "192.0.2.7:8554");
        let shown = format!("{:?}", CameraOptions::new(url));
        for secret in ["ss@", "ad@", "password=", "live"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn a_url_without_credentials_has_none_and_its_port_has_a_default() {
        let url: CameraUrl = "rtsp://cam.example/".parse().unwrap();
        assert_eq!(
            (url.credentials(), url.to_string().as_str()),
            (None, "cam.example:554")
        );
    }

    #[test]
    fn what_is_no_rtsp_url_is_refused_without_being_repeated() {
        for text in [
            "",
            "cam",
            "rtsp://",
            "rtsps://me:secret@cam/",
            "http://me:secret@cam/",
            "rtsp://me:secret@/x",
            "rtsp://me:secret@cam:port/x",
        ] {
            let error = text.parse::<CameraUrl>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }
}
