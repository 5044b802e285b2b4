//! What is done with records on their way, and where faults are told.

use crate::firehose::pattern::{LOG_GROUP, LOG_STREAM, TEXT};
use crate::firehose::values::{
    ANY_BOOLEAN, ProcessorParameterName, ProcessorType, RETRY_SECONDS_SHAPE, STRING,
};
use crate::macros::both;
use crate::parse::Structure as _;
use crate::validate::{Kind, Shape};

const LOG_GROUP_SHAPE: Shape = STRING.min(0).max(512).pattern(&LOG_GROUP);
const LOG_STREAM_SHAPE: Shape = STRING.min(0).max(512).pattern(&LOG_STREAM);
const PARAMETER_VALUE_SHAPE: Shape = STRING.min(1).max(5_120).pattern(&TEXT);
const PARAMETERS_SHAPE: Shape = Shape::new(Kind::List(&ProcessorParameter::SHAPE));
const PROCESSORS_SHAPE: Shape = Shape::new(Kind::List(&Processor::SHAPE));

const RETRY_SECONDS_DEFAULT: u32 = 300;

both! {
    /// A setting of a processor.
    ProcessorParameter {
        /// What is set.
        name: ProcessorParameterName = "ParameterName" is ProcessorParameterName::SHAPE,
        /// What it is set to.
        value: String = "ParameterValue" is PARAMETER_VALUE_SHAPE,
    }
}

both! {
    /// A step on the way of a record.
    Processor {
        /// What is done.
        kind: ProcessorType = "Type" is ProcessorType::SHAPE,
        /// How.
        parameters: Option<Vec<ProcessorParameter>> = "Parameters" is PARAMETERS_SHAPE,
    }
}

impl Processor {
    /// What a setting is set to, where it stands first.
    #[must_use]
    pub fn parameter(&self, name: ProcessorParameterName) -> Option<&str> {
        let mut all = self.parameters.iter().flatten();
        let found = all.find(|parameter| parameter.name == name);
        found.map(|parameter| parameter.value.as_str())
    }
}

both! {
    /// The steps on the way of a record.
    ProcessingConfiguration {
        /// Whether they are taken.
        enabled: Option<bool> = "Enabled" is ANY_BOOLEAN,
        /// The steps.
        processors: Option<Vec<Processor>> = "Processors" is PROCESSORS_SHAPE,
    }
}

both! {
    /// Where faults of a destination are told.
    CloudWatchLoggingOptions {
        /// Whether they are.
        enabled: Option<bool> = "Enabled" is ANY_BOOLEAN,
        /// The group of the log.
        log_group_name: Option<String> = "LogGroupName" is LOG_GROUP_SHAPE,
        /// The log.
        log_stream_name: Option<String> = "LogStreamName" is LOG_STREAM_SHAPE,
    }
}

impl CloudWatchLoggingOptions {
    /// Nowhere.
    pub const OFF: Self = Self {
        enabled: Some(false),
        log_group_name: None,
        log_stream_name: None,
    };
}

both! {
    /// For how long a delivery is tried again.
    RetryOptions {
        /// This long after the first attempt.
        ///
        /// # Units
        /// Seconds.
        duration_in_seconds: Option<u32> = "DurationInSeconds" is RETRY_SECONDS_SHAPE,
    }
}

impl RetryOptions {
    /// With what the service assumes.
    pub(super) fn completed(given: Option<Self>) -> Self {
        let seconds = given.and_then(|given| given.duration_in_seconds);
        Self {
            duration_in_seconds: seconds.or(Some(RETRY_SECONDS_DEFAULT)),
        }
    }
}
