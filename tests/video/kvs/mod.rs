//! Cameras that speak `PutMedia`, as AWS's own producers do: HTTP and Matroska written by hand here, so
//! that nothing of the server judges itself.

mod http;
mod http2;
mod killed;
mod matroska;
