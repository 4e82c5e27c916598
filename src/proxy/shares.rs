//! What each address takes of something that all share.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::access::household;

/// So many at a time to each address, or to each /64 of IPv6. Clones share the count.
#[derive(Clone, Default)]
pub struct Shares(Option<Arc<Bound>>);

struct Bound {
    most: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them, given back when it is dropped.
pub struct Share(Option<(IpAddr, Arc<Bound>)>);

impl Shares {
    /// At most so many to each; without a bound nothing is counted.
    pub fn new(most: Option<NonZeroUsize>) -> Self {
        Shares(most.map(|most| {
            Arc::new(Bound {
                most: most.get(),
                taken: Mutex::default(),
            })
        }))
    }

    /// One more to this address; none where it has as many as it may.
    pub fn take(&self, address: IpAddr) -> Option<Share> {
        let Some(bound) = &self.0 else {
            return Some(Share(None));
        };
        let address = household(address.to_canonical());
        let mut taken = bound.taken();
        let count = taken.entry(address).or_default();
        if *count >= bound.most {
            return None;
        }
        *count += 1;
        Some(Share(Some((address, bound.clone()))))
    }
}

impl Bound {
    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((address, bound)) = &self.0 else {
            return;
        };
        let mut taken = bound.taken();
        if let Some(count) = taken.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(address);
            }
        }
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.0.as_ref().map(|bound| bound.most);
        f.debug_tuple("Shares").field(&most).finish()
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_share_and_gives_it_back() {
        let shares = Shares::new(NonZeroUsize::new(2));
        let [one, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().unwrap());
        let held = (shares.take(one).unwrap(), shares.take(one).unwrap());
        assert!(shares.take(one).is_none() && shares.take(other).is_some());
        drop(held);
        assert!(shares.take(one).is_some());
        assert!(shares.0.unwrap().taken().is_empty());
        let unbounded = Shares::new(None);
        let held: Vec<_> = (0..100).map(|_| unbounded.take(one).unwrap()).collect();
        assert_eq!(held.len(), 100);
    }
}
