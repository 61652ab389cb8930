//! Examples, benches and cross-crate tests of the fastlearn workspace live in this package; it has no library code.
