//! A linear tape, a parameter store and optimisers for tensor-core
