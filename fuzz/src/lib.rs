//! The checks that the fuzz targets and the integration tests have in common.

#[path = "../../tests/it/strangers/checks.rs"]
pub mod checks;
