//! The functions that delivery streams may have their records changed by, as the operator configures them.
//!
//! A function is anything that answers HTTP requests as Lambda answers invocations: an endpoint of one's own,
//! or what runs functions for Lambda elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afflux_transform::{CALL_BYTES_MAX, TransformerError};
use afflux_types::{Error, Result};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};

use super::http;

/// How the runtimes of Lambda mark an answer that says why the function failed.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// A function that delivery streams may call.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionSettings {
    /// Its name, as ARNs have it.
    pub name: String,
    /// Where it is called.
    pub url: String,
    /// What calls show as `Authorization: Bearer`; empty if nothing.
    pub token: String,
    /// How long a call may take, with its answer.
    pub timeout: Duration,
}

impl fmt::Debug for FunctionSettings {
    /// Leaves the token out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionSettings")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The functions of a server; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Functions(Arc<BTreeMap<String, Arc<Function>>>);

/// A function that can be called.
#[derive(Debug)]
pub(crate) struct Function {
    settings: FunctionSettings,
    url: Url,
    client: Client,
}

impl Functions {
    /// The functions of these settings. None is called yet.
    ///
    /// # Errors
    /// `Invalid` for settings that cannot be those of a function.
    pub fn new(functions: &[FunctionSettings]) -> Result<Self> {
        let mut all = BTreeMap::new();
        for settings in functions {
            let name = settings.name.clone();
            let function = Arc::new(Function::new(settings.clone())?);
            if all.insert(name, function).is_some() {
                let message = format!("function {} is configured twice", settings.name);
                return Err(Error::invalid(message));
            }
        }
        Ok(Self(Arc::new(all)))
    }

    /// The function that an ARN means, whatever region, account and version it names.
    ///
    /// # Errors
    /// `Invalid` for what is not the ARN of a function, `NotFound` for one that is not configured.
    pub(crate) fn find(&self, arn: &str) -> Result<Arc<Function>> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", _, "lambda", _, _, "function", name, ..] = parts[..] else {
            let message = format!("{arn:?} is not the ARN of a Lambda function");
            return Err(Error::invalid(message));
        };
        self.0.get(name).cloned().ok_or_else(|| {
            let message = format!(
                "function {name} is not among the [[functions]] of the server's configuration"
            );
            Error::not_found(message)
        })
    }
}

/// A call that came to nothing.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) error: TransformerError,
    pub(crate) cause: Option<reqwest::Error>,
}

impl From<TransformerError> for NoAnswer {
    fn from(error: TransformerError) -> Self {
        Self { error, cause: None }
    }
}

impl From<reqwest::Error> for NoAnswer {
    fn from(cause: reqwest::Error) -> Self {
        let error = match cause.is_timeout() {
            true => TransformerError::TimedOut,
            false => TransformerError::NoAnswer,
        };
        // A URL may hold a secret.
        let cause = Some(cause.without_url());
        Self { error, cause }
    }
}

impl Function {
    fn new(settings: FunctionSettings) -> Result<Self> {
        let unusable = |error: &dyn std::error::Error| {
            let name = &settings.name;
            Error::invalid(format!("function {name} cannot be called: {error}"))
        };
        let url = http::parse(&settings.url).map_err(|error| unusable(&error))?;
        let client = http::client(&url, settings.timeout).map_err(|error| unusable(&error))?;
        Ok(Self {
            settings,
            url,
            client,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Calls the function once.
    pub(crate) async fn call(&self, body: Vec<u8>) -> Result<Vec<u8>, NoAnswer> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if !self.settings.token.is_empty() {
            request = request.bearer_auth(&self.settings.token);
        }
        let response = request.send().await?;
        let status = response.status();
        if !status.is_success() {
            return Err(TransformerError::of_status(status.as_u16()).into());
        }
        if response.headers().contains_key(FUNCTION_ERROR) {
            return Err(TransformerError::Function.into());
        }
        let body = http::read(response, CALL_BYTES_MAX).await?;
        body.ok_or_else(|| TransformerError::AnswerTooLarge.into())
    }
}
