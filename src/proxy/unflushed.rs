//! What a reply holds until it is written.

use std::sync::{Arc, Mutex, PoisonError};

use super::serving::Permit;

/// The permits of one connection's replies that have ended and may not be written yet: they count as in flight until
/// they are, so that no client holds the memory of more than may be in flight by not reading. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Unflushed(Arc<Mutex<Vec<Permit>>>);

impl Unflushed {
    /// Holds a permit until all is written.
    pub(super) fn hold(&self, permit: Permit) {
        let permits = self.0.lock();
        permits.unwrap_or_else(PoisonError::into_inner).push(permit);
    }

    /// All is written.
    pub fn clear(&self) {
        let permits = self.0.lock();
        permits.unwrap_or_else(PoisonError::into_inner).clear();
    }
}
