//! The role aliases of a configuration file: what devices with a certificate get keys for.

use serde::Deserialize;

/// What a device may do with the keys that it gets for its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleAlias {
    /// Names it in the path: `/role-aliases/<name>/credentials`.
    pub name: String,
    /// What the keys allow: actions such as `kinesisvideo:PutMedia`; `*` stands for any characters.
    pub actions: Vec<String>,
    /// Names of streams that the actions hold for; `*` stands for any characters, `${thing}` for the
    /// name of the device.
    #[serde(default = "own_stream")]
    pub streams: Vec<String>,
    /// Seconds that the keys are good.
    #[serde(default = "an_hour")]
    pub seconds: u64,
}

fn own_stream() -> Vec<String> {
    vec!["${thing}".to_owned()]
}

fn an_hour() -> u64 {
    3_600
}

/// What the generated file says about role aliases.
pub(super) const DOCUMENTATION: &str = r#"# Role aliases: devices whose certificate tls.client_ca has signed get temporary keys, as from AWS IoT,
# by GET https://HOST:PORT/role-aliases/NAME/credentials. A device is called what its certificate has
# as a DNS name; of several, what its header x-amzn-iot-thingname says.
#
# name           in the path: 1 to 128 letters, digits, '_', '-', '=', ',' and '@'.
# actions        such as "kinesisvideo:PutMedia"; * stands for any characters.
# streams        names that the actions hold for; * stands for any characters, ${thing} for the name of
#                the device. Default: ["${thing}"].
# seconds        that the keys are good: 900 to 43,200. Default: 3,600.
#
#[[role_aliases]]
#name = "cameras"
#actions = ["kinesisvideo:DescribeStream", "kinesisvideo:GetDataEndpoint", "kinesisvideo:PutMedia"]
"#;
