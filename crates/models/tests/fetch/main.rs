//! Finding and fetching weights, against a server on the loopback interface.

mod download;
mod loopback;
mod resolve;
