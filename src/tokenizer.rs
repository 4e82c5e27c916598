//! Counts text as upstreams bill it.
