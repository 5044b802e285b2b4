//! Kinesis Data Streams as any program may use it: over HTTP/2, against the binary.

mod client;
mod slow;
mod subscriptions;
